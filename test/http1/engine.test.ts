// All connections together: deadlines by a clock of the test's, drain, and room for descriptors.

import assert from "node:assert/strict";
import { once } from "node:events";
import { connect, createServer } from "node:net";
import { type TestContext, test } from "node:test";

import { ERRORS } from "../../src/http/error.ts";
import type { BodyReceiver, Exchange } from "../../src/http/exchange.ts";
import { responseHead } from "../../src/http/response-head.ts";
import type { Http1Options } from "../../src/http1/engine.ts";
import { until, within } from "../support/deadline.ts";
import { type RecordingFront, startRecordingFront } from "../support/recording-front.ts";

const OK = responseHead(200, "OK", []);
const NOTHING: BodyReceiver = { onBody: () => undefined, onBodyEnd: () => undefined };
const GET = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

/** A front whose time stands still until the test moves it. */
async function frontWithClock(
  context: TestContext,
  options: Partial<Http1Options> = {},
): Promise<RecordingFront & { pass(ms: number): void }> {
  let now = 1000;
  const front = await startRecordingFront({ ...options, now: () => now });
  context.after(() => front.close());
  return {
    ...front,
    pass: (ms) => {
      now += ms;
      front.connections.tick();
    },
  };
}

test("a head that is not whole after 10 s gets 408", async (context) => {
  const front = await frontWithClock(context);
  const client = await front.connect();
  // When the first is answered, the part of the second has been read with it.
  await client.ask(`${GET}GET / HTTP/1.1\r\nHost:`);
  front.pass(9000);
  client.write(" a\r\nX: y");
  assert.equal(client.waiting, 0);
  front.pass(2000);
  assert.equal((await client.readResponse()).status, 408);
  assert.equal((await client.readUntilCut()).length, 0);
});

test("a connection that sends nothing is closed without an answer", async (context) => {
  const front = await frontWithClock(context);
  const client = await front.connect();
  await until("the connection", () => front.connections.size === 1);
  client.write("\r\n");
  front.pass(10_500);
  assert.equal((await client.readUntilCut()).length, 0);
  assert.equal(client.state, "ended");
});

test("an idle connection is closed after its time, not before", async (context) => {
  const front = await frontWithClock(context, { keepAliveMs: 30_000 });
  const client = await front.connect();
  await client.ask(GET);
  front.pass(29_000);
  await client.ask(GET);
  front.pass(29_000);
  await client.ask(GET);
  front.pass(30_500);
  assert.equal((await client.readUntilCut()).length, 0);
});

test("a body slower than 500 B/s gets 408, also after a quick beginning", async (context) => {
  const exchanges: Exchange[] = [];
  const front = await frontWithClock(context, {
    onExchange: (exchange) => {
      exchanges.push(exchange);
      exchange.receive(NOTHING);
    },
  });
  const client = await front.connect();
  client.write("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n");
  client.write("x".repeat(100_000));
  await until("the body", () => exchanges[0]?.bytesReceived === 100_000);
  front.pass(10_500);
  client.write("x".repeat(5000));
  await until("more", () => exchanges[0]?.bytesReceived === 105_000);
  front.pass(10_500);
  client.write("x".repeat(4000));
  await until("less", () => exchanges[0]?.bytesReceived === 109_000);
  assert.equal(client.waiting, 0);
  front.pass(10_500);
  assert.equal((await client.readResponse()).status, 408);
});

test("a body of a live receiver may be slow, but not silent for longer than --body-timeout", async (context) => {
  const exchanges: Exchange[] = [];
  const front = await frontWithClock(context, {
    bodyTimeoutMs: 30_000,
    onExchange: (exchange) => {
      exchanges.push(exchange);
      exchange.receive({ ...NOTHING, isLive: true });
    },
  });
  const client = await front.connect();
  client.write("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n");
  for (let bytes = 1; bytes <= 3; bytes += 1) {
    client.write("x");
    await until("a byte", () => exchanges[0]?.bytesReceived === bytes);
    front.pass(250);
    front.pass(29_000);
  }
  assert.equal(client.waiting, 0);
  front.pass(1000);
  assert.equal((await client.readResponse()).status, 408);
});

