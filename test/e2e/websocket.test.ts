// WebSockets of ASGI applications: messages both ways, closing from either side, refusals, workers that
// die, a server that stops.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { randomBytes } from "node:crypto";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { before, describe, test } from "node:test";
import { promisify } from "node:util";

import { WebSocket } from "ws";

import { until, within } from "../support/deadline.ts";
import { FILE } from "../support/file-scope.ts";
import { fieldOf, getOnce, RawClient } from "../support/raw-client.ts";
import { makeScratch, requirePython } from "../support/scratch.ts";
import { startTyphon, type Typhon } from "../support/typhon.ts";
import { isWritten } from "../support/notes.ts";
import { FrameClient, HANDSHAKE, KEY, text } from "../websocket/frames.ts";

const PATIENCE_MS = 20_000;
let typhon: Typhon;
let folder: string;

before(async () => {
  folder = makeScratch(FILE);
  typhon = await startTyphon(FILE, ["asgi_raw:app", "--workers", "2"], {
    env: { GATE_DIR: folder },
  });
});

/** One client, with the messages that it got. */
class Peer {
  readonly socket: WebSocket;
  readonly messages: (string | Buffer)[] = [];
  readonly opened: Promise<void>;
  readonly closed: Promise<string>;

  constructor(server: Typhon, path: string, protocols: string[] = []) {
    const url = `${server.url.replace("http", "ws")}${path}`;
    // Compressed, a flood of one byte would be next to nothing.
    this.socket = new WebSocket(url, protocols, { perMessageDeflate: path !== "/flood?512" });
    this.socket.on("message", (data, isBinary) => {
      assert(Buffer.isBuffer(data));
      this.messages.push(isBinary ? data : String(data));
    });
    this.opened = new Promise((resolve, reject) => {
      this.socket.once("open", () => resolve());
      this.socket.once("error", reject);
    });
    this.opened.catch(() => {});
    this.closed = new Promise((resolve) => {
      this.socket.once("close", (code, reason) => resolve(`${code} ${String(reason)}`));
    });
  }

  async next(): Promise<string | Buffer> {
    return until("a message", () => this.messages.shift());
  }

  end(): Promise<string> {
    return within(PATIENCE_MS, this.closed, "the WebSocket is closed");
  }
}

test("carries messages both ways, whole and in order", async () => {
  const peer = new Peer(typhon, "/echo");
  await peer.opened;
  const large = randomBytes(1_000_000);
  peer.socket.send("hello");
  peer.socket.send(large);
  peer.socket.send("größe ✓");
  peer.socket.send("");
  assert.equal(await peer.next(), "hello");
  assert.deepEqual(await peer.next(), large);
  assert.equal(await peer.next(), "größe ✓");
  assert.equal(await peer.next(), "");
  peer.socket.close(1000, "enough");
  assert.equal(await peer.end(), "1000 enough");
  await until("the application was told", () => isWritten(join(folder, "left")));
  assert.equal(readFileSync(join(folder, "left"), "utf8"), "1000 enough");
});

test("agrees on a subprotocol and sends the application's fields", async () => {
  const peer = new Peer(typhon, "/echo", ["other", "chat"]);
  let own: unknown;
  peer.socket.once("upgrade", (response) => {
    own = response.headers["x-own"];
  });
  await peer.opened;
  assert.equal(peer.socket.protocol, "chat");
  assert.equal(own, "1");
  peer.socket.close();
  await peer.end();
});

test("closes with the application's code and reason", async () => {
  const peer = new Peer(typhon, "/echo");
  await peer.opened;
  peer.socket.send("close 4001 no more of this");
  assert.equal(await peer.end(), "4001 no more of this");
});

for (const [path, status] of [
  ["/refuse", 403],
  ["/deny", 401],
  ["/fail", 500],
] as const)
  test(`answers ${status} where the application does not accept (${path})`, async () => {
    const peer = new Peer(typhon, path);
    await assert.rejects(peer.opened, new RegExp(String(status)));
  });

test("an application that fails later closes with 1011, and the log says why", async () => {
  const peer = new Peer(typhon, "/fail-later");
  assert.match(await peer.end(), /^1011/);
  await typhon.output.waitFor(/RuntimeError: raised after the handshake/);
});

