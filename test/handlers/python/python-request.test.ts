// A request between its client and its worker: what the client gets in each case, and how bodies travel under
// WSGI and ASGI. The client is a real socket, the worker is the test.

import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { describe, it, type TestContext } from "node:test";

import { FrameType } from "../../../src/workers/frame.ts";
import type { LostReason } from "../../../src/workers/job.ts";
import { monotonicMs } from "../../../src/workers/clock.ts";
import { PageFlag } from "../../../src/workers/page.ts";
import { lapse, PATIENCE_MS, until } from "../../support/deadline.ts";
import { FACTS, MemoryEngine } from "../../support/memory-engine.ts";
import { fieldOf, RawClient } from "../../support/raw-client.ts";
import { CLIENT, tlsFacts } from "../../support/tls-facts.ts";
import { HandWorker, WORKER } from "../hand-worker.ts";

const GET = "GET /a?b=c HTTP/1.1\r\nHost: h\r\n\r\n";
const BOTH = ["wsgi", "asgi"] as const;

async function start(
  context: TestContext,
  python: "wsgi" | "asgi" = "wsgi",
): Promise<{ readonly worker: HandWorker; readonly client: RawClient }> {
  const worker = await HandWorker.start(context, { interface: python });
  const client = await RawClient.connect(worker);
  context.after(() => client.destroy());
  return { worker, client };
}

const HANDSHAKE =
  "GET / HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" +
  "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n";

/** Bytes of credit that the worker was given. */
const credited = (worker: HandWorker): number =>
  worker.told
    .filter(({ type }) => type === FrameType.CREDIT)
    .reduce((sum, { payload }) => sum + payload.readUInt32LE(), 0);