test("without a limit a live body may be silent for ever", async (context) => {
  const exchanges: Exchange[] = [];
  const front = await frontWithClock(context, {
    bodyTimeoutMs: 0,
    onExchange: (exchange) => {
      exchanges.push(exchange);
      exchange.receive({
        ...NOTHING,
        isLive: true,
        onBodyEnd: () => exchange.respond(OK, Buffer.alloc(0)),
      });
    },
  });
  const client = await front.connect();
  client.write("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\n");
  await until("the exchange", () => exchanges.length === 1);
  front.pass(86_400_000);
  client.write("x");
  assert.equal((await client.readResponse()).status, 200);
});

test("a body that the receiver has stopped is not slow", async (context) => {
  const exchanges: Exchange[] = [];
  const front = await frontWithClock(context, {
    onExchange: (exchange) => {
      exchanges.push(exchange);
      exchange.receive(NOTHING);
      exchange.pauseBody();
    },
  });
  const client = await front.connect();
  client.write("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n");
  const exchange = await until("the exchange", () => exchanges[0]);
  front.pass(60_000);
  assert.ok(!exchange.isFinished);
  exchange.resumeBody();
  front.pass(10_500);
  assert.equal((await client.readResponse()).status, 408);
});

test("a reader that takes nothing for 60 s is cut", async (context) => {
  const exchanges: Exchange[] = [];
  const gone: string[] = [];
  const front = await frontWithClock(context, {
    onExchange: (exchange) => {
      exchanges.push(exchange);
      exchange.listener = { onDrain: () => undefined, onGone: (how) => gone.push(how) };
      exchange.start(OK);
      exchange.write(Buffer.alloc(50_000_000));
    },
  });
  const client = await front.connect();
  client.socket.pause();
  client.write(GET);
  await until("the exchange", () => exchanges[0]);
  front.pass(1000);
  front.pass(59_000);
  assert.deepEqual(gone, []);
  // The kernel may still have taken some until now.
  await until("it is cut", () => {
    front.pass(10_000);
    return gone.length > 0;
  });
  assert.deepEqual(gone, ["reset"]);
  client.destroy();
});

test("a reader that goes on taking is not cut, however slow", async (context) => {
  const exchanges: Exchange[] = [];
  const front = await frontWithClock(context, {
    onExchange: (exchange) => {
      exchanges.push(exchange);
      exchange.start(OK);
      exchange.write(Buffer.alloc(50_000_000));
    },
  });
  const socket = connect(front.port, "127.0.0.1");
  let received = 0;
  let share = 0;
  socket.on("data", (bytes: Buffer) => {
    received += bytes.length;
    if (received >= share) socket.pause();
  });
  socket.pause();
  socket.write(GET);
  const exchange = await until("the exchange", () => exchanges[0]);
  for (let round = 0; round < 5; round += 1) {
    front.pass(1000);
    front.pass(58_000);
    // More than the kernel holds between the two, so that the server has sent some of it just now.
    share += 9_000_000;
    socket.resume();
    await until("more bytes", () => received >= share);
    front.pass(500);
  }
  assert.ok(!exchange.isFinished);
  socket.destroy();
});

test("after a refusal the connection is let go even if the client never closes", async (context) => {
  const front = await frontWithClock(context);
  const client = await front.connect();
  client.write("BAD\r\n\r\n");
  assert.equal((await client.readResponse()).status, 400);
  assert.equal((await client.readUntilCut()).length, 0);
  assert.equal(front.connections.size, 1);
  await until("gone", () => {
    front.pass(1000);
    return front.connections.size === 0;
  });
});

test("drain closes idle connections, lets running requests finish, and then resolves", async (context) => {
  const exchanges: Exchange[] = [];
  const front = await frontWithClock(context, {
    onExchange: (exchange) => {
      if (exchange.head.path === "/slow") exchanges.push(exchange);
      else exchange.respond(OK, Buffer.alloc(0));
    },
  });
  const idle = await front.connect();
  await idle.ask(GET);
  const busy = await front.connect();
  busy.write("GET /slow HTTP/1.1\r\nHost: a\r\n\r\n");
  const exchange = await until("the exchange", () => exchanges[0]);
  const drained = front.connections.drain();
  assert.equal((await idle.readUntilCut()).length, 0);
  idle.destroy();
  exchange.respond(OK, Buffer.from("done"));
  const answer = await busy.readResponse();
  assert.equal(answer.text, "done");
  assert.deepEqual(answer.fields.get("connection"), ["close"]);
  assert.equal((await busy.readUntilCut()).length, 0);
  busy.destroy();
  await within(5000, drained, "drained");
});

