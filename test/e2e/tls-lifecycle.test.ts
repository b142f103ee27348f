// What happens to connections over TLS and HTTP/2 when the server stops, code is loaded anew, a worker is killed,
// or a request runs for too long: each is the matter of one stream.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { once } from "node:events";
import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { before, test, type TestContext } from "node:test";

import { WebSocket } from "ws";

import { TestAuthority } from "../support/certificates.ts";
import { until, within, PATIENCE_MS } from "../support/deadline.ts";
import { FILE } from "../support/file-scope.ts";
import { Gate } from "../support/gate.ts";
import { makeScratch } from "../support/scratch.ts";
import { Http2Client, openHttp1, type SecureAddress } from "../support/secure-client.ts";
import { runTyphon, startTyphon, type Typhon } from "../support/typhon.ts";
import { ChangingApp } from "../supervisor/changing-app.ts";

const authority = new TestAuthority("Servers");
const folder = makeScratch(FILE);
const pem = join(folder, "a.pem");
const SECURE = ["--certfile", pem, "--bind", "https://127.0.0.1:0"];

before(() => {
  const { cert, key } = authority.issue({ names: ["a.example"] });
  writeFileSync(pem, cert + key);
});

function at({ port }: Typhon): SecureAddress {
  return { port, host: "a.example", ca: authority.cert };
}

/** Sends a request on a stream, which resolves with its status and text when the application runs it no more. */
function ask(client: Http2Client, path: string, body = ""): Promise<string> {
  const response = client.ask(path, {}, body).then(({ status, text }) => `${status} ${text}`);
  // Looked at after other events.
  response.catch(() => undefined);
  return response;
}

async function startGate(t: TestContext, ...words: string[]): Promise<[Gate, Http2Client]> {
  const gate = await Gate.start(t, [...SECURE, ...words]);
  const client = await Http2Client.connect(at(gate.typhon));
  t.after(() => client.destroy());
  return [gate, client];
}

test("SIGTERM: begun streams finish, GOAWAY comes, and the exit code is 0", async (t) => {
  const [gate, client] = await startGate(t, "--workers", "2", "--threads", "1");
  const idle = await openHttp1(at(gate.typhon));
  await idle.get("/quick");
  const running = ask(client, "/hold?name=last");
  await gate.pidOf("last");
  gate.typhon.signal("SIGTERM");
  assert.equal((await idle.readToEnd()).length, 0);
  idle.destroy();
  await until("GOAWAY", () => client.isGoing);
  assert(!gate.typhon.hasExited, "it ended while a stream was running");
  gate.release("last");
  assert.match(await running, /^200 held last/);
  const exit = await within(PATIENCE_MS, gate.typhon.exited, "the server ends");
  assert.deepEqual(exit, { code: 0, signal: null });
  await until("the connection ends", () => client.session.closed || client.session.destroyed);
});

test("a stream that runs longer than --graceful-timeout is reset, and the server ends", async (t) => {
  const words = ["--workers", "1", "--graceful-timeout", "0.5"];
  const [gate, client] = await startGate(t, ...words);
  const running = ask(client, "/hold?name=forever");
  await gate.pidOf("forever");
  gate.typhon.signal("SIGTERM");
  const exit = await within(PATIENCE_MS, gate.typhon.exited, "the server ends");
  assert.deepEqual(exit, { code: 0, signal: null });
  await assert.rejects(running);
});

test("a connection outlives a reload: its running stream has the old code, the next one the new", async (t) => {
  const app = new ChangingApp(t);
  app.answer("old");
  const pidFile = join(makeScratch(t), "pid");
  const typhon = await startTyphon(t, [...app.args, "--pid", pidFile, ...SECURE]);
  const client = await Http2Client.connect(at(typhon));
  t.after(() => client.destroy());
  const running = ask(client, "/hold");
  await until("the request runs", () => app.waitsFor("hold"));
  app.answer("new");
  const reload = await runTyphon(["reload", "--pid", pidFile]);
  assert.equal(reload.code, 0, reload.stderr);
  assert.equal((await client.ask("/")).text, "new");
  app.go("hold");
  assert.equal(await running, "200 old");
  assert.equal(client.isGoing, false);
  assert.equal((await client.ask("/")).text, "new");
});

test("a killed worker is 502 on its streams, and the others go on", async (t) => {
  const [gate, client] = await startGate(t, "--workers", "2", "--threads", "1");
  // A GET would be run once more.
  const one = ask(client, "/hold?name=one", "body");
  const two = ask(client, "/hold?name=two", "body");
  await gate.pidOf("two");
  process.kill(await gate.pidOf("one"), "SIGKILL");
  assert.match(await one, /^502 .*WORKER_DIED|^502 /s);
  gate.release("two");
  assert.match(await two, /^200 held two/);
  assert.equal((await client.ask("/quick")).status, 200);
});

