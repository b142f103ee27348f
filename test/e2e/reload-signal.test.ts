// SIGHUP: new code takes over, code that does not load changes nothing, several signals are one more
// reload, and a terminal that is closed ends the server.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { existsSync, rmSync } from "node:fs";
import { join } from "node:path";
import { before, describe, test, type TestContext } from "node:test";

import { ChangingApp } from "../supervisor/changing-app.ts";
import { PATIENCE_MS, until, within } from "../support/deadline.ts";
import { FILE } from "../support/file-scope.ts";
import { Output } from "../support/output.ts";
import { findStarted, MARK_VARIABLE, readCommand } from "../support/processes.ts";
import { getOnce, RawClient } from "../support/raw-client.ts";
import { COMMAND, makeScratch, requirePython } from "../support/scratch.ts";
import { startTyphon, Typhon, withDefaults } from "../support/typhon.ts";

async function serve(context: TestContext): Promise<[ChangingApp, Typhon]> {
  const app = new ChangingApp(context);
  app.answer("first");
  return [app, await startTyphon(context, app.args)];
}

async function asks(typhon: Typhon, expected: string): Promise<void> {
  await until(`it answers ${expected}`, async () => {
    const answer = await getOnce(typhon, "/");
    assert.equal(answer.status, 200);
    return answer.text === expected;
  });
}

describe("one server, from reload to reload", () => {
  let app: ChangingApp;
  let typhon: Typhon;
  const served = (from: number): number =>
    typhon.output.all.slice(from).split("new code serves").length - 1;

  before(async () => {
    app = new ChangingApp(FILE);
    app.answer("first");
    typhon = await startTyphon(FILE, app.args);
  });

  test("new code serves, and the log tells begin, end and time", async () => {
    const from = typhon.output.all.length;
    app.answer("second");
    typhon.signal("SIGHUP");
    await typhon.output.waitFor(
      /INFO {2}SIGHUP: loading.*reason=SIGHUP\n.*new code serves {2}ms=\d+\n/,
      from,
    );
    await asks(typhon, "second");
  });

  test("code that does not load: its traceback in the log, the old code goes on", async () => {
    app.answer("broken", "import a_module_that_nobody_has");
    typhon.signal("SIGHUP");
    await typhon.output.waitFor(/ERROR the new code does not load\n(?: {4}\|.*\n)+ {4}ms=\d+\n/);
    assert.match(typhon.output.all, /\| ModuleNotFoundError: .*a_module_that_nobody_has/);
    assert.equal((await getOnce(typhon, "/")).text, "second");
  });

  test("signals during a reload are one more reload", async () => {
    const from = typhon.output.all.length;
    const { loads } = app;
    app.answer("waiting", "wait_for('load')");
    typhon.signal("SIGHUP");
    await until("it is loading", () => app.waitsFor("load"));
    app.answer("third");
    for (let count = 0; count < 3; count += 1) {
      typhon.signal("SIGHUP");
      // The event loop that answers this also takes signals: each is taken before the next is sent.
      assert.equal((await getOnce(typhon, "/")).text, "second");
    }
    app.go("load");
    await asks(typhon, "third");
    await until("both are told", () => served(from) === 2);
    assert.equal(app.loads, loads + 2);
  });

  test("no request is lost while the code is loaded again and again", async (t) => {
    const from = typhon.output.all.length;
    const over = new AbortController();
    let answers = 0;
    const clients = [1, 2, 3, 4].map(async () => {
      while (!over.signal.aborted) {
        const client = await RawClient.connect(typhon);
        for (let count = 0; count < 50; count += 1) {
          assert.equal((await client.get("/")).status, 200);
          answers += 1;
        }
        client.destroy();
      }
    });
    for (let round = 1; round <= 10; round += 1) {
      app.answer(`round ${round}`);
      typhon.signal("SIGHUP");
      await until("it serves", () => served(from) === round);
    }
    over.abort();
    await Promise.all(clients);
    t.diagnostic(`${answers} answers`);
  });
});

