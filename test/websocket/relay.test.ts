// A WebSocket between two sockets: a real client through the real HTTP front, and an application that is
// the test, on a Unix socket.

import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, type Socket } from "node:net";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { setImmediate as turn } from "node:timers/promises";

import { listen } from "../../src/front/listener.ts";
import { responseHead } from "../../src/http/response-head.ts";
import { Http1Engine } from "../../src/http1/engine.ts";
import { RELAY_BYTES } from "../../src/websocket/limits.ts";
import { WebSocketRelay } from "../../src/websocket/relay.ts";
import { until } from "../support/deadline.ts";
import { RawClient } from "../support/raw-client.ts";
import { makeScratch } from "../support/scratch.ts";
import { binary, close, FrameClient, Opcode, ping, tell, text } from "./frames.ts";

const ACCEPTED = responseHead(101, "", []);

interface Options {
  readonly first?: Buffer;
  readonly behind?: Buffer;
  readonly closeTimeoutMs?: number;
  readonly stalledMs?: number;
}

interface Pair {
  readonly client: FrameClient;
  /** The application's own end of its socket. */
  readonly application: RawClient;
  readonly relay: WebSocketRelay;
  /** The front's end of the same. */
  readonly socket: Socket;
  /** How often the relay has said that it is over. */
  readonly ends: readonly string[];
}

async function start(context: TestContext, options: Options = {}): Promise<Pair> {
  const { first = Buffer.alloc(0), behind = Buffer.alloc(0), ...rest } = options;
  const path = join(makeScratch(context), "application");
  const sockets: Socket[] = [];
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    // As in service, where its errors are heard by who has opened it.
    socket.on("error", () => undefined);
    sockets.push(socket);
  }).listen(path);
  await once(server, "listening");
  const application = await RawClient.connect({ path });
  const socket = await until("the application's connection", () => sockets[0]);
  const relays: WebSocketRelay[] = [];
  const ends: string[] = [];
  const connections = new Http1Engine({
    onExchange: (exchange) => {
      const upgraded = exchange.upgrade(ACCEPTED);
      assert.ok(upgraded !== null);
      const onClosed = (): void => void ends.push("closed");
      relays.push(new WebSocketRelay({ upgraded, application: socket, first, onClosed, ...rest }));
    },
    onFinish: () => undefined,
  });
  const listener = await listen({ kind: "tcp", host: "127.0.0.1", port: 0 }, (accepted) =>
    connections.accept(accepted),
  );
  context.after(() => {
    listener.close();
    server.close();
    connections.destroyAll();
    application.destroy();
  });
  const port = listener.address.kind === "tcp" ? listener.address.port : 0;
  const client = await FrameClient.open({ port }, "", behind);
  const [relay] = relays;
  assert.ok(relay !== undefined);
  return { client, application, relay, socket, ends };
}

/** A frame of the application, whose frames are not masked. */
function ours(frame: (payload: string, options: { mask: false }) => Buffer, payload = ""): Buffer {
  return frame(payload, { mask: false });
}

/** The client's next frame is a close frame with this code. */
async function isClosedBy({ client }: Pair, code: number): Promise<void> {
  const { opcode, payload } = await client.read();
  assert.equal(opcode, Opcode.CLOSE);
  assert.equal(payload.length === 0 ? 1005 : payload.readUInt16BE(), code);
}

/** Nothing more comes, and all is given back. */
async function isOver({ client, application, ends }: Pair): Promise<void> {
  assert.equal((await client.raw.readUntilCut()).length, 0);
  client.raw.end();
  await until("the relay is over", () => ends.length > 0);
  await until("the application has its end", () => application.state !== "open");
  assert.deepEqual(ends, ["closed"]);
}

test("passes bytes on as they are, both ways, those from before as well", async (t) => {
  const early = text("early");
  const pair = await start(t, { first: ours(text, "first"), behind: early });
  assert.deepEqual(await pair.client.hear(1), ["text first"]);
  assert.deepEqual(await pair.application.readBytes(early.length), early);
  const large = binary(Buffer.alloc(300_000, "ab"));
  pair.client.send(ping("p"), large);
  await pair.application.readBytes(7);
  assert.deepEqual(await pair.application.readBytes(large.length), large);
  pair.application.write(binary(Buffer.alloc(300_000, 7), { mask: false }));
  assert.equal((await pair.client.read()).payload.length, 300_000);
});

test("the application closes: the client's answer ends it", async (t) => {
  const pair = await start(t);
  const answer = close(4000);
  pair.application.write(Buffer.concat([ours(text, "last"), close(4000, "", { mask: false })]));
  pair.application.write(ours(text, "behind the close frame"));
  assert.equal(tell(await pair.client.read()), "text last");
  await isClosedBy(pair, 4000);
  pair.client.send(answer, text("behind"));
  assert.deepEqual(await pair.application.readToEnd(), answer);
  await isOver(pair);
});

test("the client closes: the application's answer ends it", async (t) => {
  const pair = await start(t);
  pair.client.send(close(4001));
  await pair.application.readBytes(8);
  pair.application.write(close(4001, "", { mask: false }));
  await isClosedBy(pair, 4001);
  await isOver(pair);
});

for (const [sent, answered] of [
  [close(4002), 4002],
  [close(), 1005],
  [close(1006), 1002],
] as const)
  test(`an application that ends without an answer to a close frame: ${answered}`, async (t) => {
    const pair = await start(t);
    pair.client.send(sent);
    await pair.application.readBytes(sent.length);
    pair.application.end();
    await isClosedBy(pair, answered);
    await isOver(pair);
  });

