// One request to an authority: where it may go, its limits, and connections that end in other ways.

import assert from "node:assert/strict";
import { createServer, type Socket } from "node:net";
import { test, type TestContext } from "node:test";

import { AcmeError } from "../../src/acme/acme-error.ts";
import { isAllowedUrl, sendToAuthority } from "../../src/acme/authority-request.ts";
import { retryAfterMs } from "../../src/acme/retry-after.ts";

/** A server that answers a connection by bytes of its own. */
async function serve(t: TestContext, onConnection: (socket: Socket) => void): Promise<string> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => {});
    socket.once("data", () => onConnection(socket));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.after(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  const address = server.address();
  assert(typeof address === "object" && address !== null);
  return `http://127.0.0.1:${address.port}/`;
}

async function typeOf(url: string, maxMs = 20_000): Promise<string> {
  const request = { method: "GET", url, body: "", accept: "*/*" } as const;
  const settings = { caRoot: null, userAgent: "test", maxMs, mayBePlain: true };
  const error = await sendToAuthority(request, settings, new AbortController().signal).then(
    () => null,
    (reason: unknown) => reason,
  );
  assert(error instanceof AcmeError, String(error));
  assert.doesNotMatch(error.message, /[\r\n]/);
  return error.type;
}

const ENDINGS: Readonly<Record<string, readonly [bytes: string, type: string]>> = {
  "closes at once": ["", "connection"],
  "is no HTTP": ["SSH-2.0-x\r\n", "connection"],
  "switches protocols": [
    "HTTP/1.1 101 x\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n",
    "connection",
  ],
  "ends early": ["HTTP/1.1 200 x\r\ncontent-length: 10\r\n\r\nhalf", "connection"],
  "has endless fields": [`HTTP/1.1 200 x\r\n${"a: b\r\n".repeat(20_000)}\r\n`, "connection"],
  "says a length of 2 MiB": [
    `HTTP/1.1 200 x\r\ncontent-length: 2097152\r\n\r\n${"x".repeat(1_100_000)}`,
    "malformedResponse",
  ],
};
for (const [name, [bytes, type]] of Object.entries(ENDINGS))
  test(`a connection that ${name} is an error of the kind ${type}`, async (t) => {
    assert.equal(await typeOf(await serve(t, (socket) => socket.end(bytes))), type);
  });

test("an authority that says nothing, or a little at a time, is given up after the limit", async (t) => {
  assert.equal(await typeOf(await serve(t, () => {}), 100), "timeout");
  const head = "HTTP/1.1 200 x\r\ncontent-length: 1000000\r\n\r\n";
  const timers: NodeJS.Timeout[] = [];
  t.after(() => {
    for (const timer of timers) clearInterval(timer);
  });
  const drip = await serve(t, (socket) => {
    socket.write(head);
    timers.push(setInterval(() => socket.write("x"), 10));
  });
  assert.equal(await typeOf(drip, 200), "timeout");
});

test("an abort ends a request under way with the signal's reason", async (t) => {
  const controller = new AbortController();
  const reason = new Error("the server stops");
  const url = await serve(t, () => controller.abort(reason));
  const request = { method: "POST", url, body: "{}", accept: "*/*" } as const;
  const settings = { caRoot: null, userAgent: "test", maxMs: 20_000, mayBePlain: true };
  await assert.rejects(
    sendToAuthority(request, settings, controller.signal),
    (error) => error === reason,
  );
});

test("requests go to https, and to http on this machine only where the authority is there", () => {
  const allowed = ["https://ca.example/x", "HTTPS://ca.example/x"];
  const local = ["http://127.0.0.1:14000/dir", "http://[::1]/", "http://localhost:1/"];
  const refused = ["http://ca.example/", "http://127.0.0.1.ca.example/", "file:///x", "", "/dir"];
  for (const mayBePlain of [true, false]) {
    for (const url of allowed) assert.equal(isAllowedUrl(url, mayBePlain), true, url);
    for (const url of local) assert.equal(isAllowedUrl(url, mayBePlain), mayBePlain, url);
    for (const url of refused) assert.equal(isAllowedUrl(url, mayBePlain), false, url);
  }
});

test("an authority may write the scheme of its URLs in any case", async () => {
  assert.equal(await typeOf("HTTPS://127.0.0.1:1/", 1000), "connection");
});

test("Retry-After is seconds or a date, and at most a day", () => {
  const now = Date.UTC(2026, 0, 1);
  assert.equal(retryAfterMs("120", now), 120_000);
  assert.equal(retryAfterMs("Thu, 01 Jan 2026 00:01:00 GMT", now), 60_000);
  assert.equal(retryAfterMs("Wed, 31 Dec 2025 00:00:00 GMT", now), 0);
  assert.equal(retryAfterMs("9".repeat(400), now), 86_400_000);
  for (const none of ["", "-5", "soon", "1.5h"]) assert.equal(retryAfterMs(none, now), 0, none);
});
