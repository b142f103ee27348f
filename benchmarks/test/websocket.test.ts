// The WebSocket load generator against a real server of the ws package: every echo is checked.

import assert from "node:assert/strict";
import { once } from "node:events";
import { test } from "node:test";
import { WebSocketServer } from "ws";
import { WEBSOCKET_CASES } from "../cases.ts";
import type { Server } from "../servers.ts";
import { echoMessages, findWebSocketFault, hasWebSocketClient, parseEchoes } from "../websocket.ts";

const [page] = WEBSOCKET_CASES;
assert(page !== undefined);

/** A server that sends back what `change` makes of each message. */
async function withEcho(
  change: (message: Buffer) => Buffer | null,
  use: (port: number) => Promise<void>,
): Promise<void> {
  const server = new WebSocketServer({ host: "127.0.0.1", port: 0 });
  server.on("connection", (socket) => {
    socket.on("message", (message) => {
      const echo = Buffer.isBuffer(message) ? change(message) : null;
      if (echo === null) socket.close(1011);
      else socket.send(echo);
    });
  });
  await once(server, "listening");
  const address = server.address();
  try {
    await use(typeof address === "object" && address !== null ? address.port : 0);
  } finally {
    for (const client of server.clients) client.terminate();
    server.close();
    await once(server, "close");
  }
}

test("counts the messages that came back, and how long they took", async () => {
  assert.equal(hasWebSocketClient(), true);
  await withEcho(
    (message) => message,
    async (port) => {
      const load = { page, port, seconds: 0.2, isWarmUp: false };
      const outcome = await echoMessages(load, 4);
      assert(outcome.requests >= 4);
      assert(outcome.p50 > 0 && outcome.p50 <= outcome.p99 && outcome.p99 <= outcome.max);
    },
  );
});

test("refuses an echo that is not what was sent, and a server that closes", async () => {
  const load = { page, seconds: 0.2, isWarmUp: true };
  await withEcho(
    (message) => Buffer.alloc(message.length),
    (port) => assert.rejects(echoMessages({ ...load, port }, 2), /16 bytes is not what was sent/),
  );
  await withEcho(
    () => null,
    (port) => assert.rejects(echoMessages({ ...load, port }, 2), /closed a connection, code 1011/),
  );
});

test("refuses a report without messages", () => {
  const report = { requests: 0, requestsPerSecond: 0, p50: 0, p99: 0, max: 0 };
  assert.throws(() => parseEchoes(JSON.stringify(report)), /no message came back/);
  assert.throws(() => parseEchoes("{}"), /lacks one of the numbers requests/);
});

const PLAIN_SERVER = `
import http.server, sys
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", "13")
        self.end_headers()
        self.wfile.write(b"Hello, World!")
http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
`;

test("finds out before the rounds that a server does not speak WebSocket", async () => {
  const server: Server = {
    name: "plain",
    title: "Plain",
    family: "uvicorn",
    suites: [],
    programs: ({ port }) => [
      {
        command: "python3",
        args: ["-c", PLAIN_SERVER, String(port)],
        environment: {},
        clients: "all processes",
      },
    ],
  };
  assert.match((await findWebSocketFault(server)) ?? "", /^Error: Unexpected server response: 200/);
});