test("an application waits for a client that does not read", async () => {
  const peer = new Peer(typhon, "/flood?512");
  await peer.opened;
  peer.socket.pause();
  const sent = (): number => Number(readFileSync(join(folder, "socket.sent"), "utf8"));
  let last = -1;
  await until("it stands still", async () => {
    const now = existsSync(join(folder, "socket.sent")) ? sent() : 0;
    const stands = now > 0 && now === last;
    last = now;
    await new Promise((resolve) => setTimeout(resolve, 200));
    return stands;
  });
  assert.ok(last < 512, `${last} messages were taken`);
  peer.socket.resume();
  await peer.end();
  assert.equal(peer.messages.length, 512);
  for (const [at, message] of peer.messages.entries())
    assert.ok(Buffer.isBuffer(message) && message[0] === (at & 255), `message ${at}`);
});

test("sockets do not count against requests: many stay open while others are served", async () => {
  const peers = Array.from({ length: 200 }, () => new Peer(typhon, "/echo"));
  await Promise.all(peers.map((peer) => peer.opened));
  assert.match((await getOnce(typhon, "/")).text, /^hello/);
  for (const peer of peers) peer.socket.send("still here");
  for (const peer of peers) assert.equal(await peer.next(), "still here");
  for (const peer of peers) peer.socket.close();
  await Promise.all(peers.map((peer) => peer.end()));
});

test("pings are answered while the application reads nothing, until the client has to wait", async () => {
  const peer = new Peer(typhon, "/gated");
  await peer.opened;
  const pongs: string[] = [];
  peer.socket.on("pong", (payload) => pongs.push(String(payload)));
  // As many bytes as may be on their way to an application, and more than the kernel buffers.
  peer.socket.send(Buffer.alloc(200_000));
  peer.socket.ping("first");
  await until("a pong", () => pongs.length === 1);
  for (let count = 0; count < 100; count += 1) peer.socket.send(randomBytes(200_000));
  peer.socket.ping("last");
  await until("the client waits", () => peer.socket.bufferedAmount > 0);
  assert.deepEqual(pongs, ["first"]);
  writeFileSync(join(folder, "gate.open"), "");
  await until("the other pong", () => pongs.length === 2);
  assert.deepEqual(pongs, ["first", "last"]);
  await until("all answers", () => peer.messages.length === 101);
  peer.socket.close(1000);
  assert.equal(await peer.end(), "1000 ");
});

test("what an operator chooses holds: largest message, compression, pings", async (t) => {
  const chosen =
    "--ws-max-size 1k --ws-per-message-deflate false --ws-ping-interval 0.2 --ws-ping-timeout 0.2";
  const other = await startTyphon(t, ["asgi_raw:app", "--workers", "1", ...chosen.split(" ")]);
  const peer = new Peer(other, "/echo");
  await peer.opened;
  assert.equal(peer.socket.extensions, "");
  peer.socket.send("x".repeat(1024));
  assert.equal(await peer.next(), "x".repeat(1024));
  peer.socket.send("x".repeat(1025));
  assert.match(await peer.end(), /^1009/);
  const silent = await FrameClient.open(other);
  assert.deepEqual(await silent.hear(1), ["ping "]);
  await silent.raw.readUntilCut();
  silent.destroy();
});

describe("a handshake that is none", () => {
  const line = "GET /echo HTTP/1.1";
  const without = (name: string, value = ""): string =>
    HANDSHAKE.replace(new RegExp(`${name}: .*\r\n`), value === "" ? "" : `${name}: ${value}\r\n`);
  for (const [name, start, fields, status, code] of [
    ["no version", line, without("Sec-WebSocket-Version"), 426, "WEBSOCKET_VERSION"],
    ["version 8", line, without("Sec-WebSocket-Version", "8"), 426, "WEBSOCKET_VERSION"],
    ["no key", line, without("Sec-WebSocket-Key"), 400, "WEBSOCKET_KEY"],
    ["a key that is too short", line, without("Sec-WebSocket-Key", "AAAA"), 400, "WEBSOCKET_KEY"],
    ["two keys", line, `${HANDSHAKE}Sec-WebSocket-Key: ${KEY}\r\n`, 400, "FIELD_REPEATED"],
    ["POST", "POST /echo HTTP/1.1", HANDSHAKE, 405, "WEBSOCKET_METHOD"],
    ["a body", line, `${HANDSHAKE}Content-Length: 1\r\n`, 400, "WEBSOCKET_BODY"],
    ["a broken list", line, `${HANDSHAKE}Sec-WebSocket-Extensions: ;\r\n`, 400, "WEBSOCKET_LIST"],
  ] as const)
    test(`is refused with ${name}: ${status}`, async () => {
      const client = await RawClient.connect(typhon);
      const answer = await client.ask(`${start}\r\nHost: a\r\n${fields}\r\n`);
      assert.equal(answer.status, status);
      assert.match(answer.text, new RegExp(code));
      if (status === 426) assert.equal(fieldOf(answer, "sec-websocket-version"), "13");
      if (status === 405) assert.equal(fieldOf(answer, "allow"), "GET");
      await client.readUntilCut();
    });

  for (const [name, start, fields] of [
    ["HTTP/1.0", "GET / HTTP/1.0", HANDSHAKE],
    ["no Connection", "GET / HTTP/1.1", without("Connection")],
    ["another Upgrade", "GET / HTTP/1.1", without("Upgrade", "h2c")],
  ] as const)
    test(`is an ordinary request with ${name} (RFC 9110 §7.8)`, async () => {
      const client = await RawClient.connect(typhon);
      const answer = await client.ask(`${start}\r\nHost: a\r\n${fields}\r\n`);
      assert.equal(answer.status, 200);
      assert.match(answer.text, /^hello/);
      client.destroy();
    });

  for (const offer of [
    "permessage-deflate; unknown",
    "permessage-deflate; server_max_window_bits=16",
    "permessage-deflate; client_max_window_bits=7",
    "x-webkit-deflate-frame",
  ])
    test(`is one with an offer that cannot be taken, without it: ${offer}`, async () => {
      const client = await FrameClient.open(typhon, `Sec-WebSocket-Extensions: ${offer}\r\n`);
      assert.equal(client.head.fields.get("sec-websocket-extensions"), undefined);
      client.send(text("plain"));
      assert.deepEqual(await client.hear(1), ["text plain"]);
      client.destroy();
    });
});