test("a launcher that dies while it loads new code: the old code goes on, and the log says so", async (t) => {
  const [app, typhon] = await serve(t);
  app.answer("waiting", "wait_for('load')");
  typhon.signal("SIGHUP");
  await until("it is loading", () => app.waitsFor("load"));
  const launcher = typhon.processes().find(({ parent }) => parent === typhon.pid);
  assert(launcher !== undefined);
  process.kill(launcher.pid, "SIGKILL");
  const [, told] = await typhon.output.waitFor(/(new code serves|does not load)/);
  assert.equal(told, "does not load", typhon.output.all);
  assert.match(typhon.output.all, /does not load\n {4}\| the launcher ended\n/);
  assert.equal((await getOnce(typhon, "/")).text, "first");
  app.go("load");
});

test("does nothing during the start", async (t) => {
  const app = new ChangingApp(t);
  app.answer("first", "wait_for('load')");
  const log = join(makeScratch(t), "access.log");
  const typhon = new Typhon(withDefaults([...app.args, "--access-log", log]), {});
  t.after(() => typhon.kill());
  await until("it is loading", () => app.waitsFor("load"));
  rmSync(log);
  typhon.signal("SIGHUP");
  // Signals are taken in order: when this one has been taken, so has the other.
  typhon.signal("SIGUSR1");
  await until("the access log is opened anew", () => existsSync(log));
  app.go("load");
  await typhon.waitForStart();
  await asks(typhon, "first");
  assert.equal(app.loads, 1);
  assert.doesNotMatch(typhon.output.all, /SIGHUP/);
  await typhon.stop();
});

test("does nothing during the stop", async (t) => {
  const [app, typhon] = await serve(t);
  const held = await RawClient.connect(typhon);
  held.write("GET /hold HTTP/1.1\r\nHost: a\r\n\r\n");
  await until("it runs", () => app.waitsFor("hold"));
  typhon.signal("SIGTERM");
  await typhon.output.waitFor(/SIGTERM/);
  typhon.signal("SIGHUP");
  app.go("hold");
  assert.equal((await held.readResponse()).text, "first");
  held.destroy();
  const exit = await within(PATIENCE_MS, typhon.exited, "the server ends");
  assert.deepEqual(exit, { code: 0, signal: null });
  assert.equal(app.loads, 1);
  assert.doesNotMatch(typhon.output.all, /SIGHUP/);
});

for (const signal of ["SIGTERM", "SIGINT"] as const) {
  test(`${signal} during a reload ends the server as usual`, async (t) => {
    const [app, typhon] = await serve(t);
    app.answer("second", "wait_for('load')");
    typhon.signal("SIGHUP");
    await until("it is loading", () => app.waitsFor("load"));
    await typhon.stop(signal);
    assert.doesNotMatch(typhon.output.all, /new code/);
  });
}

/** Runs its arguments in a terminal of their own, tells what they write, and closes it at the end of its input. */
const TERMINAL = `
import os, pty, select, sys
pid, terminal = pty.fork()
if pid == 0:
    os.execv(sys.argv[1], sys.argv[1:])
while True:
    ready, _, _ = select.select([0, terminal], [], [])
    if 0 in ready:
        break
    os.write(1, os.read(terminal, 65536))
os.close(terminal)
print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), flush=True)
`;

test("a terminal that is closed ends the server that was started in it", async (t) => {
  const app = new ChangingApp(t);
  app.answer("first");
  const mark = join(makeScratch(t), "mark");
  const words = [COMMAND, ...withDefaults(app.args)];
  const terminal = spawn(requirePython(), ["-c", TERMINAL, ...words], {
    env: { PATH: process.env["PATH"], HOME: process.env["HOME"], [MARK_VARIABLE]: mark },
    stdio: ["pipe", "pipe", "inherit"],
  });
  t.after(() => {
    for (const { pid } of findStarted(mark, null)) process.kill(pid, "SIGKILL");
  });
  const output = new Output();
  output.collect(terminal.stdout, "stdout");
  await output.waitFor(/http:\/\/[\w.:]+/);
  const server = findStarted(mark, null).find(({ pid }) => readCommand(pid).startsWith("typhon "));
  assert(server !== undefined);
  // While the terminal is open, SIGHUP asks for a reload.
  process.kill(server.pid, "SIGHUP");
  await output.waitFor(/new code serves/);
  terminal.stdin.end();
  await output.waitFor(/^0$/m);
  await until("nothing is left", () => findStarted(mark, null).length === 0);
});
