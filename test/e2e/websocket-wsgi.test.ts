// WebSockets of WSGI applications: Flask-Sock and simple-websocket on a socket in the environ, the handshake
// that the front accepts or refuses, backpressure, and how each side's end reaches the other.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { before, test, type TestContext } from "node:test";
import { promisify } from "node:util";

import { lapse, until } from "../support/deadline.ts";
import { FILE } from "../support/file-scope.ts";
import { readRecord } from "../support/json.ts";
import { IS_LONG } from "../support/long.ts";
import { listDescriptors } from "../support/processes.ts";
import { askOnce, getOnce, RawClient } from "../support/raw-client.ts";
import { makeScratch, requirePython } from "../support/scratch.ts";
import { startTyphon, type Typhon } from "../support/typhon.ts";
import { binary, close, FrameClient, HANDSHAKE, Opcode, tell, text } from "../websocket/frames.ts";

let typhon: Typhon;
/** One worker with one thread: what holds it would hold every request. */
let single: Typhon;
let folder: string;

before(async () => {
  folder = makeScratch(FILE);
  typhon = await start(FILE, "--workers", "2", "--access-log", "-");
  const times = ["--timeout", "1", "--timeout", "/silent=60"];
  single = await start(FILE, "--workers", "1", "--threads", "1", ...times);
});

function start(scope: Parameters<typeof startTyphon>[0], ...args: string[]): Promise<Typhon> {
  return startTyphon(scope, ["wsgi_sockets:app", ...args], { env: { GATE_DIR: folder } });
}

async function open(context: TestContext, path: string, on = typhon): Promise<FrameClient> {
  const client = await FrameClient.open(on, "", Buffer.alloc(0), path);
  context.after(() => client.destroy());
  return client;
}

/** The answer to a handshake that does not become a WebSocket. */
function ask(path: string, on = typhon, fields = HANDSHAKE): ReturnType<typeof askOnce> {
  return askOnce(on, `GET ${path} HTTP/1.1\r\nHost: a\r\n${fields}\r\n`);
}

function fileSays(name: string): string | null {
  return existsSync(join(folder, name)) ? readFileSync(join(folder, name), "utf8") : null;
}

/** Sockets that the processes of a server hold. */
function countSockets(server: Typhon): number {
  const held = server.processes().flatMap(({ pid }) => listDescriptors(pid));
  return held.filter((target) => target.startsWith("socket:")).length;
}

test("Flask-Sock's echo speaks with the websockets client: many messages, large ones, compressed", async () => {
  const script = join(folder, "client.py");
  writeFileSync(
    script,
    [
      "import sys",
      "from websockets.sync.client import connect",
      "with connect(sys.argv[1], max_size=None) as socket:",
      `    for number in range(${IS_LONG ? 1000 : 200}):`,
      "        socket.send(str(number))",
      "        assert socket.recv() == str(number)",
      "    for message in ('größe ✓' * 150_000, b'b' * 1_000_000, bytes(range(256)) * 4000):",
      "        socket.send(message)",
      "        assert socket.recv() == message",
      "    print(socket.protocol.extensions[0].name)",
      "print(socket.close_code)",
    ].join("\n"),
  );
  const url = `${typhon.url.replace("http", "ws")}/ws`;
  const run = (): Promise<{ stdout: string }> =>
    promisify(execFile)(requirePython(), [script, url]);
  // As many as threads: each holds one.
  for (const { stdout } of await Promise.all([run(), run(), run(), run()]))
    assert.equal(stdout.trim(), "permessage-deflate\n1000");
});

test("sends frames back as they came, also those that came with the handshake", async (t) => {
  const client = await FrameClient.open(typhon, "", text("behind the head"));
  t.after(() => client.destroy());
  assert.deepEqual(await client.hear(1), ["text behind the head"]);
  await client.chop(text("byte by byte"));
  assert.deepEqual(await client.hear(1), ["text byte by byte"]);
  client.send(close(4000, "enough"));
  assert.equal(await client.readClose(), 4000);
});

test("the front sends the head, with its own fields and the application's", async (t) => {
  const { head } = await open(t, "/flood");
  const fields = Object.fromEntries(head.fields);
  assert.deepEqual(fields["upgrade"], ["websocket"]);
  assert.deepEqual(fields["connection"], ["Upgrade"]);
  assert.deepEqual(fields["x-own"], ["1"]);
  assert.equal(fields["x-request-id"]?.length, 1);
  assert.equal(fields["date"]?.length, 1);
});

