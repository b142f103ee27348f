// The way of a WebSocket between a client and its worker: accepted or denied, messages both ways, and every
// way in which it ends. The client is a real one, the worker is the test.

import assert from "node:assert/strict";
import { once } from "node:events";
import { describe, it, type TestContext } from "node:test";

import { WebSocket } from "ws";

import { FrameFault, FrameType } from "../../../src/workers/frame.ts";
import { msToWireTime, monotonicMs } from "../../../src/workers/clock.ts";
import { PageFlag } from "../../../src/workers/page.ts";
import { until, within } from "../../support/deadline.ts";
import { fieldOf, RawClient, type RawResponse } from "../../support/raw-client.ts";
import {
  MemoryEngine,
  type MemoryRequest,
  type MemoryStream,
} from "../../support/memory-engine.ts";
import { close as closeFrame, FrameClient, HANDSHAKE, text } from "../../websocket/frames.ts";
import { HandWorker, WORKER, type Taken } from "../hand-worker.ts";

interface Opened {
  readonly worker: HandWorker;
  readonly client: WebSocket;
  readonly id: number;
  /** What the client hears: messages, and how it ended. */
  readonly heard: string[];
}

function listen(client: WebSocket): string[] {
  const heard: string[] = [];
  client.on("message", (bytes: Buffer, isBinary) => {
    heard.push(`${isBinary ? "binary" : "text"} ${bytes.toString()}`);
  });
  client.on("close", (code, reason) => heard.push(`close ${code} ${reason.toString()}`.trim()));
  client.on("error", () => heard.push("error"));
  return heard;
}

async function open(context: TestContext, protocols: string[] = []): Promise<Opened> {
  const worker = await HandWorker.start(context);
  const client = new WebSocket(worker.url, protocols, { perMessageDeflate: false });
  context.after(() => client.terminate());
  const opened = once(client, "open");
  const heard = listen(client);
  const id = await worker.accept(protocols.at(-1) ?? "");
  await opened;
  return { worker, client, id, heard };
}

/** A handshake over a connection of its own. */
async function ask(context: TestContext, worker: HandWorker, fields = ""): Promise<RawClient> {
  const client = await RawClient.connect(worker);
  context.after(() => client.destroy());
  client.write(`GET /ws?x=1 HTTP/1.1\r\nHost: a\r\n${HANDSHAKE}${fields}\r\n`);
  return client;
}

/** The answer to a handshake that was not accepted; the connection ends with it. */
async function denial(client: RawClient): Promise<RawResponse> {
  const answer = await client.readResponse();
  assert.equal(fieldOf(answer, "connection"), "close");
  assert.equal((await client.readUntilCut()).length, 0);
  return answer;
}

async function hears(heard: readonly string[], ...expected: readonly string[]): Promise<void> {
  await until(expected.join(), () => heard.length >= expected.length);
  assert.deepEqual(heard, expected);
}