for (const python of BOTH)
  describe(`a response of ${python}`, () => {
    it("in one piece is the client's, and says where the time went", async (context) => {
      const { worker, client } = await start(context, python);
      client.write(GET);
      const { id, values } = await worker.take();
      assert.deepEqual(values.slice(0, 6), ["GET", "/a?b=c", "/a", "b=c", "HTTP/1.1", "http"]);
      worker.head(id, "200 OK\0X-A\0b", "hello", { isEnd: true, count: 1 });
      const { status, text } = await client.readResponse();
      assert.deepEqual([status, text], [200, "hello"]);
      const timing = worker.finished[0]?.handling;
      assert.equal(timing?.worker, WORKER);
      assert.ok(Number(timing.queuedMs) > 0 && Number(timing.runMs) >= 0);
      assert.equal(worker.table.size, 0);
    });

    it("in several pieces is the client's, and its credit is given back in steps", async (context) => {
      const { worker, client } = await start(context, python);
      client.write(GET);
      const { id } = await worker.take();
      worker.head(id, "200 OK", "a".repeat(40_000));
      const piece = Buffer.alloc(40_000, "b");
      for (let count = 0; count < 19; count += 1) {
        worker.say(FrameType.BODY, id, piece);
        await new Promise((resolve) => setImmediate(resolve));
      }
      const step = python === "asgi" ? 65_536 : 262_144;
      const least = 800_000 - step;
      const response = client.readResponse();
      await until("credit", () => credited(worker) > least);
      assert.ok(worker.told.every(({ payload }) => payload.readUInt32LE() >= step));
      worker.say(FrameType.BODY, id, "", { isEnd: true });
      assert.equal((await response).text.length, 800_000);
      assert.ok((worker.finished[0]?.handling.runMs ?? 0) > 0);
    });

    it("with another length than it declares is 500 or a cut, and in the log", async (context) => {
      for (const isWhole of [true, false]) {
        const { worker, client } = await start(context, python);
        client.write(GET);
        const { id } = await worker.take();
        worker.head(id, "200 OK\0Content-Length\x003", "hello", { isEnd: isWhole, count: 1 });
        if (isWhole) assert.equal((await client.readResponse()).status, 500);
        else {
          await client.readUntilCut();
          assert.equal((await worker.hear(FrameType.CANCEL)).count, 1);
          worker.say(FrameType.BODY, id, "", { isEnd: true });
        }
        assert.match(worker.faults.join(), isWhole ? /sent 5 bytes/ : /more bytes than/);
        assert.equal(worker.table.size, 0);
      }
    });

    it("that must not be sent is 500, and cancelled if more of it follows", async (context) => {
      for (const isWhole of [true, false]) {
        const { worker, client } = await start(context, python);
        client.write(GET);
        const { id } = await worker.take();
        worker.head(id, "200 OK\0X\0a\r\nb", "", { isEnd: isWhole, count: 1 });
        assert.equal((await client.readResponse()).status, 500);
        assert.equal(worker.faults.length, 1);
        assert.deepEqual(worker.faultyWorkers, [WORKER]);
        if (isWhole) assert.deepEqual(worker.told, []);
        else assert.equal((await worker.hear(FrameType.CANCEL)).count, 1);
      }
    });

    it("of an application that fails is 500, and the log names the worker", async (context) => {
      const { worker, client } = await start(context, python);
      client.write(GET);
      worker.say(FrameType.FAULT, (await worker.take()).id, "Traceback");
      assert.equal((await client.readResponse()).status, 500);
      assert.deepEqual([worker.faults, worker.faultyWorkers], [["Traceback"], [WORKER]]);
      assert.equal(worker.finished[0]?.handling.worker, WORKER);
    });

    it("of an application that fails behind the head is cut", async (context) => {
      const { worker, client } = await start(context, python);
      client.write(GET);
      const { id } = await worker.take();
      worker.head(id, "200 OK", "some");
      assert.equal((await client.readHead()).status, 200);
      worker.say(FrameType.FAULT, id, "Traceback");
      assert.doesNotMatch((await client.readUntilCut()).toString(), /\r\n0\r\n\r\n$/);
      assert.equal(worker.table.size, 0);
    });

    for (const [reason, status] of [
      ["worker-died", 502],
      ["queue-full", 503],
      ["queue-timeout", 503],
      ["overloaded", 503],
      ["no-workers", 503],
      ["deadline", 504],
      ["stopping", 503],
    ] as const satisfies readonly (readonly [LostReason, number])[])
      it(`that is lost, ${reason}, is ${status}`, async (context) => {
        const { worker, client } = await start(context, python);
        client.write(GET);
        await worker.take();
        worker.table.loseAll(reason);
        assert.equal((await client.readResponse()).status, status);
        assert.deepEqual(worker.faults, []);
        assert.equal(worker.finished[0]?.handling.worker, WORKER);
      });

    for (const [request, status] of [
      ["HEAD /a?b=c", "200 OK"],
      ["GET /a?b=c", "204 No Content"],
      ["GET /a?b=c", "304 Not Modified"],
    ] as const)
      it(`ends with its head, ${request} and ${status}, though the application sends on`, async (context) => {
        const { worker, client } = await start(context, python);
        client.write(`${request} HTTP/1.1\r\nHost: h\r\n\r\n${GET}`);
        const { id } = await worker.take();
        worker.head(id, status, "dropped");
        const { fields } = await client.readResponse(request.slice(0, 4).trim());
        assert.equal(fields.get("transfer-encoding"), undefined);
        assert.equal((await worker.hear(FrameType.CANCEL)).count, 1);
        // The next request of the connection, while the application still runs for the first one.
        worker.head((await worker.take()).id, "200 OK", "next", { isEnd: true });
        assert.equal((await client.readResponse()).text, "next");
        worker.say(FrameType.BODY, id, "dropped too");
        assert.equal(worker.table.get(id)?.state, "abandoned");
        worker.say(FrameType.BODY, id, "", { isEnd: true });
        assert.equal(worker.table.size, 0);
        assert.deepEqual(worker.faults, []);
      });

    it("is cancelled when its client leaves", async (context) => {
      const { worker, client } = await start(context, python);
      client.write(GET);
      const { id } = await worker.take();
      client.socket.resetAndDestroy();
      assert.equal((await worker.hear(FrameType.CANCEL)).count, 1);
      worker.say(FrameType.BODY, id, "", { isEnd: true });
      assert.equal(worker.table.size, 0);
    });

    it("is the client's that has only closed its sending side", async (context) => {
      const { worker, client } = await start(context, python);
      client.write(GET);
      const { id } = await worker.take();
      client.end();
      // Only an ASGI application can hear of it.
      if (python === "asgi") assert.equal((await worker.hear(FrameType.CANCEL)).count, 3);
      worker.head(id, "200 OK", "late", { isEnd: true });
      assert.equal((await client.readResponse()).text, "late");
      assert.deepEqual(worker.told, []);
    });
  });

