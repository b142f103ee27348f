// What a client may not do too much of, and what happens then; and that docs/limits.md says so.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test, type TestContext } from "node:test";

import { LINGER_BYTES, LINGER_MS } from "../../src/net/lingering-close.ts";
import * as limits from "../../src/websocket/limits.ts";
import { lapse, until } from "../support/deadline.ts";
import { startEchoFront, type EchoFront, type EchoFrontOptions } from "./echo-front.ts";
import { binary, close, frame, FrameClient, more, Opcode, ping, tell, text } from "./frames.ts";

interface Pair {
  readonly front: EchoFront;
  readonly client: FrameClient;
}

async function start(context: TestContext, options: EchoFrontOptions = {}): Promise<Pair> {
  const front = await startEchoFront(options);
  context.after(() => front.close());
  return { front, client: await open(context, front) };
}

async function open(context: TestContext, front: EchoFront): Promise<FrameClient> {
  const client = await FrameClient.open(front);
  context.after(() => client.destroy());
  return client;
}

test("docs/limits.md names every limit of WebSocket with its value", () => {
  const page = readFileSync(new URL("../../docs/limits.md", import.meta.url), "utf8");
  const rows = page.split("\n").filter((line) => line.startsWith("| "));
  for (const [name, value] of Object.entries<number>({ ...limits, LINGER_MS, LINGER_BYTES })) {
    const row = rows.find((line) => line.includes(`\`${name}\``) && line.includes(String(value)));
    assert.ok(row !== undefined, `${name} ${value}`);
  }
});

test("a message that says that it is too large is refused before it comes: 1009", async (context) => {
  const { client } = await start(context);
  client.send(binary("", { length: limits.MAX_MESSAGE_BYTES + 1 }));
  assert.equal(await client.readClose(), 1009);
});

test("a message of fragments that become too large is refused: 1009", async (context) => {
  const { client } = await start(context);
  const mib = Buffer.alloc(1_048_576);
  client.send(binary(mib, { fin: false }));
  for (let count = 1; count < 16; count += 1) client.send(more(mib, { fin: false }));
  client.send(more("x"));
  assert.equal(await client.readClose(), 1009);
});

test("a length beyond all numbers is refused: 1009", async (context) => {
  const { client } = await start(context);
  const bytes = binary("", { lengthBytes: 8 });
  bytes.writeBigUInt64BE(2n ** 62n, 2);
  client.send(bytes);
  assert.equal(await client.readClose(), 1009);
});

test("a message of too many fragments is refused, empty ones as well: 1008", async (context) => {
  const { client } = await start(context);
  const empty = more("", { fin: false });
  client.send(text("", { fin: false }), ...Array<Buffer>(limits.MAX_FRAGMENTS).fill(empty));
  assert.equal(await client.readClose(), 1008);
});

for (const [name, one] of [
  ["pings", ping("x")],
  ["pongs", frame(Opcode.PONG, "x")],
] as const)
  test(`too many ${name} in a second are refused: 1008`, async (context) => {
    const { front, client } = await start(context);
    client.send(...Array<Buffer>(10 * limits.MAX_CONTROL_FRAMES_PER_SECOND).fill(one));
    let heard = await client.read();
    while (heard.opcode !== Opcode.CLOSE) heard = await client.read();
    assert.match(tell(heard), /^close 1008 /);
    assert.match(front.accepted[0]?.closed.join() ?? "", /^1008 /);
  });

test("empty messages are messages: as many as a client likes", async (context) => {
  const { front, client } = await start(context);
  const count = 5 * limits.MAX_CONTROL_FRAMES_PER_SECOND;
  client.send(...Array<Buffer>(count).fill(text("")));
  for (let heard = 0; heard < count; heard += 1) assert.equal(tell(await client.read()), "text ");
  assert.deepEqual(front.accepted[0]?.closed, []);
});

test("a client that pings and does not read gets the newest pong, and others are not owed", async (context) => {
  const { front, client } = await start(context);
  const accepted = front.accepted[0];
  assert.ok(accepted !== undefined);
  accepted.take = () => undefined;
  client.raw.socket.pause();
  const { connection, stream } = accepted;
  for (let count = 0; count < 200; count += 1)
    connection.send(Buffer.alloc(65_536), false, true, () => undefined);
  await until("the client has enough", () => stream.writableLength > 0);
  client.send(ping("old"), ping("older"), ping("newest"), text("mark"));
  await until("they have come", () => accepted.count === 1);
  client.raw.socket.resume();
  for (let count = 0; count < 200; count += 1) await client.read();
  client.send(ping("then"));
  assert.deepEqual(await client.hear(2), ["pong newest", "pong then"]);
});