test("the access log has the WebSocket at its end, with its bytes", async (t) => {
  const client = await open(t, "/ws?logged");
  client.send(text("hello"));
  await client.hear(1);
  client.send(close(1000));
  await client.readClose();
  client.destroy();
  const [line] = await typhon.output.waitFor(/.*\/ws\?logged.*/);
  assert.match(line, /\b101\b/);
  // Two frames of 7 and 4 bytes.
  assert.match(line, /\b11\b/);
});

test("a client that leaves with a close frame ends the application's receive by its code", async (t) => {
  const client = await open(t, "/told");
  assert.deepEqual(await client.hear(1), ["text ready"]);
  client.send(close(4321, "gone"));
  assert.equal(await client.readClose(), 4321);
  await until("the application was told", () => fileSays("told") === "4321");
});

test("a client that is cut ends the application's receive, and nothing is held afterwards", async (t) => {
  await getOnce(single, "/");
  const without = countSockets(single);
  for (let count = 0; count < 20; count += 1) {
    const client = await open(t, "/ws", single);
    client.send(text("hello"));
    await client.hear(1);
    if (count % 2 === 0) client.raw.socket.resetAndDestroy();
    else client.destroy();
  }
  // One thread: it would not answer if a WebSocket held it.
  assert.equal((await getOnce(single, "/")).status, 200);
  await until("all sockets are closed", () => countSockets(single) <= without);
});

test("a client that ends its sending side is the end for the application, which ends the connection", async (t) => {
  const client = await open(t, "/told");
  assert.deepEqual(await client.hear(1), ["text ready"]);
  client.raw.end();
  assert.equal((await client.raw.readToEnd()).length, 0);
  await until("the application was told", () => fileSays("told") === "1005");
});

test("the end of the handler closes with 1000 behind all that it has sent", async (t) => {
  const client = await open(t, "/bye");
  assert.equal((await client.read()).payload.length, 1_000_000);
  client.send(close(1000));
  assert.equal(await client.readClose(), 1000);
});

test("an ordinary answer to a handshake is sent, and ends the connection", async () => {
  const answer = await ask("/environ");
  assert.equal(answer.status, 200);
  assert.deepEqual(answer.fields.get("connection"), ["close"]);
  assert.deepEqual(JSON.parse(answer.text), {
    HTTP_UPGRADE: "websocket",
    HTTP_CONNECTION: "Upgrade",
    "wsgi.url_scheme": "http",
    sockets: ["gunicorn.socket", "werkzeug.socket"],
  });
  assert.equal((await ask("/stream")).text, "one two");
  assert.equal((await ask("/nowhere")).status, 404);
  assert.equal((await ask("/raises-before")).status, 500);
  await typhon.output.waitFor(/RuntimeError: raised before the handshake/);
});

test("an answer on the socket makes the ordinary one nobody's", async (t) => {
  const client = await open(t, "/answers-twice");
  assert.deepEqual(await client.hear(1), ["text here"]);
  await until("the iterable is closed", () => fileSays("twice") === "closed");
  const { opcode, payload } = await client.read();
  assert.deepEqual([opcode, payload.readUInt16BE()], [Opcode.CLOSE, 1011]);
  client.send(close(1011));
  assert.equal((await client.raw.readToEnd()).length, 0);
});

for (const [what, version, fields] of [
  ["without an upgrade", "1.1", ""],
  ["of HTTP/1.0", "1.0", HANDSHAKE],
  ["of another protocol", "1.1", HANDSHAKE.replace("websocket", "h2c")],
] as const)
  test(`a request ${what} has no socket`, async () => {
    const request = `GET /environ HTTP/${version}\r\nHost: a\r\n${fields}\r\n`;
    const { status, text: told } = await askOnce(typhon, request);
    assert.equal(status, 200);
    assert.deepEqual(readRecord(told)["sockets"], []);
  });

for (const [what, fields, status] of [
  ["of another version", HANDSHAKE.replace("13", "12"), 426],
  ["without a key", HANDSHAKE.replace(/Sec-WebSocket-Key.*\r\n/, ""), 400],
  ["with a body", `${HANDSHAKE}Content-Length: 0005\r\n`, 400],
] as const)
  test(`a handshake ${what} is refused as under ASGI, and its connection closed`, async (t) => {
    const client = await RawClient.connect(typhon);
    t.after(() => client.destroy());
    // A proxy that takes the refusal for an upgrade may pass on what looks like another request.
    const next = "GET /environ HTTP/1.1\r\nHost: a\r\n\r\n";
    client.write(`GET /environ HTTP/1.1\r\nHost: a\r\n${fields}\r\n${next}`);
    const answer = await client.readResponse();
    assert.equal(answer.status, status);
    assert.deepEqual(
      answer.fields.get("connection"),
      status === 426 ? ["Upgrade", "close"] : ["close"],
    );
    if (status === 426) assert.deepEqual(answer.fields.get("sec-websocket-version"), ["13"]);
    assert.equal((await client.readToEnd()).length, 0);
  });

