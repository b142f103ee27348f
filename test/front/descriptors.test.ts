// The guard of descriptors, with a limit of the test's and real connections.

import assert from "node:assert/strict";
import { test } from "node:test";

import { DescriptorGuard } from "../../src/front/descriptors.ts";
import { listen } from "../../src/front/listener.ts";
import { responseHead } from "../../src/http/response-head.ts";
import { Http1Engine } from "../../src/http1/engine.ts";
import { OpenFiles } from "../../src/net/open-files.ts";
import { until } from "../support/deadline.ts";
import { RawClient } from "../support/raw-client.ts";

/** The clients' ends are descriptors of this process as well. */
const LIMIT = 200;
const OK = responseHead(200, "OK", []);
const GET = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

test("near the limit idle connections go first, then new ones get 503", async (context) => {
  let busy = 0;
  const connections = new Http1Engine({
    onExchange: (exchange) => {
      if (exchange.head.path === "/") exchange.respond(OK, Buffer.alloc(0));
      else busy += 1;
    },
  });
  const files = new OpenFiles({
    limit: LIMIT,
    workers: 0,
    connections: () => connections.size,
    closeIdle: (count) => connections.closeOldestIdle(count),
  });
  const guard = new DescriptorGuard(connections, files);
  const listener = await listen({ kind: "tcp", host: "127.0.0.1", port: 0 }, (socket) =>
    guard.accept(socket, "http"),
  );
  const clients: RawClient[] = [];
  context.after(() => {
    listener.close();
    connections.destroyAll();
    for (const client of clients) client.destroy();
  });
  assert.ok(listener.address.kind === "tcp");
  const { port } = listener.address;
  const idle = await RawClient.connect({ port });
  clients.push(idle);
  await idle.ask(GET);
  let refused: RawClient | null = null;
  while (refused === null && clients.length < LIMIT) {
    const client = await RawClient.connect({ port });
    clients.push(client);
    client.write("GET /busy HTTP/1.1\r\nHost: a\r\n\r\n");
    const before = busy;
    await until("taken or refused", () => busy > before || client.waiting > 0);
    if (client.waiting > 0) refused = client;
  }
  assert.ok(refused !== null, "somebody is refused");
  assert.equal((await refused.readResponse()).status, 503);
  assert.equal(idle.state, "ended", "the idle one went before");
});