test("drain ends a connection whose answer is on its way when it has been read", async (context) => {
  let answered = 0;
  const front = await frontWithClock(context, {
    onExchange: (exchange) => {
      exchange.respond(OK, Buffer.alloc(20_000_000));
      answered += 1;
    },
  });
  const socket = connect({ port: front.port, host: "127.0.0.1", allowHalfOpen: true });
  socket.write(GET);
  await until("the answer has begun", () => answered === 1);
  const drained = front.connections.drain();
  let length = 0;
  socket.on("data", (bytes: Buffer) => {
    length += bytes.length;
  });
  await within(5000, once(socket, "end"), "the end");
  assert.ok(length > 20_000_000);
  socket.destroy();
  await within(5000, drained, "drained");
});

test("while draining, a connection that has just come may bring its request", async (context) => {
  const front = await frontWithClock(context);
  const early = await front.connect();
  const silent = await front.connect();
  await until("both", () => front.connections.size === 2);
  const drained = front.connections.drain();
  const answer = await early.ask(GET);
  assert.equal(answer.status, 200);
  assert.deepEqual(answer.fields.get("connection"), ["close"]);
  early.destroy();
  front.pass(1100);
  assert.equal((await silent.readUntilCut()).length, 0);
  silent.destroy();
  await within(5000, drained, "drained");
});

test("drain with no connections resolves at once", async (context) => {
  const front = await frontWithClock(context);
  await within(1000, front.connections.drain(), "drained");
});

test("destroyAll cuts everything and tells the handlers", async (context) => {
  const gone: string[] = [];
  const finished: Exchange[] = [];
  const front = await frontWithClock(context, {
    onExchange: (exchange) => {
      exchange.listener = { onDrain: () => undefined, onGone: (how) => gone.push(how) };
    },
    onFinish: (exchange) => finished.push(exchange),
  });
  const client = await front.connect();
  client.write(GET);
  await until("the request", () => front.connections.size === 1);
  await client.send(Buffer.from("GET"));
  const drained = front.connections.drain();
  await until("the exchange", () => {
    front.connections.destroyAll();
    return front.connections.size === 0;
  });
  await within(1000, drained, "drained");
  assert.equal(gone.length, finished.length);
  await client.readUntilCut();
});

test("the connections that have been idle longest are closed first", async (context) => {
  const front = await frontWithClock(context);
  const first = await front.connect();
  await first.ask(GET);
  front.pass(1000);
  const second = await front.connect();
  await second.ask(GET);
  front.pass(1000);
  await first.ask(GET);
  assert.equal(front.connections.closeOldestIdle(1), 1);
  assert.equal((await second.readUntilCut()).length, 0);
  assert.equal((await first.ask(GET)).status, 200);
  first.destroy();
});

test("a connection that has just come is not idle: its request may lie unread", async (context) => {
  const front = await frontWithClock(context);
  const client = await front.connect();
  await until("the connection", () => front.connections.size === 1);
  assert.equal(front.connections.closeOldestIdle(1), 0);
  front.pass(250);
  assert.equal(front.connections.closeOldestIdle(1), 1);
  assert.equal((await client.readUntilCut()).length, 0);
});

test("refuse answers a socket without reading from it", async (context) => {
  const refused: string[] = [];
  const front = await frontWithClock(context, {
    onRefused: (error, address) => refused.push(`${error.code} ${address}`),
  });
  const server = createServer({ allowHalfOpen: true }, (socket) =>
    front.connections.refuse(socket, ERRORS.NO_DESCRIPTORS),
  );
  context.after(() => server.close());
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  assert.ok(address !== null && typeof address !== "string");
  const socket = connect(address.port, "127.0.0.1");
  let answer = "";
  for await (const chunk of socket) answer += String(chunk);
  assert.match(answer, /^HTTP\/1\.1 503 .*\r\n/);
  assert.match(answer, /\r\nRetry-After: 1\r\n/);
  assert.deepEqual(refused, ["NO_DESCRIPTORS 127.0.0.1"]);
});