test("many unfinished large messages are refused, a small one is not: 1013", async (context) => {
  const { front, client } = await start(context, { memoryBytes: 100_000 });
  client.send(binary(Buffer.alloc(150_000), { fin: false }));
  await until("it has come", () => !front.budget.hasRoom || front.accepted[0] !== undefined);
  const second = await open(context, front);
  second.send(binary(Buffer.alloc(100_000), { fin: false }));
  const third = await open(context, front);
  third.send(text("small"));
  assert.deepEqual(await third.hear(1), ["text small"]);
  const codes = await Promise.race([client.readClose(), second.readClose()]);
  assert.equal(codes, 1013);
});

test("very many unfinished messages of a middle size are refused, a small one is not: 1013", async (context) => {
  const { front, client } = await start(context, { memoryBytes: 100_000 });
  const clients = [client];
  while (clients.length < 8) clients.push(await open(context, front));
  const codes: number[] = [];
  for (const each of clients) {
    each.send(binary(Buffer.alloc(50_000), { fin: false }));
    void each.readClose().then(
      (code) => codes.push(code),
      () => undefined,
    );
  }
  await until("those beyond twice the memory are refused", () => codes.length >= 3);
  assert.deepEqual(new Set(codes), new Set([1013]));
  assert.ok(codes.length <= 4, `${codes.length} of 8 are refused`);
  const small = await open(context, front);
  small.send(binary(Buffer.alloc(4000)));
  assert.equal((await small.read()).payload.length, 4000);
});

test("memory of unfinished messages is given back at their end, and at their connection's", async (context) => {
  const { front, client } = await start(context, { memoryBytes: 200_000 });
  const half = Buffer.alloc(150_000);
  for (let count = 0; count < 5; count += 1) {
    client.send(binary(half), ping("x"));
    assert.equal((await client.read()).payload.length, 150_000);
    assert.deepEqual(await client.hear(1), ["pong x"]);
  }
  client.send(binary(half, { fin: false }));
  client.raw.end();
  await client.raw.readUntilCut();
  await until("all is given back", () => front.connections.size === 0);
  front.budget.take(199_999);
  assert.ok(front.budget.hasRoom);
});

test("a client that answers no ping is cut", async (context) => {
  const { front, client } = await start(context, { pingIntervalMs: 50, pingTimeoutMs: 25 });
  assert.deepEqual(await client.hear(1), ["ping "]);
  await client.raw.readUntilCut();
  await until("it is told", () => front.accepted[0]?.closed.join() === "1006");
});

test("a client that answers no ping stays where it has for ever to do so", async (context) => {
  const { front, client } = await start(context, { pingIntervalMs: 50, pingTimeoutMs: 0 });
  assert.deepEqual(await client.hear(1), ["ping "]);
  client.send(text("after the ping"));
  assert.deepEqual(await client.hear(2), ["text after the ping", "ping "]);
  assert.deepEqual(front.accepted[0]?.closed, []);
});

test("no pings are sent where there is no interval", async (context) => {
  const { front, client } = await start(context, { pingIntervalMs: 0, pingTimeoutMs: 1 });
  for (const word of ["a", "b", "c"]) {
    await lapse(30);
    client.send(text(word));
    assert.deepEqual(await client.hear(1), [`text ${word}`]);
  }
  assert.deepEqual(front.accepted[0]?.closed, []);
});

test("a client that answers stays, and so does one that sends anything else", async (context) => {
  const { front, client } = await start(context, { pingIntervalMs: 250, pingTimeoutMs: 10_000 });
  for (let count = 0; count < 3; count += 1) {
    assert.deepEqual(await client.hear(1), ["ping "]);
    client.send(frame(Opcode.PONG));
  }
  assert.deepEqual(await client.hear(1), ["ping "]);
  client.send(text("still here", { fin: false }));
  assert.deepEqual(await client.hear(1), ["ping "]);
  assert.deepEqual(front.accepted[0]?.closed, []);
});

test("a client whose bytes are not read is not cut for its silence", async (context) => {
  const { front, client } = await start(context, { pingIntervalMs: 50, pingTimeoutMs: 25 });
  front.accepted[0]?.connection.pause();
  assert.deepEqual(await client.hear(4), ["ping ", "ping ", "ping ", "ping "]);
  client.send(text("x"));
  front.accepted[0]?.connection.resume();
  let heard = await client.read();
  while (heard.opcode === Opcode.PING) heard = await client.read();
  assert.equal(tell(heard), "text x");
});