describe("a slow client", () => {
  /** More than the kernel takes for a client that does not read. */
  const LIMIT = 24_000_000;

  async function stall(
    context: TestContext,
    python: "wsgi" | "asgi",
    record = "200 OK",
  ): Promise<{ worker: HandWorker; client: RawClient; id: number; sent: number }> {
    const { worker, client } = await start(context, python);
    client.write(GET);
    client.socket.pause();
    const { id } = await worker.take();
    worker.head(id, record, "", { count: record.split("\0").length >> 1 });
    const piece = Buffer.alloc(262_144, "x");
    let sent = 0;
    // As a worker does: only as much as it has credit for.
    const isHeld = python === "asgi" || record !== "200 OK";
    const window = isHeld ? 262_144 : 1_048_576;
    // The spool takes all of a WSGI body; an application is held when it gets no credit for a while.
    const patienceMs = isHeld ? 100 : PATIENCE_MS;
    for (let idleMs = 0; sent < LIMIT && idleMs < patienceMs; idleMs += 5) {
      if (sent - credited(worker) + piece.length <= window) {
        worker.say(FrameType.BODY, id, piece);
        sent += piece.length;
        idleMs = 0;
      }
      await lapse(5);
    }
    return { worker, client, id, sent };
  }

  it("holds no WSGI worker: what it does not read is spooled", async (context) => {
    const { worker, client, id, sent } = await stall(context, "wsgi");
    assert.ok(sent >= LIMIT);
    assert.ok(credited(worker) > sent - 1_048_576);
    worker.say(FrameType.BODY, id, "", { isEnd: true });
    assert.equal(worker.table.size, 0);
    client.socket.resume();
    assert.equal((await client.readResponse()).text.length, sent);
  });

  for (const field of [
    "X-Accel-Buffering\0no",
    "Content-Type\0text/event-stream; charset=utf-8",
    "Content-Type\0multipart/x-mixed-replace; boundary=frame",
  ])
    it(`holds a WSGI worker whose response is live: ${field.replace("\0", ": ")}`, async (context) => {
      const { worker, client, sent } = await stall(context, "wsgi", `200 OK\0${field}`);
      assert.ok(sent < LIMIT);
      // The time between two pieces is a second, and does not count while the client holds them up.
      assert.deepEqual(
        worker.table.tick(monotonicMs() + 20_000, () => new Map()),
        [],
      );
      client.socket.resume();
      await until("all credit is back", () => credited(worker) === sent);
      assert.deepEqual(readdirSync(worker.folder), [], "nothing was spooled");
    });

  it("holds an ASGI application, which has no deadline meanwhile", async (context) => {
    const { worker, client, id, sent } = await stall(context, "asgi");
    assert.ok(sent < LIMIT);
    // The time between two pieces is a second.
    assert.deepEqual(
      worker.table.tick(monotonicMs() + 20_000, () => new Map()),
      [],
    );
    const response = client.readResponse();
    client.socket.resume();
    await until("all credit is back", () => credited(worker) === sent);
    assert.equal(worker.table.tick(monotonicMs() + 20_000, () => new Map()).length, 1);
    await assert.rejects(response);
    assert.equal(worker.table.get(id), undefined);
  });
});