test("a late request is 504 on its stream, and the others go on", async (t) => {
  const [gate, client] = await startGate(t, "--workers", "2", "--threads", "1", "--timeout", "1");
  const late = ask(client, "/asleep?name=late");
  await gate.pidOf("late");
  assert.equal((await client.ask("/quick")).status, 200);
  assert.match(await late, /^504 /);
  assert.equal((await client.ask("/quick")).status, 200);
  assert.equal(client.isGoing, false);
});

const SOCKETS = `async def app(scope, receive, send):
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.accept"})
        await send({"type": "websocket.send", "text": "open"})
        await receive()
`;

test("SIGTERM: WebSockets over HTTP/1.1 and HTTP/2 get the close code 1012", async (t) => {
  const apps = makeScratch(t);
  writeFileSync(join(apps, "sockets.py"), SOCKETS);
  const words = ["sockets:app", "--app-dir", apps, "--workers", "1", ...SECURE];
  const typhon = await startTyphon(t, words);
  const options = { ca: authority.cert, servername: "a.example" };
  const one = new WebSocket(`wss://127.0.0.1:${typhon.port}/`, [], options);
  const opened = once(one, "message");
  const client = await Http2Client.connect(at(typhon));
  const two = client.request("/", {
    ":method": "CONNECT",
    ":protocol": "websocket",
    ":scheme": "https",
    "sec-websocket-version": "13",
  });
  let bytes = Buffer.alloc(0);
  two.on("data", (piece: Buffer) => (bytes = Buffer.concat([bytes, piece])));
  await within(PATIENCE_MS, opened, "a message by HTTP/1.1");
  await until("a message by HTTP/2", () => bytes.includes("open"));
  const closed = once(one, "close");
  typhon.signal("SIGTERM");
  const [code] = await within(PATIENCE_MS, closed, "the close of the first WebSocket");
  assert.equal(code, 1012);
  // A close frame with its code (RFC 6455 §5.5.1), behind the text frame of 6 bytes.
  await until("a close frame", () => bytes.length >= 10);
  assert.equal(bytes.readUInt8(6), 0x88);
  assert.equal(bytes.readUInt16BE(8), 1012);
  client.destroy();
  const exit = await within(PATIENCE_MS, typhon.exited, "the server ends");
  assert.deepEqual(exit, { code: 0, signal: null });
});

const LARGE = `def app(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    size = 16 * 2**20 if environ["PATH_INFO"] == "/large" else 1
    return [b"x" * size]
`;

test("a client that does not read a stream holds no worker of WSGI, and no other stream", async (t) => {
  const apps = makeScratch(t);
  writeFileSync(join(apps, "large.py"), LARGE);
  const words = ["large:app", "--app-dir", apps, "--workers", "1", "--threads", "1", ...SECURE];
  const typhon = await startTyphon(t, words);
  const client = await Http2Client.connect(at(typhon));
  const slow = client.request("/large");
  await once(slow, "response");
  slow.pause();
  const other = await openHttp1(at(typhon));
  assert.equal((await other.get("/")).text, "x");
  assert.equal((await client.ask("/")).text, "x");
  let size = 0;
  slow.on("data", (piece: Buffer) => (size += piece.length));
  slow.resume();
  await within(PATIENCE_MS, once(slow, "end"), "the end of the large response");
  assert.equal(size, 16 * 2 ** 20);
  other.destroy();
  client.destroy();
});

test("typhon reload: a certificate of --certfile that cannot be used is exit code 2, and nothing changes", async (t) => {
  const scratch = makeScratch(t);
  const own = join(scratch, "own.pem");
  const pidFile = join(scratch, "pid");
  const { cert, key } = authority.issue({ names: ["a.example"] });
  writeFileSync(own, cert + key);
  const app = new ChangingApp(t);
  app.answer("first");
  const secure = ["--certfile", own, "--bind", "https://127.0.0.1:0", "--pid", pidFile];
  const typhon = await startTyphon(t, [...app.args, ...secure]);
  writeFileSync(own, cert);
  app.answer("second");
  const refused = await runTyphon(["reload", "--pid", pidFile]);
  assert.equal(refused.code, 2);
  assert.match(refused.stderr, /^typhon: .*own\.pem: there is no private key[^\n]+\n$/);
  const client = await Http2Client.connect(at(typhon));
  t.after(() => client.destroy());
  assert.equal(await ask(client, "/"), "200 first");
  rmSync(own);
  execFileSync("mkfifo", [own]);
  const waiting = await runTyphon(["reload", "--pid", pidFile]);
  assert.match(waiting.stderr, /^typhon: .*own\.pem: it is no regular file/);
  rmSync(own);
  writeFileSync(own, cert + key);
  assert.equal((await runTyphon(["reload", "--pid", pidFile])).code, 0);
  assert.equal(await ask(client, "/"), "200 second");
});
