// --pid FILE: when it is there, whose place it takes, and the control socket beside it.

import assert from "node:assert/strict";
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test, type TestContext } from "node:test";

import { until, within } from "../support/deadline.ts";
import { getOnce, RawClient } from "../support/raw-client.ts";
import { APPS, makeScratch } from "../support/scratch.ts";
import { runTyphon, startTyphon, withDefaults, type Typhon } from "../support/typhon.ts";

const ARGS = ["factory", "--workers", "1", "--pid"];

function read(path: string): string {
  return readFileSync(path, "utf8");
}

async function refused(args: readonly string[]): Promise<string> {
  const run = await runTyphon(withDefaults(args));
  assert.equal(run.code, 2, run.stderr);
  assert.match(run.stderr, /^typhon: --pid '[^\n]+\n$/, "one line");
  return run.stderr;
}

async function killed(typhon: Typhon): Promise<void> {
  typhon.signal("SIGKILL");
  await typhon.exited;
  await typhon.leavesNothing();
}

async function holdRequest(context: TestContext, ...args: string[]): Promise<Typhon> {
  const folder = makeScratch(context);
  const typhon = await startTyphon(context, ["gate:app", "--workers", "1", ...args], {
    env: { GATE_DIR: folder },
  });
  const client = await RawClient.connect(typhon);
  context.after(() => client.destroy());
  client.write("GET /hold?name=held HTTP/1.1\r\nHost: a\r\n\r\n");
  await until("it runs", () => existsSync(join(folder, "held.running")));
  return typhon;
}

test("holds the process id when the server says that it serves, until its end", async (t) => {
  const folder = makeScratch(t);
  const typhon = await startTyphon(t, [...ARGS, join(folder, "pid")]);
  assert.equal(read(join(folder, "pid")), `${typhon.pid}\n`);
  assert.deepEqual(readdirSync(folder).sort(), ["pid", "pid.sock"]);
  assert.equal(statSync(join(folder, "pid")).mode & 0o777, 0o644 & ~process.umask());
  assert.equal(statSync(join(folder, "pid.sock")).mode & 0o777, 0o600);
  await typhon.stop();
  assert.deepEqual(readdirSync(folder), []);
});

test("is relative to the folder that the server was started in", async (t) => {
  const folder = makeScratch(t);
  const typhon = await startTyphon(t, [...ARGS, "web.pid"], { cwd: folder });
  assert.equal(read(join(folder, "web.pid")), `${typhon.pid}\n`);
});

test("is never there where the start fails", async (t) => {
  const folder = makeScratch(t);
  const args = ["raises:app", "--app-dir", join(APPS, "broken"), "--pid", join(folder, "pid")];
  const run = await runTyphon(withDefaults(args));
  assert.equal(run.code, 3);
  assert.deepEqual(readdirSync(folder), []);
});

test("goes at a second signal too", async (t) => {
  const folder = makeScratch(t);
  const typhon = await holdRequest(t, "--pid", join(folder, "pid"));
  typhon.signal("SIGTERM");
  await typhon.output.waitFor(/SIGTERM/);
  assert(existsSync(join(folder, "pid")), "gone while a request runs");
  typhon.signal("SIGTERM");
  const exit = await within(10_000, typhon.exited, "the server ends");
  assert.deepEqual(exit, { code: 143, signal: null });
  assert.deepEqual(readdirSync(folder), []);
});

test("a second server with the same file is refused, and the first one's stays", async (t) => {
  const path = join(makeScratch(t), "pid");
  const typhon = await startTyphon(t, [...ARGS, path]);
  const text = await refused([...ARGS, path]);
  assert(text.includes(`belongs to Typhon with process id ${typhon.pid}`), text);
  assert.equal(read(path), `${typhon.pid}\n`);
  assert.equal((await runTyphon(["reload", "--pid", path])).code, 0);
});

test("takes the place of a server that was killed, and of its socket", async (t) => {
  const path = join(makeScratch(t), "pid");
  await killed(await startTyphon(t, [...ARGS, path]));
  assert(existsSync(path) && existsSync(`${path}.sock`));
  const typhon = await startTyphon(t, [...ARGS, path]);
  assert.equal(read(path), `${typhon.pid}\n`);
  assert.equal((await runTyphon(["reload", "--pid", path])).code, 0);
});

test("a number that belongs to another program by now does not stop a start", async (t) => {
  const path = join(makeScratch(t), "pid");
  await killed(await startTyphon(t, [...ARGS, path]));
  writeFileSync(path, `${process.pid}\n`);
  const typhon = await startTyphon(t, [...ARGS, path]);
  assert.equal(read(path), `${typhon.pid}\n`);
});

test("a file that holds something else is not overwritten", async (t) => {
  const path = join(makeScratch(t), "app.py");
  writeFileSync(path, "import flask\n");
  assert.match(await refused([...ARGS, path]), /holds no process id; name another file/);
  assert.equal(read(path), "import flask\n");
});

test("a folder that may not be written to: exit 2", async () => {
  assert.match(await refused([...ARGS, "/nowhere/pid"]), /'\/nowhere\/pid' is in no folder/);
});

test("what another server has written there meanwhile stays", async (t) => {
  const path = join(makeScratch(t), "pid");
  const typhon = await startTyphon(t, [...ARGS, path]);
  writeFileSync(path, "1\n");
  await typhon.stop();
  assert.equal(read(path), "1\n");
});

test("without a control socket the server serves all the same, and says so", async (t) => {
  const folder = makeScratch(t);
  mkdirSync(join(folder, "taken.sock"));
  for (const name of ["taken", "x".repeat(120)]) {
    const typhon = await startTyphon(t, [...ARGS, join(folder, name)]);
    assert.equal((await getOnce(typhon, "/")).text, "application");
    assert.equal(read(join(folder, name)), `${typhon.pid}\n`);
    assert.match(typhon.output.all, /WARN {2}no control socket at .*path=.*code=E\w+\n/);
    await typhon.stop();
  }
  assert.deepEqual(readdirSync(folder), ["taken.sock"]);
});

test("without the option there is neither", async (t) => {
  const folder = makeScratch(t);
  await startTyphon(t, ["factory", "--workers", "1"], { cwd: folder });
  assert.deepEqual(readdirSync(folder), []);
});