test("a subprotocol that the client has not offered is not chosen", async () => {
  const client = await FrameClient.open(typhon, "Sec-WebSocket-Protocol: other\r\n");
  assert.equal(client.head.fields.get("sec-websocket-protocol"), undefined);
  client.destroy();
});

/** Opens WebSockets until each of two workers has some; by worker. */
async function openInBoth(server: Typhon): Promise<Map<number, Peer[]>> {
  const peersOf = new Map<number, Peer[]>();
  // A free worker takes the handshake: sooner or later it is the other one.
  for (let round = 0; peersOf.size < 2; round += 1) {
    assert(round < 50, "one worker took every handshake");
    const peers = Array.from({ length: 4 }, () => new Peer(server, "/echo"));
    await Promise.all(peers.map(({ opened }) => opened));
    for (const peer of peers) {
      peer.socket.send("which process?");
      const worker = Number(await peer.next());
      peersOf.set(worker, [...(peersOf.get(worker) ?? []), peer]);
    }
  }
  return peersOf;
}

test("a worker that dies closes its WebSockets with 1011, and no others", async (t) => {
  const other = await startTyphon(t, ["asgi_raw:app", "--workers", "2"]);
  const [[victim, doomed] = [0, []], [, others] = [0, []]] = await openInBoth(other);
  process.kill(victim, "SIGKILL");
  for (const peer of doomed) assert.match(await peer.end(), /^1011/);
  for (const peer of others) peer.socket.send("still here");
  for (const peer of others) assert.equal(await peer.next(), "still here");
  for (const peer of others) peer.socket.close();
  await Promise.all(others.map((peer) => peer.end()));
});

test("a reload closes the old workers' WebSockets with 1012, new ones open, and so does a stop", async (t) => {
  const other = await startTyphon(t, [
    "asgi_raw:app",
    "--workers",
    "1",
    "--graceful-timeout",
    "10",
  ]);
  const peer = new Peer(other, "/echo");
  await peer.opened;
  other.signal("SIGHUP");
  assert.match(await peer.end(), /^1012/);
  const next = new Peer(other, "/echo");
  await next.opened;
  next.socket.send("again");
  assert.equal(await next.next(), "again");
  const peers = [next, ...Array.from({ length: 9 }, () => new Peer(other, "/echo"))];
  await Promise.all(peers.map(({ opened }) => opened));
  other.signal("SIGTERM");
  for (const { closed } of peers)
    assert.match(await within(PATIENCE_MS, closed, "it is closed"), /^1012/);
  assert.deepEqual(await other.exited, { code: 0, signal: null });
});

test("speaks with the websockets client of Python, compressed", async () => {
  const script = join(folder, "client.py");
  writeFileSync(
    script,
    [
      "import sys",
      "from websockets.sync.client import connect",
      "with connect(sys.argv[1], max_size=None) as socket:",
      "    for message in ('a' * 100_000, b'b' * 100_000, 'c'):",
      "        socket.send(message)",
      "        assert socket.recv() == message",
      "    print(socket.protocol.extensions[0].name)",
    ].join("\n"),
  );
  const url = `${typhon.url.replace("http", "ws")}/echo`;
  const { stdout } = await promisify(execFile)(requirePython(), [script, url]);
  assert.equal(stdout.trim(), "permessage-deflate");
});
