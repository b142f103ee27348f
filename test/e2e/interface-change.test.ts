// A reload that changes the interface of the application, under load: pages that were written for the old
// interface are still in the pipe when the new workers take. No worker ends, and each request gets a response.

import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";

import { until } from "../support/deadline.ts";
import { askOnce, getOnce, RawClient } from "../support/raw-client.ts";
import { makeScratch } from "../support/scratch.ts";
import { startTyphon } from "../support/typhon.ts";
import { HANDSHAKE } from "../websocket/frames.ts";

const WSGI = `
import time
def app(environ, start_response):
    time.sleep(0.02)
    environ["wsgi.input"].read()
    start_response("200 OK", [("Content-Length", "4")])
    return [b"wsgi"]
`;
const ASGI = `
import asyncio
async def app(scope, receive, send):
    await asyncio.sleep(0.02)
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.accept"})
        await send({"type": "websocket.close"})
        return
    assert scope["type"] == "http"
    while (await receive()).get("more_body"):
        pass
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"4")]})
    await send({"type": "http.response.body", "body": b"asgi"})
`;
const BODY = "x".repeat(5000);
const POST = `POST / HTTP/1.1\r\nHost: a\r\nContent-Length: ${BODY.length}\r\n\r\n${BODY}`;
const CLIENTS = 12;
const SIZES = ["--workers", "2", "--threads", "1", "--concurrency", "1"];

test("an application changes its interface under load, and back", async (t) => {
  const folder = makeScratch(t);
  const write = (code: string): void => writeFileSync(join(folder, "changing.py"), code);
  write(ASGI);
  const typhon = await startTyphon(t, ["changing:app", "--app-dir", folder, ...SIZES]);
  const statuses = new Map<number, number>();
  const over = new AbortController();
  const ask = async (): Promise<void> => {
    while (!over.signal.aborted) {
      const { status } = await askOnce(typhon, POST);
      statuses.set(status, (statuses.get(status) ?? 0) + 1);
    }
  };
  const clients = Array.from({ length: CLIENTS }, ask);
  for (const [code, name] of [
    [WSGI, "wsgi"],
    [ASGI, "asgi"],
    [WSGI, "wsgi"],
    [ASGI, "asgi"],
  ] as const) {
    write(code);
    typhon.signal("SIGHUP");
    await until(`${name} serves`, async () => (await getOnce(typhon, "/")).text === name);
  }
  over.abort();
  await Promise.all(clients);
  t.diagnostic(JSON.stringify([...statuses]));
  assert.deepEqual(
    [...statuses.keys()].filter((status) => status !== 200 && status !== 503),
    [],
    typhon.output.all,
  );
  assert.doesNotMatch(typhon.output.all, /ended (?:by|with)|broke the protocol|the queue carried/);
});

test("handshakes of WebSockets come while an application changes its interface, and back", async (t) => {
  const folder = makeScratch(t);
  const write = (code: string): void => writeFileSync(join(folder, "changing.py"), code);
  write(ASGI);
  const typhon = await startTyphon(t, ["changing:app", "--app-dir", folder, ...SIZES]);
  const statuses = new Map<number, number>();
  const over = new AbortController();
  const ask = async (): Promise<void> => {
    while (!over.signal.aborted) {
      const client = await RawClient.connect(typhon);
      client.write(`GET /ws HTTP/1.1\r\nHost: a\r\n${HANDSHAKE}\r\n`);
      const { status } = await client.readHead();
      client.destroy();
      statuses.set(status, (statuses.get(status) ?? 0) + 1);
    }
  };
  const clients = Array.from({ length: CLIENTS }, ask);
  for (const [code, name] of [
    [WSGI, "wsgi"],
    [ASGI, "asgi"],
    [WSGI, "wsgi"],
    [ASGI, "asgi"],
  ] as const) {
    write(code);
    typhon.signal("SIGHUP");
    await until(`${name} serves`, async () => (await getOnce(typhon, "/")).text === name);
  }
  over.abort();
  await Promise.all(clients);
  t.diagnostic(JSON.stringify([...statuses]));
  // 101: ASGI has accepted; 200: WSGI has answered the handshake as a request; 503: the page of the other one.
  assert.deepEqual(
    [...statuses.keys()].filter((status) => ![101, 200, 503].includes(status)),
    [],
    typhon.output.all,
  );
  assert.doesNotMatch(typhon.output.all, /ended (?:by|with)|broke the protocol|the queue carried/);
});