test("an application that does not answer a close frame is answered for", async (t) => {
  const pair = await start(t, { closeTimeoutMs: 50 });
  pair.client.send(close(4003));
  await isClosedBy(pair, 4003);
  await isOver(pair);
});

test("an application that ends without a word: 1011, behind all that it has sent", async (t) => {
  const pair = await start(t);
  pair.application.write(binary(Buffer.alloc(1_000_000), { mask: false }));
  pair.application.end();
  assert.equal((await pair.client.read()).payload.length, 1_000_000);
  await isClosedBy(pair, 1011);
  pair.client.send(close(1011));
  await isOver(pair);
});

test("an application that ends inside a frame: nothing is put into it", async (t) => {
  const pair = await start(t);
  pair.application.write(ours(text, "cut").subarray(0, 4));
  pair.application.end();
  assert.equal((await pair.client.raw.readUntilCut()).length, 4);
  await isOver(pair);
});

test("close() stands between two frames, and the client's answer goes to the application", async (t) => {
  const pair = await start(t);
  const frame = ours(text, "in two halves");
  pair.application.write(frame.subarray(0, 5));
  await until("half a frame", () => pair.client.raw.waiting === 5);
  pair.relay.close(1012, "restart");
  pair.relay.close(4999, "too late");
  await turn();
  assert.equal(pair.client.raw.waiting, 5);
  pair.application.write(Buffer.concat([frame.subarray(5), ours(text, "dropped")]));
  assert.deepEqual(await pair.client.hear(2), ["text in two halves", "close 1012 restart"]);
  const answer = close(1012);
  pair.client.send(answer);
  assert.deepEqual(await pair.application.readToEnd(), answer);
  await isOver(pair);
});

test("close() at a border is said at once; whatever the application sends then is dropped", async (t) => {
  const pair = await start(t);
  pair.relay.close(1012, "");
  await isClosedBy(pair, 1012);
  // More than any buffer holds: it must not have to wait.
  await pair.application.send(binary(Buffer.alloc(4_000_000), { mask: false }));
  pair.client.send(close(1012));
  await isOver(pair);
});

test("close() after the application's close frame says nothing", async (t) => {
  const pair = await start(t);
  pair.application.write(close(4004, "", { mask: false }));
  await isClosedBy(pair, 4004);
  pair.relay.close(1012, "");
  pair.client.send(close(4004));
  await isOver(pair);
});

test("a client that does not answer is cut; so is one whose application stays inside a frame", async (t) => {
  const deaf = await start(t, { closeTimeoutMs: 50 });
  deaf.relay.close(1012, "");
  await isClosedBy(deaf, 1012);
  await isOver(deaf);
  const stuck = await start(t, { closeTimeoutMs: 50 });
  stuck.application.write(ours(text, "never whole").subarray(0, 3));
  await until("three bytes", () => stuck.client.raw.waiting === 3);
  stuck.relay.close(1012, "");
  assert.equal((await stuck.client.raw.readUntilCut()).length, 3);
  await isOver(stuck);
});

test("a client that is cut, or ends its sending side, is the application's end", async (t) => {
  const cut = await start(t);
  cut.client.raw.socket.resetAndDestroy();
  await cut.application.readUntilCut();
  await isOver(cut);
  const half = await start(t);
  half.client.send(text("last"));
  half.client.raw.end();
  assert.equal((await half.application.readToEnd()).length, text("last").length);
  half.application.write(ours(text, "still heard"));
  assert.deepEqual(await half.client.hear(1), ["text still heard"]);
  half.application.end();
  await isOver(half);
});

test("bounded bytes wait for a client that does not read, and all come", async (t) => {
  const pair = await start(t);
  pair.client.raw.socket.pause();
  const frame = binary(Buffer.alloc(65_536), { mask: false });
  for (let count = 0; count < 300; count += 1) pair.application.write(frame);
  await until("the application waits", () => pair.socket.isPaused());
  assert.ok(pair.application.socket.writableLength > 0);
  pair.client.raw.socket.resume();
  for (let count = 0; count < 300; count += 1) await pair.client.read();
});

test("bounded bytes wait for an application that does not read, and all come", async (t) => {
  const pair = await start(t);
  pair.application.socket.pause();
  const frame = binary(Buffer.alloc(65_536));
  for (let count = 0; count < 300; count += 1) pair.client.send(frame);
  await until("enough waits", () => pair.socket.writableLength >= RELAY_BYTES);
  await until("the client waits", () => pair.client.raw.socket.writableLength > 0);
  assert.ok(pair.socket.writableLength < 3 * RELAY_BYTES, `${pair.socket.writableLength} wait`);
  pair.application.socket.resume();
  assert.equal((await pair.application.readBytes(300 * frame.length)).length, 300 * frame.length);
});

test("a client that takes nothing of what waits is cut", async (t) => {
  const pair = await start(t, { stalledMs: 100 });
  pair.client.raw.socket.pause();
  const frame = binary(Buffer.alloc(65_536), { mask: false });
  for (let count = 0; count < 300; count += 1) pair.application.write(frame);
  await until("the relay is over", () => pair.ends.length === 1);
  await until("the application has its end", () => pair.application.state !== "open");
});

test("close() finds the client's answer behind what the application does not read", async (t) => {
  const pair = await start(t);
  pair.application.socket.pause();
  for (let count = 0; count < 200; count += 1) pair.client.send(binary(Buffer.alloc(65_536)));
  await until("the client waits", () => pair.client.raw.socket.writableLength > 0);
  pair.relay.close(1012, "");
  pair.client.send(close(1012));
  await isClosedBy(pair, 1012);
  assert.equal((await pair.client.raw.readUntilCut()).length, 0);
  pair.client.raw.end();
  await until("the relay is over", () => pair.ends.length === 1);
});
