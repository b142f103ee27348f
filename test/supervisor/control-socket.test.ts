// The control socket: real connections, its rights, its limits, and what stood at its path before.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync, statSync, writeFileSync } from "node:fs";
import { connect, createServer, type Socket } from "node:net";
import { join } from "node:path";
import { test, type TestContext } from "node:test";

import { askControl, ControlError, isControlled } from "../../src/supervisor/control-client.ts";
import { MAX_LINE_BYTES } from "../../src/supervisor/control-protocol.ts";
import { ControlSocket } from "../../src/supervisor/control-socket.ts";
import type { ReloadOutcome } from "../../src/supervisor/reloads.ts";
import { PATIENCE_MS, until, within } from "../support/deadline.ts";
import { makeScratch } from "../support/scratch.ts";

const noRestart = (): string[] => [];

async function open(
  context: TestContext,
  reload: () => Promise<ReloadOutcome> = () => Promise.resolve({ kind: "reloaded", ms: 5 }),
): Promise<{ path: string; control: ControlSocket }> {
  const path = join(makeScratch(context), "pid.sock");
  const control = await ControlSocket.open(path, reload, () => ["bind"]);
  context.after(() => control.close());
  return { path, control };
}

/** What comes back until the end of the connection. */
async function say(path: string, text: string, isLast = false): Promise<string> {
  const socket = connect({ path, allowHalfOpen: true });
  if (isLast) socket.end(text);
  else socket.write(text);
  return await within(PATIENCE_MS, readAll(socket), "the end of the connection");
}

async function readAll(socket: Socket): Promise<string> {
  const { promise, resolve } = Promise.withResolvers<string>();
  let received = "";
  socket.setEncoding("utf8").on("data", (text: string) => void (received += text));
  // A line that is too long may be cut while it is being sent.
  socket.on("error", () => undefined);
  socket.on("end", () => socket.destroy());
  socket.on("close", () => resolve(received));
  return await promise;
}

async function codeOf(promise: Promise<unknown>): Promise<string> {
  try {
    await promise;
  } catch (error) {
    assert(error instanceof ControlError);
    return error.code;
  }
  throw new assert.AssertionError({ message: "it did not fail" });
}

test("only this user may connect", async (t) => {
  const { path } = await open(t);
  const { mode } = statSync(path);
  assert.equal(mode & 0o777, 0o600);
});

test("opening the socket does not change the umask", async (t) => {
  const before = process.umask();
  await open(t);
  assert.equal(process.umask(), before);
});

test("replies to ping with the process id, and to reload with the time or the traceback", async (t) => {
  const outcomes: ReloadOutcome[] = [
    { kind: "reloaded", ms: 123 },
    { kind: "failed", ms: 1, text: "Traceback …\nNameError: é", isMistake: false },
    { kind: "failed", ms: 1, text: "typhon.toml:3: …", isMistake: true },
  ];
  const { path } = await open(t, () => Promise.resolve(outcomes.shift() ?? { kind: "stopped" }));
  const { pid } = process;
  assert.deepEqual(await askControl(path, "ping"), { ok: true, pid, ms: 0, restart: [] });
  assert.deepEqual(await askControl(path, "reload"), { ok: true, pid, ms: 123, restart: ["bind"] });
  assert.deepEqual(await askControl(path, "reload"), {
    ok: false,
    text: "Traceback …\nNameError: é",
    exitCode: 3,
  });
  assert.deepEqual(await askControl(path, "reload"), {
    ok: false,
    text: "typhon.toml:3: …",
    exitCode: 2,
  });
  assert.equal(await codeOf(askControl(path, "reload")), "ENDED");
});