test("a client that takes nothing of what is sent is cut", async (context) => {
  const { front, client } = await start(context, { pingIntervalMs: 50 });
  const accepted = front.accepted[0];
  assert.ok(accepted !== undefined);
  client.raw.socket.pause();
  for (let count = 0; count < 400; count += 1)
    accepted.connection.send(Buffer.alloc(65_536), false, true, () => undefined);
  // It goes on sending, and is cut all the same.
  const timer = setInterval(() => client.send(text("")), 20);
  context.after(() => clearInterval(timer));
  accepted.take = () => undefined;
  await until("it is cut", () => accepted.closed.length > 0);
  assert.deepEqual(accepted.closed, ["1006"]);
});

test("a client that does not answer our close frame is cut", async (context) => {
  const { front, client } = await start(context, { closeTimeoutMs: 50 });
  const accepted = front.accepted[0];
  accepted?.connection.close(1000, "");
  client.send(text("not a close frame"));
  assert.equal(await client.readClose(), 1000);
  await until("it is told", () => accepted?.closed.join() === "1006");
});

test("a client that goes on sending behind its end is cut", async (context) => {
  const { front, client } = await start(context);
  client.send(close(1000));
  await client.read();
  const junk = Buffer.alloc(1_048_576);
  for (let count = 0; count < 40 && client.raw.state === "open"; count += 1) client.raw.write(junk);
  await until("it is cut", () => front.connections.size === 0);
});

test("what is held back stays with the client, and comes in order afterwards", async (context) => {
  const { front, client } = await start(context);
  const accepted = front.accepted[0];
  assert.ok(accepted !== undefined);
  const taken: number[] = [];
  accepted.take = (bytes) => {
    taken.push(bytes.readUInt32LE());
    if (taken.length === 3) accepted.connection.pause();
  };
  const count = 400;
  for (let index = 0; index < count; index += 1) {
    const message = Buffer.alloc(65_536);
    message.writeUInt32LE(index);
    client.send(binary(message));
  }
  client.send(close(1000));
  await until("the third has come", () => taken.length >= 3);
  // The kernel takes some more; then the client has to wait.
  await until("it waits", () => accepted.stream.isPaused() && client.raw.socket.writableLength > 0);
  const before = taken.length;
  assert.ok(before < 10, `${before} came`);
  accepted.connection.resume();
  assert.equal(await client.readClose(), 1000);
  assert.deepEqual(
    taken,
    Array.from({ length: count }, (_, index) => index),
  );
  assert.deepEqual(accepted.closed, ["1000"]);
});

for (const [what, ...begun] of [
  ["a message without its last fragment", text("a", { fin: false })],
  ["a message whose fragments are empty", text("", { fin: false }), more("", { fin: false })],
  ["a frame without its payload", binary("ab", { length: 1000 })],
  ["a frame without its whole header", text("x".repeat(200)).subarray(0, 3)],
  ["a control frame in pieces", ping("half", { length: 100 })],
] as const)
  test(`${what} is not waited for without end: 1008`, async (context) => {
    const { client } = await start(context, { pingIntervalMs: 0, messageWindowMs: 100 });
    client.send(text("whole"));
    assert.deepEqual(await client.hear(1), ["text whole"]);
    client.send(...begun);
    assert.equal(await client.readClose(), 1008);
  });

test("pings and pongs do not hold an unfinished message: 1008", async (context) => {
  const { front, client } = await start(context, { pingIntervalMs: 0, messageWindowMs: 200 });
  client.send(text("a", { fin: false }));
  const timer = setInterval(() => client.send(frame(Opcode.PONG, "z".repeat(125))), 5);
  context.after(() => clearInterval(timer));
  await until("the end", () => front.accepted[0]?.closed[0]?.startsWith("1008"));
});

test("a message that comes slowly but steadily goes on through many windows", async (context) => {
  const messageWindowMs = 200;
  const { client } = await start(context, { pingIntervalMs: 0, messageWindowMs });
  client.send(text("<", { fin: false }));
  const begin = performance.now();
  // Ten times the bytes that are asked for, in fragments.
  while (performance.now() - begin < 5 * messageWindowMs) {
    client.send(more("y".repeat(100), { fin: false }));
    await lapse(20);
  }
  client.send(more(">"));
  const [heard] = await client.hear(1);
  assert.match(heard ?? "", /^text <y+>$/);
});

test("the time in which the application does not receive is not the client's", async (context) => {
  const messageWindowMs = 100;
  const { front, client } = await start(context, { pingIntervalMs: 0, messageWindowMs });
  const accepted = await until("the WebSocket", () => front.accepted[0]);
  const echo = accepted.take;
  accepted.take = (bytes, isText) => {
    accepted.connection.pause();
    echo(bytes, isText);
  };
  client.send(text("first"), text("sec", { fin: false }));
  assert.deepEqual(await client.hear(1), ["text first"]);
  await lapse(5 * messageWindowMs);
  accepted.take = echo;
  accepted.connection.resume();
  client.send(more("ond"));
  assert.deepEqual(await client.hear(1), ["text second"]);
});