describe("a handshake", () => {
  it("comes to a worker as a page with its flag and the scheme ws", async (context) => {
    const worker = await HandWorker.start(context);
    await ask(context, worker);
    const { flags, values } = await worker.take();
    assert.equal(flags, PageFlag.WEBSOCKET);
    assert.deepEqual(values.slice(0, 6), ["GET", "/ws?x=1", "/ws", "x=1", "HTTP/1.1", "ws"]);
  });

  it("is accepted with a subprotocol and fields of the application", async (context) => {
    const worker = await HandWorker.start(context);
    const client = await ask(context, worker, "Sec-WebSocket-Protocol: a, b\r\n");
    await worker.accept("b\0Set-Cookie\0x=1\0X-Y\0z", 2);
    const head = await client.readHead();
    assert.equal(head.status, 101);
    assert.equal(fieldOf(head, "sec-websocket-protocol"), "b");
    assert.equal(fieldOf(head, "set-cookie"), "x=1");
    assert.equal(fieldOf(head, "x-y"), "z");
    assert.equal(fieldOf(head, "x-request-id"), "id-1");
    assert.equal(fieldOf(head, "sec-websocket-accept"), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
  });

  it("agrees upon compression and a subprotocol with a real client", async (context) => {
    const worker = await HandWorker.start(context);
    const client = new WebSocket(worker.url, ["chat"]);
    context.after(() => client.terminate());
    const opened = once(client, "open");
    const id = await worker.accept("chat");
    await opened;
    assert.deepEqual([client.protocol, client.extensions], ["chat", "permessage-deflate"]);
    const long = "compress me ".repeat(500);
    client.send(long);
    assert.equal((await worker.hearMessage()).bytes.toString(), long);
    worker.say(FrameType.WS_TEXT, id, long, { isEnd: true });
    const [bytes] = await once(client, "message");
    assert.equal(String(bytes), long);
  });

  it("is denied by a close: 403", async (context) => {
    const worker = await HandWorker.start(context);
    const client = await ask(context, worker);
    const { id } = await worker.take();
    worker.say(FrameType.WS_CLOSE, id, "", { isEnd: true, count: 1000 });
    const answer = await denial(client);
    assert.equal(answer.status, 403);
    assert.match(answer.text, /WEBSOCKET_DENIED/);
    assert.equal(worker.table.size, 0);
  });

  it("is denied by a close that is not the last frame", async (context) => {
    const worker = await HandWorker.start(context);
    const client = await ask(context, worker);
    const { id } = await worker.take();
    worker.say(FrameType.WS_CLOSE, id, "", { count: 1000 });
    assert.equal((await denial(client)).status, 403);
    assert.equal(worker.table.size, 1);
    worker.say(FrameType.WS_CLOSE, id, "", { isEnd: true });
    assert.equal(worker.table.size, 0);
    assert.deepEqual(worker.told, []);
  });

  it("is denied by an answer of the application, in one piece or several", async (context) => {
    const worker = await HandWorker.start(context);
    for (const isWhole of [true, false]) {
      const client = await ask(context, worker);
      const { id } = await worker.take();
      const head = Buffer.from("401 Unauthorized\0X-A\0b");
      const prefix = Buffer.alloc(12);
      prefix.writeDoubleLE(msToWireTime(monotonicMs()));
      prefix.writeUInt32LE(head.length, 8);
      const payload = Buffer.concat([prefix, head, Buffer.from("who")]);
      worker.say(FrameType.HEAD, id, payload, { isEnd: isWhole, count: 1 });
      if (!isWhole) worker.say(FrameType.BODY, id, " are you", { isEnd: true });
      const answer = await denial(client);
      assert.deepEqual([answer.status, fieldOf(answer, "x-a")], [401, "b"]);
      assert.equal(answer.text, isWhole ? "who" : "who are you");
    }
    assert.equal(worker.table.size, 0);
  });

  it("is answered with 500 where the application fails, 502 where its worker ends", async (context) => {
    const worker = await HandWorker.start(context);
    const first = await ask(context, worker);
    worker.say(FrameType.FAULT, (await worker.take()).id, "Traceback");
    assert.equal((await denial(first)).status, 500);
    assert.deepEqual(worker.faults, ["Traceback"]);
    const second = await ask(context, worker);
    await worker.take();
    worker.die();
    assert.equal((await denial(second)).status, 502);
  });

  it("is answered with 504 after its deadline, which an accepted one does not have", async (context) => {
    const worker = await HandWorker.start(context);
    const accepted = await FrameClientOf(context, worker);
    const late = await ask(context, worker);
    const { id } = await worker.take();
    const overdue = worker.table.tick(monotonicMs() + 31_000, () => new Map());
    assert.deepEqual(
      overdue.map(({ job }) => job.id),
      [id],
    );
    for (const one of overdue) worker.table.interrupt(one);
    assert.equal((await denial(late)).status, 504);
    accepted.send(text("still open"));
    await worker.hear(FrameType.CANCEL);
    assert.equal((await worker.hearMessage()).bytes.toString(), "still open");
  });

  for (const [why, record, count] of [
    ["a field that is the server's", "\0Upgrade\0h2c", 1],
    ["a value that splits the head", "\0X\0a\r\nb", 1],
    ["a NUL in a value", "\0X\0a\0b", 1],
    ["a subprotocol that the client has not named", "chat", 0],
  ] as const)
    it(`is answered with 500 where it is accepted with ${why}`, async (context) => {
      const worker = await HandWorker.start(context);
      const client = await ask(context, worker);
      const id = await worker.accept(record, count);
      // It has not heard yet.
      worker.say(FrameType.WS_TEXT, id, "hello", { isEnd: true });
      assert.equal((await denial(client)).status, 500);
      assert.equal(worker.faults.length, 1);
      assert.equal((await worker.hear(FrameType.WS_CLOSED)).count, 1006);
      worker.say(FrameType.WS_CLOSE, id, "", { isEnd: true });
      assert.equal(worker.table.size, 0);
    });

  it("whose client leaves is cancelled, and one that is accepted too late is closed", async (context) => {
    const worker = await HandWorker.start(context);
    for (const leave of ["destroy", "end"] as const) {
      const client = await ask(context, worker);
      const { id } = await worker.take();
      client[leave]();
      assert.equal((await worker.hear(FrameType.CANCEL)).count, 1);
      await until("it is in the log", () => worker.finished.length > 0);
      assert.equal(worker.finished.shift()?.status, 0);
      worker.say(FrameType.WS_ACCEPT, id);
      assert.equal((await worker.hear(FrameType.WS_CLOSED)).count, 1006);
      worker.say(FrameType.WS_TEXT, id, "hello", { isEnd: true });
      worker.say(FrameType.WS_CLOSE, id, "", { isEnd: true });
      assert.equal(worker.table.size, 0);
    }
  });

  it("of another version or without a key is refused before a worker hears of it", async (context) => {
    const worker = await HandWorker.start(context);
    for (const [from, to, status] of [
      ["Version: 13", "Version: 7", 426],
      ["Key: dGhl", "Key: d", 400],
    ] as const) {
      const client = await RawClient.connect(worker);
      context.after(() => client.destroy());
      client.write(`GET / HTTP/1.1\r\nHost: a\r\n${HANDSHAKE.replace(from, to)}\r\n`);
      const answer = await client.readResponse();
      assert.equal(answer.status, status);
      // A proxy may believe that the connection has left HTTP.
      assert.equal((await client.readUntilCut()).length, 0);
    }
    assert.equal(worker.table.size, 0);
  });

  it("of another protocol is an ordinary request", async (context) => {
    const worker = await HandWorker.start(context);
    const client = await RawClient.connect(worker);
    context.after(() => client.destroy());
    client.write("GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n");
    const { flags, values } = await worker.take();
    assert.deepEqual([flags, values[5]], [0, "http"]);
  });
});

async function FrameClientOf(context: TestContext, worker: HandWorker): Promise<FrameClient> {
  const opening = FrameClient.open(worker);
  await worker.accept();
  const client = await opening;
  context.after(() => client.destroy());
  return client;
}

describe("messages", () => {
  it("go both ways, whole, in order, as text and binary", async (context) => {
    const { worker, client, id, heard } = await open(context);
    client.send("hello");
    client.send(Buffer.of(0, 255));
    client.send("");
    assert.deepEqual(await worker.hearMessage(), { isText: true, bytes: Buffer.from("hello") });
    assert.deepEqual(await worker.hearMessage(), { isText: false, bytes: Buffer.of(0, 255) });
    assert.deepEqual(await worker.hearMessage(), { isText: true, bytes: Buffer.alloc(0) });
    worker.say(FrameType.WS_TEXT, id, "wor", {});
    worker.say(FrameType.WS_TEXT, id, "ld", { isEnd: true });
    worker.say(FrameType.WS_BINARY, id, "b", { isEnd: true });
    worker.say(FrameType.WS_TEXT, id, "", { isEnd: true });
    await hears(heard, "text world", "binary b", "text ");
  });

  it("that came before the handshake was accepted wait for it, more than are read ahead", async (context) => {
    const worker = await HandWorker.start(context);
    const early = "early ".repeat(50_000);
    const opening = FrameClient.open(worker, "", Buffer.concat([text(early), text("then")]));
    const id = await worker.accept();
    const client = await opening;
    context.after(() => client.destroy());
    assert.equal((await worker.hearMessage()).bytes.toString(), early);
    assert.equal((await worker.hearMessage()).bytes.toString(), "then");
    worker.say(FrameType.WS_TEXT, id, "both ways", { isEnd: true });
    assert.deepEqual(await client.hear(1), ["text both ways"]);
  });

  it("of the client are sent as far as the worker has room, and then wait with the client", async (context) => {
    const { worker, client } = await open(context);
    const message = Buffer.alloc(1_000_000, "0123456789");
    for (let count = 0; count < 30; count += 1) client.send(message);
    const sum = (): number => worker.told.reduce((bytes, { payload }) => bytes + payload.length, 0);
    await until("the window is full", () => sum() === 262_144);
    await until("the client waits", () => client.bufferedAmount > 0);
    assert.equal(sum(), 262_144);
    assert.ok(worker.told.every(({ isEnd }) => !isEnd));
    for (let count = 0; count < 30; count += 1) {
      const { bytes, isText } = await worker.hearMessage();
      assert.ok(!isText && bytes.equals(message), `message ${count}`);
      assert.ok(sum() <= 262_144);
    }
  });

  it("of the worker are its credit again when the client has taken them", async (context) => {
    const { worker, client, id } = await open(context);
    const piece = Buffer.alloc(262_144, "x");
    worker.say(FrameType.WS_BINARY, id, piece, { isEnd: true });
    const [bytes] = await once(client, "message");
    assert.ok(piece.equals(bytes));
    const credit = await worker.hear(FrameType.CREDIT);
    // And a larger window for a client that reads.
    assert.equal(credit.payload.readUInt32LE(), 262_144 + 196_608);
    client.pause();
    let sent = 0;
    for (; sent < 400 && worker.told.length === sent; sent += 1) {
      worker.say(FrameType.WS_BINARY, id, piece, { isEnd: true });
      await new Promise(setImmediate);
      await new Promise(setImmediate);
    }
    assert.ok(sent < 400, "a client that does not read gives no credit");
    client.resume();
    await until("all credit is back", () => worker.told.length === sent);
  });

  it("of the application that come where there can be none end the worker", async (context) => {
    const worker = await HandWorker.start(context);
    await ask(context, worker);
    const { id } = await worker.take();
    const says = (type: number) => () => worker.say(type, id, "x", { isEnd: true });
    assert.throws(says(FrameType.WS_TEXT), FrameFault);
    worker.say(FrameType.WS_ACCEPT, id);
    assert.throws(says(FrameType.WS_ACCEPT), FrameFault);
    assert.throws(says(FrameType.BODY), FrameFault);
    assert.throws(() => worker.grant(id, 1), FrameFault);
    const plain = await RawClient.connect(worker);
    context.after(() => plain.destroy());
    plain.write("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    const other = await worker.take();
    for (const type of [FrameType.WS_ACCEPT, FrameType.WS_TEXT, FrameType.WS_CLOSE])
      assert.throws(() => worker.say(type, other.id), FrameFault);
  });
});

describe("the end", () => {
  it("by the client is told with code and reason, and the worker has the last word", async (context) => {
    const { worker, client, id, heard } = await open(context);
    client.close(4001, "bye");
    const { count, payload } = await worker.hear(FrameType.WS_CLOSED);
    assert.deepEqual([count, payload.toString()], [4001, "bye"]);
    worker.say(FrameType.WS_CLOSE, id, "", { count: 1000 });
    await hears(heard, "close 4001 bye");
    assert.equal(worker.table.size, 1);
    worker.say(FrameType.WS_CLOSE, id, "", { isEnd: true });
    assert.equal(worker.table.size, 0);
    assert.deepEqual(worker.told, []);
  });

  it("by the client leaves time to answer what came before, until the worker has heard of it", async (context) => {
    const worker = await HandWorker.start(context);
    const client = await FrameClientOf(context, worker);
    client.send(text("a"), closeFrame(4001, "bye"), text("late"));
    assert.equal((await worker.hearMessage()).bytes.toString(), "a");
    const { id, count, isEnd } = await worker.hear(FrameType.WS_CLOSED);
    assert.deepEqual([count, isEnd], [4001, true]);
    worker.say(FrameType.WS_TEXT, id, "echo of a", { isEnd: true });
    worker.say(FrameType.WS_CLOSE, id, "", { count: 1000 });
    assert.deepEqual(await client.hear(2), ["text echo of a", "close 4001 bye"]);
    worker.say(FrameType.WS_CLOSE, id, "", { isEnd: true });
    assert.equal(worker.table.size, 0);
  });

  it("by the client is over when the worker says nothing for a while, or is cut meanwhile", async (context) => {
    for (const isCut of [true, false]) {
      const worker = await HandWorker.start(context);
      const client = await FrameClientOf(context, worker);
      client.send(closeFrame(4001, "bye"));
      const first = await worker.hear(FrameType.WS_CLOSED);
      assert.deepEqual([first.count, first.isEnd], [4001, true]);
      if (isCut) client.raw.socket.resetAndDestroy();
      const { id, count, isEnd } = await worker.hear(FrameType.WS_CLOSED);
      assert.deepEqual([count, isEnd], [4001, false]);
      if (!isCut) assert.equal(await client.readClose(), 4001);
      worker.say(FrameType.WS_TEXT, id, "too late", { isEnd: true });
      worker.say(FrameType.WS_CLOSE, id, "", { isEnd: true });
      assert.equal(worker.table.size, 0);
    }
  });

  it("by a client that gives no code is 1005, by one that is cut 1006", async (context) => {
    const { worker, client } = await open(context);
    client.close();
    assert.equal((await worker.hear(FrameType.WS_CLOSED)).count, 1005);
    const other = await open(context);
    other.client.terminate();
    assert.equal((await other.worker.hear(FrameType.WS_CLOSED)).count, 1006);
  });

  it("by a client that does what it may not is told with our code", async (context) => {
    const worker = await HandWorker.start(context);
    const client = await FrameClientOf(context, worker);
    client.send(text(Buffer.of(0xff)));
    assert.equal(await client.readClose(), 1007);
    assert.equal((await worker.hear(FrameType.WS_CLOSED)).count, 1007);
  });

  it("comes behind all messages that the client had sent before", async (context) => {
    const { worker, client } = await open(context);
    const message = Buffer.alloc(3_000_000, "m");
    client.send(message);
    client.send("last");
    client.close(1000);
    assert.ok((await worker.hearMessage()).bytes.equals(message));
    assert.equal((await worker.hearMessage()).bytes.toString(), "last");
    assert.equal((await worker.hear(FrameType.WS_CLOSED)).count, 1000);
  });

  it("by the application reaches the client, and is told when that has answered", async (context) => {
    const { worker, id, heard } = await open(context);
    worker.say(FrameType.WS_TEXT, id, "last words", { isEnd: true });
    worker.say(FrameType.WS_CLOSE, id, "enough", { count: 4002 });
    await hears(heard, "text last words", "close 4002 enough");
    assert.equal((await worker.hear(FrameType.WS_CLOSED)).count, 4002);
    worker.say(FrameType.WS_CLOSE, id, "", { isEnd: true });
    assert.equal(worker.table.size, 0);
  });

  it("by the application's last frame needs no answer", async (context) => {
    const { worker, id, heard } = await open(context);
    worker.say(FrameType.WS_CLOSE, id, "", { isEnd: true, count: 1000 });
    assert.equal(worker.table.size, 0);
    await hears(heard, "close 1000");
    assert.deepEqual(worker.told, []);
  });

  it("by an application that fails is 1011, and in the log", async (context) => {
    const { worker, id, heard } = await open(context);
    worker.say(FrameType.FAULT, id, "Traceback");
    assert.deepEqual(worker.faults, ["Traceback"]);
    await hears(heard, "close 1011 the application failed");
    assert.equal(worker.table.size, 0);
  });

  it("by an application that fails after its client has left is in the log", async (context) => {
    const { worker, client, id } = await open(context);
    client.terminate();
    await worker.hear(FrameType.WS_CLOSED);
    worker.say(FrameType.FAULT, id, "Traceback");
    assert.deepEqual(worker.faults, ["Traceback"]);
    assert.equal(worker.table.size, 0);
  });

  it("by an application that gives a code that may not be sent is 1011, and in the log", async (context) => {
    const { worker, id, heard } = await open(context);
    worker.say(FrameType.WS_CLOSE, id, "", { isEnd: true, count: 1006 });
    await hears(heard, "close 1011");
    assert.equal(worker.faults.length, 1);
  });

  it("by the end of the worker is 1011, by the stop of the pool 1012", async (context) => {
    const first = await open(context);
    first.worker.die();
    await hears(first.heard, "close 1011 the process ended");
    const second = await open(context);
    second.worker.table.loseAll("stopping");
    await hears(second.heard, "close 1012 the server stops");
  });

  it("of all is spread over the time that is given, and those that open later end at once", async (context) => {
    const worker = await HandWorker.start(context);
    const clients: FrameClient[] = [];
    for (let count = 0; count < 4; count += 1) clients.push(await FrameClientOf(context, worker));
    worker.handler.closeAll(1012, 200);
    const codes: number[] = [];
    const closing = clients.map(async (client) => {
      const { payload } = await client.read();
      codes.push(payload.readUInt16BE());
      client.send(closeFrame(1012));
    });
    await Promise.race(closing);
    assert.ok(codes.length < 4, "not all at once");
    await Promise.all(closing);
    assert.deepEqual(codes, [1012, 1012, 1012, 1012]);
    for (let count = 0; count < 4; count += 1)
      assert.equal((await worker.hear(FrameType.WS_CLOSED)).count, 1012);
    const late = await FrameClientOf(context, worker);
    assert.equal((await late.read()).payload.readUInt16BE(), 1012);
  });

  it("comes with the leave of its worker, also where it is accepted afterwards", async (context) => {
    const { worker, heard } = await open(context);
    const late = new WebSocket(worker.url);
    context.after(() => late.terminate());
    const lateHeard = listen(late);
    const { id } = await worker.take();
    worker.say(FrameType.STOPPED, 0);
    await hears(heard, "close 1012 the server restarts");
    worker.say(FrameType.WS_ACCEPT, id);
    await hears(lateHeard, "close 1012 the server restarts");
  });

  it("is one exchange of status 101 with its bytes, told once", async (context) => {
    const worker = await HandWorker.start(context);
    const client = await FrameClientOf(context, worker);
    client.send(text("0123456789"));
    const { bytes } = await worker.hearMessage();
    assert.equal(bytes.length, 10);
    client.send(closeFrame(1000));
    assert.equal(await client.readClose(), 1000);
    await until("its end", () => worker.finished.length > 0);
    const [exchange] = worker.finished;
    // 2 bytes of head, 4 of mask and the payload; the answer to a close frame has no mask.
    assert.equal(exchange?.bytesReceived, 16 + 8);
    assert.equal(exchange?.bytesSent, 4);
    assert.deepEqual([exchange?.status, exchange?.scheme, exchange?.isFinished], [101, "ws", true]);
    assert.equal(exchange?.handling.worker, WORKER);
    assert.equal(worker.finished.length, 1);
  });

  it("leaves the connections to drain, and cuts what is left at their end", async (context) => {
    const { worker, client, heard } = await open(context);
    const drained = worker.connections.drain();
    client.send("still open");
    assert.equal((await worker.hearMessage()).bytes.toString(), "still open");
    worker.connections.destroyAll();
    await within(5000, drained, "all are gone");
    await hears(heard, "close 1006");
    assert.equal((await worker.hear(FrameType.WS_CLOSED)).count, 1006);
  });
});

describe("a handshake of HTTP/2 (RFC 8441)", () => {
  const EXTENDED_CONNECT: MemoryRequest = {
    method: "CONNECT",
    path: "/ws?x=1",
    fields: [
      ["host", "a"],
      ["sec-websocket-version", "13"],
      ["sec-websocket-protocol", "a, b"],
    ],
    bodyLength: null,
    protocol: "websocket",
  };

  /** The stream of a handshake whose page the worker has taken. */
  async function connect(
    context: TestContext,
  ): Promise<{ worker: HandWorker; stream: MemoryStream; taken: Taken }> {
    const worker = await HandWorker.start(context);
    const engine = new MemoryEngine(
      (exchange) => worker.handle(exchange),
      (exchange) => worker.finished.push(exchange),
    );
    const stream = engine.request(EXTENDED_CONNECT);
    return { worker, stream, taken: await worker.take() };
  }

  it("comes to a worker as HTTP/2.0 with the scheme wss", async (context) => {
    const { taken } = await connect(context);
    assert.equal(taken.flags, PageFlag.WEBSOCKET);
    const line = ["CONNECT", "/ws?x=1", "/ws", "x=1", "HTTP/2.0", "wss"];
    assert.deepEqual(taken.values.slice(0, 6), line);
  });

  it("is accepted with 200 and without Sec-WebSocket-Accept, and messages go both ways", async (context) => {
    const { worker, stream, taken } = await connect(context);
    worker.say(FrameType.WS_ACCEPT, taken.id, "b\0X-Y\0z", { count: 1 });
    assert.deepEqual([stream.state, stream.status], ["upgraded", 200]);
    const fields = new Map(stream.fields);
    assert(!fields.has("Sec-WebSocket-Accept") && !fields.has("Upgrade"));
    assert.deepEqual([fields.get("Sec-WebSocket-Protocol"), fields.get("X-Y")], ["b", "z"]);
    const { peer } = stream;
    assert(peer !== null);
    const received: Buffer[] = [];
    peer.on("data", (bytes: Buffer) => received.push(bytes));
    peer.write(text("hi"));
    const told = await worker.hear(FrameType.WS_TEXT_IN);
    assert.equal(told.payload.toString(), "hi");
    worker.say(FrameType.WS_TEXT, taken.id, "yes", { isEnd: true });
    await until("an answer", () => Buffer.concat(received).includes("yes"));
    worker.say(FrameType.WS_CLOSE, taken.id, "bye", { isEnd: true, count: 1000 });
    await until("a close frame", () => Buffer.concat(received).includes("bye"));
    peer.write(closeFrame(1000));
    await until("the end", () => worker.finished.length === 1);
    assert.equal(worker.finished[0]?.status, 200);
  });

  it("is denied by a close with 403, or by a response of the application", async (context) => {
    const first = await connect(context);
    first.worker.say(FrameType.WS_CLOSE, first.taken.id, "", { isEnd: true, count: 1000 });
    assert.deepEqual([first.stream.state, first.stream.status], ["whole", 403]);
    const second = await connect(context);
    second.worker.head(second.taken.id, "401 No\0x-a\0b", "no", { isEnd: true, count: 1 });
    assert.deepEqual([second.stream.state, second.stream.status], ["whole", 401]);
    assert.equal(Buffer.concat(second.stream.chunks).toString(), "no");
  });

  it("is denied with 403 by a response whose 200 would be read as acceptance", async (context) => {
    for (const isEnd of [true, false]) {
      const { worker, stream, taken } = await connect(context);
      worker.head(taken.id, "200 OK", "page", { isEnd });
      if (!isEnd) worker.say(FrameType.BODY, taken.id, "more", { isEnd: true });
      assert.deepEqual([stream.state, stream.status], ["whole", 403]);
      assert.deepEqual(worker.faults, []);
    }
  });

  it("whose stream is reset ends the request", async (context) => {
    const { worker, stream } = await connect(context);
    stream.leave();
    const told = await worker.hear(FrameType.CANCEL);
    assert.equal(told.count, 1);
  });

  it("of another version is refused, and needs no key", async (context) => {
    const worker = await HandWorker.start(context);
    const engine = new MemoryEngine((exchange) => worker.handle(exchange));
    const stream = engine.request({
      ...EXTENDED_CONNECT,
      fields: [["sec-websocket-version", "8"]],
    });
    assert.deepEqual([stream.state, stream.status], ["whole", 426]);
  });
});