describe("the body of a request", () => {
  const post = (length: number): string =>
    `POST / HTTP/1.1\r\nHost: h\r\nContent-Length: ${length}\r\n\r\n`;

  it("is whole before a WSGI worker hears of it", async (context) => {
    const { worker, client } = await start(context);
    client.write(`${post(5)}he`);
    await new Promise((resolve) => setTimeout(resolve, 50));
    assert.equal(worker.table.size, 0);
    client.write("llo");
    const { body, flags, values } = await worker.take();
    assert.deepEqual([body, flags, values.slice(-2)], ["hello", PageFlag.BODY_INLINE, ["", ""]]);
  });

  it("that came in chunks to WSGI has its length in the record", async (context) => {
    const { worker, client } = await start(context);
    client.write("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n");
    client.write("3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n");
    const { body, values } = await worker.take();
    assert.deepEqual([body, values.slice(-2)], ["abcde", ["5", ""]]);
  });

  it("that is large is a file for WSGI, which is gone with the request", async (context) => {
    const { worker, client } = await start(context);
    client.write(post(1_000_000));
    client.write(Buffer.alloc(1_000_000, "x"));
    const { id, flags, values } = await worker.take();
    assert.equal(flags, PageFlag.BODY_IN_FILE);
    const path = values.at(-1) ?? "";
    assert.equal(readFileSync(path).length, 1_000_000);
    worker.head(id, "200 OK", "", { isEnd: true });
    await until("it is removed", () => !existsSync(path));
  });

  it("that is small goes with its page to ASGI", async (context) => {
    const { worker, client } = await start(context, "asgi");
    client.write(`${post(5)}hello`);
    const { body, flags } = await worker.take();
    assert.deepEqual([body, flags], ["hello", PageFlag.BODY_INLINE]);
  });

  it("streams to ASGI when it is asked for, no more than a window ahead", async (context) => {
    const { worker, client } = await start(context, "asgi");
    client.write(post(1_000_000));
    const { id, flags } = await worker.take();
    assert.equal(flags, PageFlag.BODY_STREAMED);
    client.write(Buffer.alloc(1_000_000, "x"));
    worker.say(FrameType.FETCH, id);
    const received = (): number =>
      worker.told.reduce((sum, { payload }) => sum + payload.length, 0);
    await until("the window is full", () => received() >= 262_144);
    const first = received();
    // One read of the client's socket may go beyond it.
    assert.ok(first < 2 * 262_144);
    for (let granted = 0; granted < 1_000_000;) {
      await until("more", () => received() > granted);
      worker.grant(id, received() - granted);
      granted = received();
    }
    await until("the end", () => worker.told.at(-1)?.isEnd);
  });

  it("streams to ASGI in single reads where memory is short, and gives its memory back", async (context) => {
    const { worker, client } = await start(context, "asgi");
    const { budget } = worker.context;
    const limit = 4_000_000;
    budget.take(limit);
    client.write(post(1_000_000));
    const { id } = await worker.take();
    client.write(Buffer.alloc(1_000_000, "x"));
    worker.say(FrameType.FETCH, id);
    const received = (): number =>
      worker.told.reduce((sum, { payload }) => sum + payload.length, 0);
    for (let granted = 0; granted < 1_000_000;) {
      await until("more", () => received() > granted);
      // The client's bytes are there: a window would be filled now.
      await lapse(5);
      assert.ok(received() - granted <= 65_536, `${received() - granted} bytes at once`);
      worker.grant(id, received() - granted);
      granted = received();
    }
    await until("the end", () => worker.told.at(-1)?.isEnd);
    // More credit than bytes were sent must not make room that is not there.
    worker.grant(id, 1_000_000);
    assert.equal(budget.hasRoom, false);
    budget.give(limit);
    budget.take(limit - 1);
    assert.equal(budget.hasRoom, true);
  });

  it("counts while ASGI has not read it, and no longer when the request has ended", async (context) => {
    const { worker, client } = await start(context, "asgi");
    const { budget } = worker.context;
    client.write(post(1_000_000));
    const { id } = await worker.take();
    client.write(Buffer.alloc(1_000_000, "x"));
    worker.say(FrameType.FETCH, id);
    budget.take(4_000_000 - 262_144);
    await until("the window is counted", () => !budget.hasRoom);
    worker.head(id, "200 OK", "", { isEnd: true });
    await until("it is given back", () => budget.hasRoom);
    budget.take(262_143);
    assert.equal(budget.hasRoom, true);
  });

  it("that waits for 100 Continue is asked for when ASGI wants it", async (context) => {
    const { worker, client } = await start(context, "asgi");
    client.write("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n");
    const { id, flags } = await worker.take();
    assert.equal(flags, PageFlag.BODY_STREAMED);
    worker.say(FrameType.FETCH, id);
    assert.equal((await client.readHead()).status, 100);
  });
});

