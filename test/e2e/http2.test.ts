// HTTP/2 with the real command and real applications, and Node's client: bodies both ways, many requests at once on
// one connection, a client that cancels, a reload, and the end of a server.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { type ClientHttp2Session, type ClientHttp2Stream, connect, constants } from "node:http2";
import { once } from "node:events";
import { join } from "node:path";
import { test, type TestContext } from "node:test";

import { MAX_CONCURRENT_STREAMS } from "../../src/http2/limits.ts";
import { until, within } from "../support/deadline.ts";
import { Gate } from "../support/gate.ts";
import { makeScratch } from "../support/scratch.ts";
import { startTyphon, type Typhon } from "../support/typhon.ts";

const LARGE = Buffer.alloc(3_000_000, "0123456789");
const PATIENCE_MS = 20_000;

interface Response {
  readonly status: number;
  readonly body: Buffer;
}

function open(context: TestContext, typhon: Typhon): ClientHttp2Session {
  const session = connect(`http://127.0.0.1:${typhon.port}`);
  // The server may have ended.
  session.on("error", () => undefined);
  context.after(() => session.destroy());
  return session;
}

async function responseOf(stream: ClientHttp2Stream): Promise<Response> {
  let status = 0;
  const chunks: Buffer[] = [];
  stream.on("response", (fields) => (status = fields[":status"] ?? 0));
  stream.on("data", (chunk: Buffer) => chunks.push(chunk));
  await within(PATIENCE_MS, once(stream, "end"), "the response");
  return { status, body: Buffer.concat(chunks) };
}

function get(session: ClientHttp2Session, path: string): Promise<Response> {
  return responseOf(session.request({ ":path": path }));
}

function post(session: ClientHttp2Session, path: string, body: Buffer): Promise<Response> {
  const stream = session.request({ ":method": "POST", ":path": path });
  stream.end(body);
  return responseOf(stream);
}

/** How a request ends: NGHTTP2_NO_ERROR if it has its response. */
async function resetCodeOf(session: ClientHttp2Session): Promise<number> {
  const stream = session.request({ ":path": "/" });
  const closed = new Promise((resolve) => stream.on("close", resolve));
  stream.on("error", () => undefined);
  stream.resume();
  await within(PATIENCE_MS, closed, "the end of a request");
  return stream.rstCode;
}

test("WSGI: large bodies both ways, and many requests at once on one connection", async (context) => {
  const typhon = await startTyphon(context, ["raw:app", "--h2c"]);
  const session = open(context, typhon);
  const digest = createHash("sha256").update(LARGE).digest("hex");
  const [hashed, echoed, ...small] = await Promise.all([
    post(session, "/hash", LARGE),
    post(session, "/echo", LARGE),
    ...Array.from({ length: 50 }, (_, i) => post(session, "/hash", Buffer.from(String(i)))),
  ]);
  assert.equal(String(hashed.body), `${LARGE.length} ${digest}`);
  assert.ok(echoed.body.equals(LARGE));
  for (const [i, { status, body }] of small.entries()) {
    const own = createHash("sha256").update(String(i)).digest("hex");
    assert.deepEqual([status, String(body)], [200, `${String(i).length} ${own}`]);
  }
});

test("ASGI: an upload that its application does not read holds up no other", async (context) => {
  const folder = makeScratch(context);
  const typhon = await startTyphon(context, ["asgi_raw:app", "--h2c"], {
    env: { GATE_DIR: folder },
  });
  const session = open(context, typhon);
  const unread = session.request({ ":method": "POST", ":path": "/hold?unread" });
  const held = responseOf(unread);
  unread.write(LARGE);
  await until("the request", () => existsSync(join(folder, "unread.running")));
  const counted = await post(session, "/count", LARGE);
  assert.equal(String(counted.body), String(LARGE.length));
  writeFileSync(join(folder, "unread.go"), "");
  assert.equal(String((await held).body), "held unread");
});

test("ASGI: a request that its client cancels is told http.disconnect", async (context) => {
  const folder = makeScratch(context);
  const typhon = await startTyphon(context, ["asgi_raw:app", "--h2c"], {
    env: { GATE_DIR: folder },
  });
  const session = open(context, typhon);
  const stream = session.request({ ":path": "/gone" });
  stream.on("error", () => undefined);
  await until("the request", () => existsSync(join(folder, "gone.running")));
  stream.close(constants.NGHTTP2_CANCEL);
  const event = join(folder, "gone.event");
  await until("the event", () => existsSync(event) && readFileSync(event, "utf8") !== "");
  assert.equal(readFileSync(event, "utf8"), "http.disconnect");
  assert.match(String((await get(session, "/")).body), /^hello/);
});

test("ASGI: cancelled requests that go on running keep their places on the connection", async (context) => {
  const folder = makeScratch(context);
  const options = { env: { GATE_DIR: folder } };
  const typhon = await startTyphon(context, ["asgi_raw:app", "--h2c", "--workers", "1"], options);
  const session = open(context, typhon);
  await once(session, "remoteSettings");
  const names = Array.from({ length: MAX_CONCURRENT_STREAMS }, (_, index) => `n${index}`);
  const streams = names.map((name) => {
    const stream = session.request({ ":path": `/hold?${name}` });
    stream.on("error", () => undefined);
    return stream;
  });
  await until("all requests", () =>
    names.every((name) => existsSync(join(folder, `${name}.running`))),
  );
  for (const stream of streams) stream.close(constants.NGHTTP2_CANCEL);
  assert.equal(await resetCodeOf(session), constants.NGHTTP2_REFUSED_STREAM);
  for (const name of names) writeFileSync(join(folder, `${name}.go`), "");
  await until("all places", async () => {
    const codes = await Promise.all(names.map(() => resetCodeOf(session)));
    return codes.every((code) => code === constants.NGHTTP2_NO_ERROR);
  });
});

test("a reload leaves connections alone, and a stop finishes every request that runs", async (context) => {
  const gate = await Gate.start(context, ["--h2c", "--workers", "2", "--threads", "2"]);
  const { typhon } = gate;
  const session = open(context, typhon);
  const before = get(session, "/hold?name=before");
  await gate.pidOf("before");
  const old = new Set(typhon.processes().map(({ pid }) => pid));
  typhon.signal("SIGHUP");
  await until("the new workers", async () => {
    const [, pid] = String((await get(session, "/quick")).body).split(" ");
    return !old.has(Number(pid));
  });
  assert.ok(!session.closed && !session.destroyed);
  const after = get(session, "/hold?name=after");
  await gate.pidOf("after");
  const isTold = once(session, "goaway");
  typhon.signal("SIGTERM");
  await within(PATIENCE_MS, isTold, "GOAWAY");
  assert.ok(!typhon.hasExited, "it ended while requests were running");
  gate.release("before");
  gate.release("after");
  assert.match(String((await before).body), /^held before/);
  assert.match(String((await after).body), /^held after/);
  const exit = await within(PATIENCE_MS, typhon.exited, "the server ends");
  assert.deepEqual(exit, { code: 0, signal: null });
});
