// A handshake whose application is offered a socket: what it writes there, what it says in frames, and in
// which order the front reads the two. The client is a real socket, the worker and the application are the
// test.

import assert from "node:assert/strict";
import { once } from "node:events";
import type { Socket } from "node:net";
import { describe, it, type TestContext } from "node:test";

import { acceptKey } from "../../../src/websocket/handshake.ts";
import { FrameFault, FrameType } from "../../../src/workers/frame.ts";
import { monotonicMs } from "../../../src/workers/clock.ts";
import { PageFlag } from "../../../src/workers/page.ts";
import { lapse, until } from "../../support/deadline.ts";
import {
  MemoryEngine,
  type MemoryRequest,
  type MemoryStream,
} from "../../support/memory-engine.ts";
import { RawClient } from "../../support/raw-client.ts";
import { close as closeFrame, HANDSHAKE, KEY, text as textFrame } from "../../websocket/frames.ts";
import { HandWorker, WORKER, type Taken } from "../hand-worker.ts";

const ACCEPTANCE =
  "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
  `Sec-WebSocket-Accept: ${acceptKey(KEY)}\r\n\r\n`;

interface Asked {
  readonly worker: HandWorker;
  readonly client: RawClient;
  readonly id: number;
  /** The application's end of its socket. */
  readonly application: Socket;
}

async function ask(context: TestContext, options: { mayRetry?: boolean } = {}): Promise<Asked> {
  const worker = await HandWorker.start(context, { interface: "wsgi", ...options });
  const client = await RawClient.connect(worker);
  client.write(`GET /ws HTTP/1.1\r\nHost: a\r\n${HANDSHAKE}\r\n`);
  const { id, flags } = await worker.take();
  assert.equal(flags, PageFlag.WEBSOCKET_SOCKET);
  const application = await worker.offer(id);
  context.after(() => {
    client.destroy();
    application.destroy();
  });
  return { worker, client, id, application };
}

async function accept({ client, application }: Asked): Promise<void> {
  application.write(ACCEPTANCE);
  assert.equal((await client.readHead()).status, 101);
}

const stateOf = ({ worker, id }: Asked): string | undefined => worker.table.get(id)?.state;

describe("an application that accepts on its socket", () => {
  it("is joined to its client, and its last frame ends the job", async (context) => {
    const asked = await ask(context);
    const { worker, client, id, application } = asked;
    await accept(asked);
    assert.equal(stateOf(asked), "detached");
    application.write("\x81\x02hi", "latin1");
    assert.equal((await client.readBytes(4)).toString("latin1"), "\x81\x02hi");
    const received = once(application, "data");
    client.write(Buffer.of(0x82, 0));
    assert.deepEqual(await received, [Buffer.of(0x82, 0)]);
    assert.deepEqual(
      worker.table.tick(monotonicMs() + 1_000_000, () => new Map()),
      [],
    );
    worker.head(id, "200 OK", "void", { isEnd: true });
    assert.deepEqual([worker.table.size, worker.told], [0, []]);
    application.end("\x88\x00", "latin1");
    assert.equal((await client.readBytes(2)).toString("latin1"), "\x88\x00");
  });

  it("has a response in frames cancelled, before and after it was joined", async (context) => {
    const early = await ask(context);
    early.worker.head(early.id, "200 OK", "void");
    await accept(early);
    assert.equal((await early.worker.hear(FrameType.CANCEL)).count, 1);
    const late = await ask(context);
    await accept(late);
    late.worker.head(late.id, "200 OK", "void");
    assert.equal((await late.worker.hear(FrameType.CANCEL)).count, 1);
  });

  it("is heard though its last frame came before the bytes of its socket", async (context) => {
    const asked = await ask(context);
    asked.worker.say(FrameType.FAULT, asked.id, "");
    assert.equal(asked.worker.table.size, 0);
    await accept(asked);
    assert.deepEqual(asked.worker.faults, []);
  });

  it("has its faults in the log, and nothing where it just ended", async (context) => {
    for (const [text, isEarly] of [
      ["Traceback", true],
      ["Traceback", false],
      ["", false],
    ] as const) {
      const asked = await ask(context);
      if (isEarly) asked.worker.say(FrameType.FAULT, asked.id, text);
      await accept(asked);
      if (!isEarly) asked.worker.say(FrameType.FAULT, asked.id, text);
      assert.deepEqual(asked.worker.faults, text === "" ? [] : [text]);
    }
  });

  it("closes its client when its worker dies, a while after its last bytes, or the pool stops", async (context) => {
    const dead = await ask(context);
    await accept(dead);
    dead.worker.die();
    dead.application.write("\x81\x04last", "latin1");
    assert.equal((await dead.client.readBytes(6)).toString("latin1"), "\x81\x04last");
    const close = await dead.client.readBytes(4);
    assert.deepEqual([close[0], close.readUInt16BE(2)], [0x88, 1011]);
    const stopped = await ask(context);
    await accept(stopped);
    stopped.worker.table.loseAll("stopping");
    assert.equal((await stopped.client.readBytes(4)).readUInt16BE(2), 1012);
  });

  it("closes its client when its worker leaves, before or after it has accepted", async (context) => {
    for (const isEarly of [true, false]) {
      const asked = await ask(context);
      if (isEarly) asked.worker.say(FrameType.STOPPED, 0);
      await accept(asked);
      if (!isEarly) asked.worker.say(FrameType.STOPPED, 0);
      assert.equal((await asked.client.readBytes(4)).readUInt16BE(2), 1012);
    }
  });
});