it("a large WSGI response waits in the spool where connections hold much, and is whole", async (context) => {
  const worker = await HandWorker.start(context, { interface: "wsgi", outputBytes: 12_000_000 });
  const [slow, next] = [await RawClient.connect(worker), await RawClient.connect(worker)];
  context.after(() => {
    slow.destroy();
    next.destroy();
  });
  const large = Buffer.alloc(8_000_000, "abcdefg");
  slow.socket.pause();
  slow.write(GET);
  worker.head((await worker.take()).id, "200 OK", large, { isEnd: true });
  next.socket.pause();
  next.write(GET);
  const bytes = Buffer.alloc(3_900_000, "0123456789");
  worker.head((await worker.take()).id, "200 OK", bytes, { isEnd: true });
  assert.equal(worker.table.size, 0);
  next.socket.resume();
  const response = await next.readResponse();
  // Its head was sent before all of it could be.
  assert.equal(fieldOf(response, "transfer-encoding"), "chunked");
  assert.ok(response.body.equals(bytes));
  slow.socket.resume();
  assert.ok((await slow.readResponse()).body.equals(large));
  await until("both are finished", () => worker.finished.length === 2);
});

it("early hints come before the response, and one that cannot be sent is 500", async (context) => {
  const { worker, client } = await start(context, "asgi");
  client.write(GET);
  const { id } = await worker.take();
  worker.say(FrameType.EARLY_HINT, id, "103 Early Hints\0Link\0</a>", { count: 1 });
  const hint = await client.readHead();
  assert.deepEqual([hint.status, fieldOf(hint, "link")], [103, "</a>"]);
  worker.say(FrameType.EARLY_HINT, id, "103 Early Hints\0Link\0a\r\nb", { count: 1 });
  assert.equal((await client.readResponse()).status, 500);
  assert.deepEqual(worker.faultyWorkers, [WORKER]);
});

it("trailers end a response, and those that cannot be sent cut it", async (context) => {
  for (const [record, isSent] of [
    ["X-Sum\x001", true],
    ["Content-Length\x001", false],
  ] as const) {
    const { worker, client } = await start(context, "asgi");
    client.write("GET / HTTP/1.1\r\nHost: h\r\nTE: trailers\r\nConnection: close\r\n\r\n");
    const { id } = await worker.take();
    worker.head(id, "200 OK", "body");
    worker.say(FrameType.TRAILERS, id, record, { isEnd: true, count: 1 });
    const end = isSent ? client.readToEnd() : client.readUntilCut();
    const hasTrailer = (await end).toString().endsWith("\r\n0\r\nX-Sum: 1\r\n\r\n");
    assert.equal(hasTrailer, isSent);
    assert.equal(worker.table.size, 0);
  }
});