for (const [path, fault] of [
  ["/not-accepted", /does not begin with HTTP\/1\.1 101/],
  ["/wrong-key", /lacks the Sec-WebSocket-Accept of its key/],
  ["/endless-head", /has more than 16384 bytes/],
  ["/half-head", /closed its socket inside the response to the handshake/],
] as const)
  test(`what is no acceptance of the handshake is refused and logged (${path})`, async () => {
    const from = typhon.output.all.length;
    const answer = await ask(path);
    assert.equal(answer.status, 500);
    assert.match(answer.text, /RESPONSE_INVALID/);
    await until("it is logged", () => fault.test(typhon.output.all.slice(from)));
    assert.equal((await getOnce(typhon, "/")).status, 200);
  });

test("what an application raises behind its close frame is logged, and the client's bytes are whole", async (t) => {
  const client = await open(t, "/raises-after");
  assert.deepEqual(await client.hear(1), ["text first"]);
  client.send(close(4001));
  assert.equal(await client.readClose(), 4001);
  await typhon.output.waitFor(/RuntimeError: raised behind the close frame/);
});

for (const [path, said] of [
  ["/stops-iteration", "text stopped"],
  ["/returns-nothing", "text nothing"],
] as const)
  test(`an end without an ordinary answer is none of our business (${path})`, async (t) => {
    const from = single.output.all.length;
    const without = countSockets(single);
    const client = await open(t, path, single);
    assert.deepEqual(await client.hear(2), [said, "close"]);
    client.send(close());
    await client.raw.readToEnd();
    client.destroy();
    // Then the worker has sent its last frame for this request.
    await until("all sockets are closed", () => countSockets(single) <= without);
    assert.equal((await getOnce(single, "/")).status, 200);
    assert.doesNotMatch(single.output.all.slice(from), /StopIteration|start_response|ERROR/);
  });

test("an exception of a Flask-Sock handler is in the log, and the client hears of an end", async (t) => {
  const client = await open(t, "/fails");
  assert.deepEqual(await client.hear(1), ["text first"]);
  const { opcode, payload } = await client.read();
  assert.deepEqual([opcode, payload.readUInt16BE()], [Opcode.CLOSE, 1011]);
  client.send(close(1011));
  assert.equal((await client.raw.readToEnd()).length, 0);
  await typhon.output.waitFor(/RuntimeError: raised by the handler/);
});

test("an application that closes its socket without a close frame: 1011, and it learns when the client has gone", async (t) => {
  const client = await open(t, "/closes");
  assert.deepEqual(await client.hear(1), ["text first"]);
  const { opcode, payload } = await client.read();
  assert.deepEqual([opcode, payload.readUInt16BE()], [Opcode.CLOSE, 1011]);
  client.send(close(1011));
  await client.raw.readToEnd();
  assert.equal(await until("the application knows", () => fileSays("closes") || null), "gone");
});

test("the close frame of a library's thread is sent, though the handler has returned before", async (t) => {
  const client = await open(t, "/closes-late");
  client.send(text(Buffer.of(0xff)));
  const { opcode, payload } = await client.read();
  assert.deepEqual([opcode, payload.readUInt16BE()], [Opcode.CLOSE, 1007]);
  client.send(close(1007));
  await client.raw.readToEnd();
});

test("where a frame is cut nothing is put into it: the connection ends", async (t) => {
  const client = await open(t, "/cut-frame");
  assert.deepEqual(await client.hear(1), ["text whole"]);
  assert.equal((await client.raw.readToEnd()).length, 500);
});

test("an application waits for a client that does not read, and nothing is lost", async (t) => {
  const client = await open(t, "/flood");
  client.raw.socket.pause();
  let last = "";
  await until("it stands still", async () => {
    const now = fileSays("sent") ?? "";
    const stands = now !== "" && now === last;
    last = now;
    await lapse(200);
    return stands;
  });
  assert.ok(Number(last) < 200, `${last} messages were taken`);
  client.raw.socket.resume();
  for (let count = 0; count < 200; count += 1) {
    const { payload } = await client.read();
    assert.deepEqual([payload.length, payload[0], payload[99_999]], [100_000, count, count]);
  }
  assert.equal(tell(await client.read()), "close");
});