describe("an application that does not", () => {
  it("has its response in frames wait for the end of its socket", async (context) => {
    const { worker, client, id, application } = await ask(context);
    worker.head(id, "200 OK", "or");
    worker.say(FrameType.BODY, id, "dinary", { isEnd: true });
    assert.equal(worker.table.size, 0);
    await lapse(20);
    assert.equal(worker.finished.length, 0);
    application.end();
    assert.equal((await client.readResponse()).text, "ordinary");
    await until("its socket is closed", () => application.closed);
  });

  it("is 500 where it fails", async (context) => {
    const { worker, client, id, application } = await ask(context);
    worker.say(FrameType.FAULT, id, "Traceback");
    application.end();
    assert.equal((await client.readResponse()).status, 500);
    assert.deepEqual([worker.faults, worker.faultyWorkers], [["Traceback"], [WORKER]]);
  });

  it("is cancelled and 500 where it writes anything else, or half of it", async (context) => {
    for (const bytes of ["HTTP/1.1 200 OK\r\n\r\n", ACCEPTANCE.slice(0, 40)]) {
      const { worker, client, application } = await ask(context);
      application.end(bytes);
      assert.equal((await client.readResponse()).status, 500);
      assert.equal((await worker.hear(FrameType.CANCEL)).count, 1);
      assert.equal(worker.faults.length, 1);
    }
  });

  it("loses its socket when its client leaves, or its job is lost", async (context) => {
    const gone = await ask(context);
    gone.client.end();
    await until("its socket ends", () => gone.application.readableEnded);
    assert.equal((await gone.worker.hear(FrameType.CANCEL)).count, 1);
    const lost = await ask(context);
    lost.worker.table.loseAll("deadline");
    await until("its socket ends", () => lost.application.readableEnded);
    assert.equal((await lost.client.readResponse()).status, 504);
  });

  it("may be asked once more when its worker dies, with another socket", async (context) => {
    const { worker, client, id, application } = await ask(context, { mayRetry: true });
    for (const job of worker.table.takeHeld(WORKER, [])) worker.table.retry(job);
    const second = await worker.take();
    assert.ok(second.id > id);
    const other = await worker.offer(second.id);
    context.after(() => void other.destroy());
    await until("the first socket ends", () => application.readableEnded);
    other.write(ACCEPTANCE);
    assert.equal((await client.readHead()).status, 101);
  });

  it("has no frames of a WebSocket", async (context) => {
    const { worker, id } = await ask(context);
    for (const type of [FrameType.WS_ACCEPT, FrameType.WS_TEXT, FrameType.WS_CLOSE])
      assert.throws(() => worker.say(type, id), FrameFault);
  });
});

it("a leave of the worker that died is not one of the worker that has the request now", async (context) => {
  const { worker, client } = await ask(context, { mayRetry: true });
  worker.say(FrameType.STOPPED, 0);
  for (const job of worker.table.takeHeld(WORKER, [])) worker.table.retry(job);
  const id = Number((await until("a page", () => worker.readPage()))?.readBigUInt64LE(8));
  const other = WORKER + 1;
  const taken = Buffer.alloc(8);
  taken.writeBigUInt64LE(BigInt(id));
  worker.table.onFrame(other, FrameType.TAKEN, 0, false, 0, taken);
  const application = await worker.offer(id);
  context.after(() => void application.destroy());
  application.write(ACCEPTANCE);
  assert.equal((await client.readHead()).status, 101);
  await lapse(200);
  application.write("\x81\x02hi", "latin1");
  assert.equal((await client.readBytes(4)).toString("latin1"), "\x81\x02hi");
});