test("replies to a line that comes in pieces, and to a client that closes its sending side", async (t) => {
  const { path } = await open(t);
  assert.match(await say(path, '{"op":"ping"}\n', true), /^\{"ok":true,.*\}\n$/);
  const socket = connect({ path });
  const answer = readAll(socket);
  for (const piece of ['{"op"', ':"ping"}', "\n"]) {
    const { promise, resolve } = Promise.withResolvers<void>();
    socket.write(piece, () => resolve());
    await promise;
  }
  assert.match(await answer, /^\{"ok":true/);
});

test("the reply to an unknown request says what is expected", async (t) => {
  const { path } = await open(t);
  assert.match(await say(path, "GET / HTTP/1.1\r\n"), /"ok":false.*expected/);
});

test("closes the connection after a line beyond the limit, and after an end without a line", async (t) => {
  const { path } = await open(t);
  assert.equal(await say(path, "x".repeat(MAX_LINE_BYTES + 1)), "");
  assert.equal(await say(path, '{"op":"ping"}', true), "");
  assert((await askControl(path, "ping")).ok);
});

test("serves sixteen connections at a time and closes one more", async (t) => {
  const { path } = await open(t);
  const idle = Array.from({ length: 16 }, () => connect({ path }));
  t.after(() => {
    for (const socket of idle) socket.destroy();
  });
  await Promise.all(
    idle.map(async (socket) => {
      const { promise, resolve } = Promise.withResolvers<void>();
      socket.on("connect", resolve);
      await promise;
    }),
  );
  assert.match(await codeOf(askControl(path, "ping")), /^(?:ENDED|EPIPE|ECONNRESET)$/);
  idle.pop()?.destroy();
  const answer = await until("there is room again", async () => {
    return await askControl(path, "ping").catch(() => null);
  });
  assert(answer.ok);
});

test("closing ends waiting connections and removes the file", async (t) => {
  const begun = Promise.withResolvers<void>();
  const { path, control } = await open(t, () => {
    begun.resolve();
    return Promise.withResolvers<ReloadOutcome>().promise;
  });
  const waiting = codeOf(askControl(path, "reload"));
  await begun.promise;
  control.close();
  assert.equal(await waiting, "ENDED");
  assert(!existsSync(path));
  assert.equal(await codeOf(askControl(path, "ping")), "ENOENT");
});

test("replaces a socket that a killed server left behind", async (t) => {
  const path = join(makeScratch(t), "pid.sock");
  const bind = "import socket,sys; socket.socket(socket.AF_UNIX).bind(sys.argv[1])";
  execFileSync("python3", ["-c", bind, path]);
  assert.equal(await codeOf(askControl(path, "ping")), "ECONNREFUSED");
  assert.equal(await isControlled(path), false);
  const control = await ControlSocket.open(
    path,
    () => Promise.resolve({ kind: "stopped" }),
    noRestart,
  );
  t.after(() => control.close());
  assert.equal(await isControlled(path), true);
});

test("does not replace a socket with a server or a file; refuses a path that is too long", async (t) => {
  const reload = (): Promise<ReloadOutcome> => Promise.resolve({ kind: "stopped" });
  const { path } = await open(t);
  assert.equal(await codeOf(ControlSocket.open(path, reload, noRestart)), "EADDRINUSE");
  assert((await askControl(path, "ping")).ok);
  const file = join(makeScratch(t), "pid.sock");
  writeFileSync(file, "mine");
  assert.equal(await codeOf(ControlSocket.open(file, reload, noRestart)), "EADDRINUSE");
  assert(statSync(file).isFile());
  const long = join(makeScratch(t), "x".repeat(120));
  assert.match(
    await codeOf(ControlSocket.open(long, reload, noRestart)),
    /^(?:EINVAL|ENAMETOOLONG)$/,
  );
});

test("a server that does not reply is distinguished from a missing one", async (t) => {
  const path = join(makeScratch(t), "deaf.sock");
  const deaf = createServer((socket) => socket.resume());
  const { promise, resolve } = Promise.withResolvers<void>();
  deaf.listen(path, resolve);
  await promise;
  t.after(() => void deaf.close());
  assert.equal(await codeOf(askControl(path, "ping", 100)), "TIMEOUT");
  assert.equal(await isControlled(join(path, "..", "none")), false);
});
