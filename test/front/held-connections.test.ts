// Connections that come before the server takes requests: nothing of them is read or lost, and there is a limit.

import assert from "node:assert/strict";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { afterEach, test } from "node:test";

import { HeldConnections, MAX_HELD_CONNECTIONS } from "../../src/front/held-connections.ts";
import { listen, type Listener } from "../../src/front/listener.ts";
import { MAX_PROXY_HEADER_BYTES } from "../../src/net/proxy-protocol.ts";
import { until } from "../support/deadline.ts";

let listener: Listener | null = null;
const clients: Socket[] = [];
afterEach(() => {
  listener?.close();
  for (const client of clients.splice(0)) client.destroy();
});

/** A listener at a free port whose connections are held; `arrived` counts them. */
async function hold(): Promise<{ held: HeldConnections; port: number; arrived: () => number }> {
  const held = new HeldConnections();
  let count = 0;
  listener = await listen({ kind: "tcp", host: "127.0.0.1", port: 0 }, (socket, scheme) => {
    count += 1;
    held.accept(socket, scheme);
  });
  const { address } = listener;
  assert(address.kind === "tcp");
  return { held, port: address.port, arrived: () => count };
}

function open(port: number, text = ""): Socket {
  const client = connect({ host: "127.0.0.1", port });
  client.on("error", () => undefined);
  if (text !== "") client.write(text);
  clients.push(client);
  return client;
}

test("bytes that came before the release are read after it, of every connection", async () => {
  const { held, port, arrived } = await hold();
  open(port, "one");
  open(port, "two");
  await until("both have arrived", () => arrived() === 2);
  const texts: string[] = [];
  held.release((socket, scheme) => {
    socket.on("data", (bytes: Buffer) => void texts.push(`${scheme} ${bytes.toString("latin1")}`));
  });
  open(port, "three");
  await until("all is read", () => texts.length === 3);
  assert.deepEqual(texts.toSorted(), ["http one", "http three", "http two"]);
});

test("a client that leaves while it waits ends nothing", async () => {
  const { held, port, arrived } = await hold();
  const client = open(port, "gone");
  await until("it has arrived", () => arrived() === 1);
  client.resetAndDestroy();
  const stays = open(port, "stays");
  await until("the other has arrived", () => arrived() === 2);
  const texts: string[] = [];
  held.release((socket) => {
    socket.on("error", () => undefined);
    socket.on("data", (bytes: Buffer) => void texts.push(bytes.toString("latin1")));
  });
  await until("the other is read", () => texts.includes("stays"));
  assert.equal(stays.destroyed, false);
});

test("close ends those that wait, and the next ones", async () => {
  const { held, port, arrived } = await hold();
  const first = open(port);
  await until("it has arrived", () => arrived() === 1);
  const ends = once(first, "close");
  held.close();
  await ends;
  await once(open(port), "close");
});

test("after the release close ends nothing", async () => {
  const { held, port } = await hold();
  const accepted: Socket[] = [];
  held.release((socket) => void accepted.push(socket));
  open(port);
  await until("it is accepted", () => accepted.length === 1);
  held.close();
  assert.equal(accepted[0]?.destroyed, false);
  for (const socket of accepted) socket.destroy();
});

test("docs/limits.md says the limits as they are", () => {
  const page = readFileSync(new URL("../../docs/limits.md", import.meta.url), "utf8");
  for (const [name, value] of [
    ["MAX_HELD_CONNECTIONS", `nothing is read | ${MAX_HELD_CONNECTIONS} connections`],
    ["MAX_PROXY_HEADER_BYTES", `${MAX_PROXY_HEADER_BYTES} bytes`],
  ] as const)
    assert.ok(page.includes(`| \`${name}\` | ${value}`), name);
});

test("a connection beyond the limit is closed, the others wait", async () => {
  const { held, port, arrived } = await hold();
  for (let i = 0; i < MAX_HELD_CONNECTIONS; i += 1) open(port);
  await until("the limit is reached", () => arrived() === MAX_HELD_CONNECTIONS);
  await once(open(port), "close");
  let released = 0;
  held.release((socket) => {
    released += 1;
    socket.destroy();
  });
  assert.equal(released, MAX_HELD_CONNECTIONS);
});