test("a client waits for an application that does not read, and nothing is lost", async (t) => {
  const client = await open(t, "/drinks");
  assert.deepEqual(await client.hear(1), ["text ready"]);
  const message = binary(Buffer.alloc(100_000));
  const count = 300;
  for (let sent = 0; sent < count; sent += 1) client.send(message);
  await until("it has to wait", () => client.raw.socket.writableLength > 0);
  await lapse(200);
  assert.ok(client.raw.socket.writableLength > 10_000_000, "most of it waits with the client");
  writeFileSync(join(folder, "drink"), "");
  client.raw.end();
  // It has the client's end, and can still send.
  assert.deepEqual(await client.hear(1), [`text ${count * message.length}`]);
  assert.equal((await client.raw.readToEnd()).length, 0);
});

test("no answer within --timeout is 504, and the thread is free again", async (t) => {
  const answer = await ask("/late", single);
  assert.equal(answer.status, 504);
  const client = await open(t, "/ws", single);
  // Longer than the timeout: it does not count for an open WebSocket.
  await lapse(1500);
  client.send(text("still here"));
  assert.deepEqual(await client.hear(1), ["text still here"]);
  client.destroy();
});

test("a reload closes with 1012 between two frames, and nothing follows", async (t) => {
  const other = await start(t, "--workers", "1");
  const idle = await open(t, "/told", other);
  assert.deepEqual(await idle.hear(1), ["text ready"]);
  const busy = await open(t, "/slow-frame", other);
  await until("half a frame has come", () => busy.raw.waiting === 500);
  const old = new Set(other.workers().map(({ pid }) => pid));
  other.signal("SIGHUP");
  const { opcode, payload } = await idle.read();
  assert.deepEqual([opcode, payload.readUInt16BE()], [Opcode.CLOSE, 1012]);
  idle.send(close(1012));
  assert.equal((await idle.raw.readToEnd()).length, 0);
  idle.destroy();
  await until("the application was told", () => fileSays("told") === "1012");
  // They are closed one after the other, at most 100 ms apart.
  await lapse(1000);
  assert.equal(busy.raw.waiting, 500);
  writeFileSync(join(folder, "go"), "");
  assert.equal((await busy.read()).payload.length, 1000);
  busy.send(close(1012));
  assert.equal(await busy.readClose(), 1012);
  busy.destroy();
  const next = await open(t, "/ws", other);
  next.send(text("again"));
  assert.deepEqual(await next.hear(1), ["text again"]);
  next.destroy();
  await until("the old worker has ended", () => other.workers().every(({ pid }) => !old.has(pid)));
});

test("a server that stops closes with 1012, and ends", async (t) => {
  const other = await start(t, "--workers", "1", "--threads", "8", "--graceful-timeout", "10");
  const clients: FrameClient[] = [];
  for (let count = 0; count < 6; count += 1) clients.push(await open(t, "/ws", other));
  other.signal("SIGTERM");
  for (const client of clients) {
    const { opcode, payload } = await client.read();
    assert.deepEqual([opcode, payload.readUInt16BE()], [Opcode.CLOSE, 1012]);
    client.send(close(1012));
    assert.equal((await client.raw.readToEnd()).length, 0);
    client.destroy();
  }
  assert.deepEqual(await other.exited, { code: 0, signal: null });
});

test("a worker that dies closes its WebSockets with 1011", async (t) => {
  const other = await start(t, "--workers", "1");
  const client = await open(t, "/ws", other);
  client.send(text("hello"));
  await client.hear(1);
  for (const { pid } of other.workers()) process.kill(pid, "SIGKILL");
  const { opcode, payload } = await client.read();
  assert.deepEqual([opcode, payload.readUInt16BE()], [Opcode.CLOSE, 1011]);
  client.send(close(1011));
  assert.equal((await client.raw.readToEnd()).length, 0);
  client.destroy();
});

test("a client that leaves before the answer frees the thread", async () => {
  const client = await RawClient.connect(single);
  client.write(`GET /silent HTTP/1.1\r\nHost: a\r\n${HANDSHAKE}\r\n`);
  await until("it runs", () => countSockets(single) > 0 && listensNowhere());
  client.destroy();
  assert.equal((await getOnce(single, "/")).status, 200);
});

/** Whether no socket file is left behind in a private directory of ours. */
function listensNowhere(): boolean {
  const ours = readdirSync("/dev/shm").filter((name) => name.startsWith("typhon-"));
  return ours.every((name) => {
    try {
      return readdirSync(join("/dev/shm", name)).every((file) => !file.endsWith(".socket"));
    } catch {
      // Gone meanwhile, or another user's.
      return true;
    }
  });
}