describe("a handshake of HTTP/2 (RFC 8441)", () => {
  const REQUEST: MemoryRequest = {
    method: "CONNECT",
    path: "/ws?x=1",
    fields: [
      ["host", "a"],
      ["sec-websocket-version", "13"],
      ["sec-websocket-key", "the client's, which means nothing"],
      ["sec-websocket-protocol", "chat"],
    ],
    bodyLength: 0,
    protocol: "websocket",
  };

  async function connect(
    context: TestContext,
  ): Promise<{ worker: HandWorker; stream: MemoryStream; taken: Taken; application: Socket }> {
    const worker = await HandWorker.start(context, { interface: "wsgi" });
    const engine = new MemoryEngine(
      (exchange) => worker.handle(exchange),
      (exchange) => worker.finished.push(exchange),
    );
    const stream = engine.request(REQUEST);
    const taken = await worker.take();
    const application = await worker.offer(taken.id);
    context.after(() => {
      application.destroy();
      stream.peer?.destroy();
    });
    return { worker, stream, taken, application };
  }

  it("comes to the application as one of HTTP/1.1, with a key of ours", async (context) => {
    const { taken } = await connect(context);
    assert.equal(taken.flags, PageFlag.WEBSOCKET_SOCKET);
    assert.deepEqual(taken.values.slice(0, 6), [
      "GET",
      "/ws?x=1",
      "/ws",
      "x=1",
      "HTTP/1.1",
      "https",
    ]);
    const fields = taken.values.slice(11, -3);
    assert.deepEqual(fields.slice(0, -1), ["a", "13", "chat", "Upgrade", "websocket"]);
    assert.match(fields.at(-1) ?? "", /^[A-Za-z0-9+/]{22}==$/);
  });

  it("is accepted by a 101 of the application, which is a 200 for the client", async (context) => {
    const { worker, stream, taken, application } = await connect(context);
    const answer = acceptKey(taken.values.at(-4) ?? "");
    application.write(
      "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
        `Sec-WebSocket-Accept: ${answer}\r\nSec-WebSocket-Protocol: chat\r\n\r\n`,
      "latin1",
    );
    const received: Buffer[] = [];
    await until("the upgrade", () => stream.state === "upgraded");
    stream.peer?.on("data", (bytes: Buffer) => received.push(bytes));
    assert.equal(stream.status, 200);
    const fields = new Map(stream.fields);
    assert.equal(fields.get("Sec-WebSocket-Protocol"), "chat");
    for (const name of ["Sec-WebSocket-Accept", "Upgrade", "Connection"]) assert(!fields.has(name));
    application.write("\x81\x02hi", "latin1");
    await until("a message", () => Buffer.concat(received).toString("latin1") === "\x81\x02hi");
    const heard = once(application, "data");
    const sent = textFrame("yes");
    stream.peer?.write(sent);
    assert.deepEqual(await heard, [sent]);
    application.write("\x88\x02\x03\xe8", "latin1");
    await until("a close", () => Buffer.concat(received).toString("latin1").endsWith("\x03\xe8"));
    stream.peer?.end(closeFrame(1000));
    await until("the end", () => worker.finished.length === 1);
  });

  it("is refused where the application answers another key", async (context) => {
    const { worker, stream, application } = await connect(context);
    application.write(ACCEPTANCE);
    await until("a response", () => stream.state === "whole");
    assert.equal(stream.status, 500);
    assert.match(worker.faults.join(), /Sec-WebSocket-Accept/);
  });

  it("is not accepted by an ordinary response, even if its status is 200", async (context) => {
    for (const [record, status] of [
      ["404 Not Found", 404],
      ["200 OK", 403],
    ] as const)
      for (const isEnd of [true, false]) {
        const { worker, stream, taken, application } = await connect(context);
        application.end();
        worker.head(taken.id, record, "page", { isEnd });
        if (!isEnd) worker.say(FrameType.BODY, taken.id, "", { isEnd: true });
        await until("a response", () => stream.state === "whole");
        assert.equal(stream.status, status);
        assert.deepEqual(worker.faults, []);
      }
  });
});
