// A Unix socket as a proxy of another user meets it: who may connect, and whose forwarded fields are believed.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { chmodSync, statSync } from "node:fs";
import { join } from "node:path";
import { before, test } from "node:test";

import { FILE } from "../support/file-scope.ts";
import { readRecord } from "../support/json.ts";
import { RawClient } from "../support/raw-client.ts";
import { makeScratch } from "../support/scratch.ts";
import { runTyphon, startTyphon, withDefaults } from "../support/typhon.ts";

/** The user that owns nothing, as whom the client runs where the tests run as root. */
const NOBODY = 65_534;
const IS_ROOT = process.getuid?.() === 0;

let folder = "";
before(() => {
  folder = makeScratch(FILE);
  chmodSync(folder, 0o755);
});

async function serve(name: string, args: readonly string[]): Promise<string> {
  const path = join(folder, name);
  const binds = ["--bind", `unix:${path}`, "--bind", "127.0.0.1:0"];
  await startTyphon(FILE, ["raw:app", "--workers", "1", ...binds, ...args]);
  return path;
}

/** What a client of another user gets: "connected", or the name of the error. */
function connectAsOther(path: string): string {
  const script =
    "import socket,sys\ntry:\n    socket.socket(socket.AF_UNIX).connect(sys.argv[1])\n" +
    "    print('connected')\nexcept OSError as error:\n    print(type(error).__name__)\n";
  const user = IS_ROOT ? { uid: NOBODY, gid: NOBODY } : {};
  const run = spawnSync("python3", ["-c", script, path], { encoding: "utf8", cwd: "/", ...user });
  return run.stdout.trim();
}

/** REMOTE_ADDR and scheme of a request with forwarded fields over the socket. */
async function seen(path: string): Promise<readonly unknown[]> {
  const client = await RawClient.connect({ path });
  const fields = "X-Forwarded-For: ::ffff:192.0.2.7\r\nX-Forwarded-Proto: https\r\n";
  const environ = readRecord((await client.get("/environ", fields)).text);
  client.destroy();
  return [environ["REMOTE_ADDR"], environ["wsgi.url_scheme"], environ["HTTP_X_FORWARDED_PROTO"]];
}

test("every user may connect by default, and forwarded fields are not believed", async () => {
  const path = await serve("default.sock", []);
  assert.equal(statSync(path).mode & 0o777, 0o666);
  assert.equal(connectAsOther(path), "connected");
  const [address, scheme, field] = await seen(path);
  assert.notEqual(address, "192.0.2.7");
  assert.deepEqual([scheme, field], ["http", undefined]);
});

test("--forwarded-allow-ips 127.0.0.1 is not a Unix socket", async () => {
  const path = await serve("loopback.sock", ["--forwarded-allow-ips", "127.0.0.1,::1"]);
  assert.deepEqual((await seen(path)).slice(1), ["http", undefined]);
});

test("--forwarded-allow-ips unix believes them, and unmaps an IPv4 address", async () => {
  const path = await serve("trusted.sock", ["--forwarded-allow-ips", "unix"]);
  assert.deepEqual(await seen(path), ["192.0.2.7", "https", "https"]);
});

test("--socket-mode shuts others out, --socket-owner lets one in", async () => {
  const path = await serve("private.sock", ["--socket-mode", "0600"]);
  assert.equal(statSync(path).mode & 0o777, 0o600);
  const own = process.getuid?.();
  if (IS_ROOT) assert.equal(connectAsOther(path), "PermissionError");
  const owner = IS_ROOT ? `${NOBODY}:${NOBODY}` : String(own);
  const given = await serve("given.sock", ["--socket-mode", "0600", "--socket-owner", owner]);
  assert.equal(statSync(given).uid, IS_ROOT ? NOBODY : own);
  assert.equal(connectAsOther(given), "connected");
});

test("a user or a group that is not there: one line, exit code 2", async () => {
  for (const [owner, line] of [
    ["no-such-user-here", /--socket-owner 'no-such-user-here': no user is named/],
    [":no-such-group-here", /: no group is named 'no-such-group-here'/],
  ] as const) {
    const run = await runTyphon(withDefaults(["raw:app", "--socket-owner", owner]));
    assert.equal(run.code, 2);
    assert.match(run.stderr, /^typhon: [^\n]+\n$/);
    assert.match(run.stderr, line);
  }
});
