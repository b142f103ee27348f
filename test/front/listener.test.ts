// Listening: real ports, both families, Unix sockets with what is left of them, and clear errors.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import {
  chmodSync,
  existsSync,
  mkdtempSync,
  rmSync,
  statSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from "node:fs";
import { connect, createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";

import { listen, ListenError } from "../../src/front/listener.ts";
import { shareReads } from "../../src/front/shared-reads.ts";
import { setSocketRights } from "../../src/front/socket-rights.ts";
import { peersOf } from "../../src/net/address.ts";
import { isWideReader, READ_BYTES } from "../../src/net/wide-reader.ts";
import { until } from "../support/deadline.ts";

const folder = mkdtempSync(join(tmpdir(), "listener-"));
after(() => rmSync(folder, { recursive: true }));

const drop = (socket: Socket): void => {
  socket.destroy();
};

async function errorOf(promise: Promise<unknown>): Promise<ListenError> {
  try {
    await promise;
  } catch (error) {
    assert.ok(error instanceof ListenError);
    return error;
  }
  throw new assert.AssertionError({ message: "it could listen" });
}

test("reports the real port and hands sockets over", async () => {
  let accepted = 0;
  const listener = await listen({ kind: "tcp", host: "127.0.0.1", port: 0 }, (socket) => {
    accepted += 1;
    socket.destroy();
  });
  assert.ok(listener.address.kind === "tcp" && listener.address.port > 0);
  assert.equal(listener.url, `http://127.0.0.1:${listener.address.port}`);
  const client = connect(listener.address.port, "127.0.0.1").on("error", () => undefined);
  await until("the socket", () => accepted === 1);
  client.destroy();
  listener.close();
});

// The process that listens stands still meanwhile, so the reset is there before the connection is accepted.
const CONNECT_AND_RESET = `
import socket, struct, sys
client = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
client.send(b"GET / HTTP/1.1\\r\\nHost: a\\r\\nX-Forwarded-For: 192.0.2.1\\r\\n\\r\\n")
client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
client.close()
`;

test("a TCP client without an address, because it has reset its connection, is no client of a Unix socket", async () => {
  const clients: string[] = [];
  const listener = await listen({ kind: "tcp", host: "127.0.0.1", port: 0 }, (socket) => {
    clients.push(peersOf(socket).remoteAddress);
    socket.on("error", () => undefined).destroy();
  });
  assert.ok(listener.address.kind === "tcp");
  const { port } = listener.address;
  execFileSync("python3", ["-c", CONNECT_AND_RESET, String(port)]);
  const client = connect(port, "127.0.0.1").on("error", () => undefined);
  await until("the client after it", () => clients.includes("127.0.0.1"));
  assert.deepEqual(clients, ["127.0.0.1"]);
  client.destroy();
  listener.close();
});

test("the address of a client stays known when the connection has ended", async () => {
  let accepted: Socket | null = null;
  const listener = await listen({ kind: "tcp", host: "127.0.0.1", port: 0 }, (socket) => {
    accepted = socket.on("error", () => undefined).destroy();
  });
  assert.ok(listener.address.kind === "tcp");
  const client = connect(listener.address.port, "127.0.0.1").on("error", () => undefined);
  const socket = await until<Socket | null>("the socket", () => accepted);
  assert.ok(socket !== null);
  assert.equal(peersOf(socket).remoteAddress, "127.0.0.1");
  client.destroy();
  listener.close();
});

test("all sockets read into the same memory", async () => {
  const memories = new Set<ArrayBufferLike>();
  const texts: string[] = [];
  const listener = await listen({ kind: "tcp", host: "127.0.0.1", port: 0 }, (socket) => {
    socket.on("data", (chunk: Buffer) => {
      memories.add(chunk.buffer);
      texts.push(String(chunk));
      socket.destroy();
    });
  });
  assert.ok(listener.address.kind === "tcp");
  for (const text of ["one", "two"]) {
    const client = connect(listener.address.port, "127.0.0.1");
    client.on("error", () => undefined).end(text);
  }
  await until("both", () => texts.length === 2);
  assert.deepEqual(texts.toSorted(), ["one", "two"]);
  assert.equal(memories.size, 1);
  listener.close();
});

test("bytes of a wide read arrive completely, and so do the bytes after it", async (context) => {
  const chunks: Buffer[] = [];
  let socket: Socket | null = null;
  const listener = await listen({ kind: "tcp", host: "127.0.0.1", port: 0 }, (accepted) => {
    socket = accepted;
    accepted.on("data", (chunk: Buffer) => {
      chunks.push(Buffer.from(chunk));
      assert.ok(isWideReader(accepted));
      accepted.readWide(chunks.length % 3 !== 2);
    });
  });
  assert.ok(listener.address.kind === "tcp");
  const sent = randomBytes(4_000_000);
  const client = connect(listener.address.port, "127.0.0.1").on("error", () => undefined);
  context.after(() => {
    client.destroy();
    socket?.destroy();
    listener.close();
  });
  client.write(sent);
  await until("all of it", () => chunks.reduce((sum, one) => sum + one.length, 0) >= sent.length);
  assert.ok(Buffer.concat(chunks).equals(sent));
  assert.ok(
    chunks.some((chunk) => chunk.length > READ_BYTES),
    "some reads were wide",
  );
});

test("a server without a known handle stays as it is", () => {
  assert.equal(shareReads(createServer(), 65_536, drop), false);
});

test("sockets stay half-open when the client ends its side", async () => {
  let half: Socket | null = null;
  const listener = await listen({ kind: "tcp", host: "127.0.0.1", port: 0 }, (socket) => {
    half = socket;
    socket.resume();
    socket.on("end", () => socket.end("still here"));
  });
  assert.ok(listener.address.kind === "tcp");
  const client = connect({ port: listener.address.port, host: "127.0.0.1", allowHalfOpen: true });
  client.end();
  let text = "";
  for await (const chunk of client) text += String(chunk);
  assert.equal(text, "still here");
  assert.notEqual(half, null);
  listener.close();
});

test("listens at IPv6 addresses", async () => {
  const listener = await listen({ kind: "tcp", host: "::1", port: 0 }, drop);
  assert.match(listener.url, /^http:\/\/\[::1\]:\d+$/);
  listener.close();
});

test("a port in use is an error that names the address and the remedy", async () => {
  const listener = await listen({ kind: "tcp", host: "127.0.0.1", port: 0 }, drop);
  const error = await errorOf(listen(listener.address, drop));
  assert.equal(error.code, "EADDRINUSE");
  assert.ok(listener.address.kind === "tcp");
  assert.ok(error.message.startsWith(`127.0.0.1:${listener.address.port} is in use`));
  assert.match(error.message, /--bind/);
  listener.close();
});

test("an address of another machine, and a name that is none, are errors", async () => {
  const other = await errorOf(listen({ kind: "tcp", host: "192.0.2.1", port: 0 }, drop));
  assert.equal(other.code, "EADDRNOTAVAIL");
  assert.match(other.message, /^192\.0\.2\.1:0 is not an address of this machine$/);
});

test("a Unix socket is removed when its listener closes", async () => {
  const path = join(folder, "a.sock");
  const listener = await listen({ kind: "unix", path }, drop);
  assert.equal(listener.url, `unix:${path}`);
  assert.ok(existsSync(path));
  listener.close();
  await until("the file is gone", () => !existsSync(path));
});

/** The rights of a socket's file, and its user and group. */
function fileOf(path: string): [mode: string, uid: number, gid: number] {
  const { mode, uid, gid } = statSync(path);
  return [(mode & 0o777).toString(8), uid, gid];
}

test("a Unix socket has mode 0666 or the given one, whatever the umask", async () => {
  const path = join(folder, "mode.sock");
  const [uid, gid] = [process.getuid?.() ?? -1, process.getgid?.() ?? -1];
  for (const umask of [0o022, 0o077, 0]) {
    const before = process.umask(umask);
    try {
      const usual = await listen({ kind: "unix", path }, drop);
      assert.deepEqual(fileOf(path), ["666", uid, gid]);
      usual.close();
      const rights = { mode: 0o640, owner: { uid, gid: -1 } };
      const given = await listen({ kind: "unix", path }, drop, rights);
      assert.deepEqual(fileOf(path), ["640", uid, gid]);
      given.close();
      assert.equal(process.umask(), umask, "the umask is as it was");
    } finally {
      process.umask(before);
    }
  }
});

test("a Unix socket gets its owner, or no socket stays", async () => {
  const path = join(folder, "owner.sock");
  const rights = { mode: 0o600, owner: { uid: 65_534, gid: 65_533 } };
  if (process.getuid?.() === 0) {
    const listener = await listen({ kind: "unix", path }, drop, rights);
    assert.deepEqual(fileOf(path), ["600", 65_534, 65_533]);
    listener.close();
  } else {
    const error = await errorOf(listen({ kind: "unix", path }, drop, rights));
    assert.match(error.message, /cannot get --socket-owner: only root may give it to another/);
    await until("the file is gone", () => !existsSync(path));
  }
});

test("the rights of a socket are given to no other file and through no link", async () => {
  const file = join(folder, "other");
  const link = join(folder, "link");
  const path = join(folder, "linked.sock");
  writeFileSync(file, "");
  chmodSync(file, 0o600);
  const listener = await listen({ kind: "unix", path }, drop, { mode: 0o600, owner: null });
  for (const target of [file, path, join(folder, "nothing")]) {
    symlinkSync(target, link);
    assert.throws(() => setSocketRights(link, { mode: 0o666, owner: null }));
    unlinkSync(link);
  }
  assert.throws(() => setSocketRights(file, { mode: 0o666, owner: null }));
  assert.deepEqual([fileOf(file)[0], fileOf(path)[0]], ["600", "600"]);
  listener.close();
});

test("a path that is taken keeps its rights", async () => {
  const path = join(folder, "taken.sock");
  const first = await listen({ kind: "unix", path }, drop, { mode: 0o600, owner: null });
  await errorOf(listen({ kind: "unix", path }, drop));
  assert.equal(fileOf(path)[0], "600");
  first.close();
});

test("replaces a socket file without a server", async () => {
  const path = join(folder, "stale.sock");
  execFileSync("python3", [
    "-c",
    "import socket,sys;socket.socket(socket.AF_UNIX).bind(sys.argv[1])",
    path,
  ]);
  assert.ok(existsSync(path));
  const listener = await listen({ kind: "unix", path }, drop);
  listener.close();
});

test("does not replace a socket with a server, or a file that is no socket", async () => {
  const path = join(folder, "live.sock");
  const server = createServer(drop);
  await new Promise<void>((resolve) => server.listen(path, resolve));
  assert.equal((await errorOf(listen({ kind: "unix", path }, drop))).code, "EADDRINUSE");
  assert.ok(existsSync(path));
  server.close();
  const file = join(folder, "file");
  writeFileSync(file, "text");
  assert.equal((await errorOf(listen({ kind: "unix", path: file }, drop))).code, "EADDRINUSE");
  assert.ok(existsSync(file));
});

test("a folder that does not exist is an error", async () => {
  const path = join(folder, "none", "a.sock");
  const error = await errorOf(listen({ kind: "unix", path }, drop));
  assert.ok(error.message.includes(path));
});