describe("the times of a request, for its log line,", () => {
  const timesOf = (worker: HandWorker): readonly (number | null)[] => {
    const { handling } = worker.finished[0] ?? {};
    return [handling?.queuedMs ?? null, handling?.runMs ?? null];
  };
  /** Whether both are there, and no longer than the test has run. */
  const arePlausible = (worker: HandWorker, since: number): boolean => {
    const most = performance.now() - since;
    return timesOf(worker).every((ms) => ms !== null && ms >= 0 && ms <= most);
  };

  it("are known when its client leaves", async (context) => {
    const since = performance.now();
    const { worker, client } = await start(context, "asgi");
    client.write(GET);
    await worker.take();
    client.socket.resetAndDestroy();
    await until("the end", () => worker.finished.length === 1);
    assert.ok(arePlausible(worker, since), String(timesOf(worker)));
    assert.equal(worker.finished[0]?.handling.worker, WORKER);
  });

  it("are not known when no worker has said that it has the request", async (context) => {
    const { worker, client } = await start(context);
    client.write(GET);
    await until("a page", () => worker.readPage());
    client.socket.resetAndDestroy();
    await until("the end", () => worker.finished.length === 1);
    assert.deepEqual(timesOf(worker), [null, null]);
  });

  it("are none while the body is still on its way", async (context) => {
    const { worker, client } = await start(context);
    client.write("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhe");
    await until("the request", () => worker.connections.size === 1);
    client.socket.resetAndDestroy();
    await until("the end", () => worker.finished.length === 1);
    assert.deepEqual(timesOf(worker), [0, 0]);
  });

  it("are those of a request that was not begun: all of it in the queue", async (context) => {
    const since = performance.now();
    const { worker, client } = await start(context);
    client.write(GET);
    await until("a page", () => worker.readPage());
    worker.table.loseAll("queue-timeout");
    assert.equal((await client.readResponse()).status, 503);
    assert.ok(arePlausible(worker, since));
    assert.equal(timesOf(worker)[1], 0);
  });

  for (const [kind, say] of [
    ["a failure", (worker, id) => worker.say(FrameType.FAULT, id, "Traceback")],
    ["a deadline", (worker) => worker.table.loseAll("deadline")],
    [
      "a refused handshake",
      (worker, id) => worker.say(FrameType.WS_CLOSE, id, "", { isEnd: true }),
    ],
    ["an accepted handshake", (worker, id) => worker.say(FrameType.WS_ACCEPT, id)],
    ["a head alone", (worker, id) => worker.head(id, "204 No Content", "x")],
  ] as const satisfies readonly (readonly [string, (worker: HandWorker, id: number) => void])[])
    it(`are known of ${kind}`, async (context) => {
      const since = performance.now();
      const { worker, client } = await start(context, "asgi");
      client.write(kind.endsWith("handshake") ? HANDSHAKE : GET);
      const { id } = await worker.take();
      say(worker, id);
      await client.readHead();
      client.socket.resetAndDestroy();
      await until("the end", () => worker.finished.length === 1);
      assert.ok(arePlausible(worker, since), String(timesOf(worker)));
      assert.equal(worker.finished[0]?.handling.worker, WORKER);
    });

  it("are known when the body of a running request stops", async (context) => {
    const since = performance.now();
    const { worker, client } = await start(context, "asgi");
    client.write("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5000\r\n\r\n");
    const { id } = await worker.take();
    worker.say(FrameType.FETCH, id);
    client.write("part");
    client.end();
    assert.equal((await client.readResponse()).status, 400);
    assert.ok(arePlausible(worker, since), String(timesOf(worker)));
    assert.equal(worker.finished[0]?.handling.worker, WORKER);
  });
});

it("a failure after the client has left is in the log", async (context) => {
  for (const python of BOTH) {
    const { worker, client } = await start(context, python);
    client.write(GET);
    const { id } = await worker.take();
    client.socket.resetAndDestroy();
    await worker.hear(FrameType.CANCEL);
    worker.say(FrameType.FAULT, id, "Traceback");
    assert.deepEqual([worker.faults, worker.table.size], [["Traceback"], 0]);
  }
});

describe("a request with a long chain of certificates", () => {
  it("has its record on the channel, with the same TLS value as any other", async (context) => {
    const worker = await HandWorker.start(context);
    const engine = new MemoryEngine((exchange) => worker.handle(exchange));
    const client = { ...CLIENT, chain: ["A".repeat(2000), "B".repeat(2000), "C".repeat(2000)] };
    const facts = { ...FACTS, tls: tlsFacts({ client }) };
    const stream = engine.request(
      { method: "GET", path: "/", fields: [["host", "a"]], bodyLength: 0, protocol: "" },
      facts,
    );
    const { id, flags } = await worker.take();
    assert.equal(flags, PageFlag.RECORD_ON_CHANNEL);
    worker.say(FrameType.FETCH, id);
    const { payload } = await worker.hear(FrameType.RECORD);
    const names = payload.readUInt32LE();
    const values = payload.toString("latin1", 8 + names).split("\0");
    assert.equal(values.length, 15);
    const said: unknown = JSON.parse(values.at(-3) ?? "");
    assert.partialDeepStrictEqual(said, { client: { chain: client.chain } });
    worker.head(id, "200 OK", "x", { isEnd: true });
    assert.deepEqual([stream.state, stream.status], ["whole", 200]);
  });
});
