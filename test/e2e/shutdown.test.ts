// The end of a server: running requests are finished, idle connections are closed, no process is left, exit
// code 0.

import assert from "node:assert/strict";
import { existsSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test, type TestContext } from "node:test";

import { until, within } from "../support/deadline.ts";
import { Gate } from "../support/gate.ts";
import { getOnce, RawClient } from "../support/raw-client.ts";
import { APPS, makeScratch } from "../support/scratch.ts";
import { startTyphon, Typhon, withDefaults } from "../support/typhon.ts";

/** Its temporary files are in a folder of the test. */
function startGate(context: TestContext, ...args: string[]): Promise<Gate> {
  return Gate.start(context, args, { TMPDIR: makeScratch(context) });
}

async function refusesConnections(typhon: Typhon): Promise<void> {
  for (;;) {
    try {
      (await RawClient.connect(typhon)).destroy();
    } catch {
      // The connection was refused.
      return;
    }
  }
}

/** False: there is no launcher at this moment. */
function killLauncher(typhon: Typhon): boolean {
  const launcher = typhon.processes().find(({ parent }) => parent === typhon.pid);
  if (launcher !== undefined) process.kill(launcher.pid, "SIGKILL");
  return launcher !== undefined;
}

for (const signal of ["SIGTERM", "SIGINT"] as const) {
  test(`${signal} finishes what runs, takes nothing new, and exits 0`, async (t) => {
    const gate = await startGate(t, "--workers", "2", "--threads", "1");
    const { typhon } = gate;
    const idle = await RawClient.connect(typhon);
    await idle.get("/quick");
    const running = await gate.hold("last");
    typhon.signal(signal);
    // An idle connection is closed at once.
    assert.equal((await idle.readToEnd()).length, 0);
    idle.destroy();
    await within(20_000, refusesConnections(typhon), "nobody listens any more");
    assert(!typhon.hasExited, "it ended while a request was running");
    gate.release("last");
    const answer = await running.client.readResponse();
    assert.match(answer.text, /^held last/);
    assert.deepEqual(answer.fields.get("connection"), ["close"]);
    running.client.destroy();
    const exit = await within(20_000, typhon.exited, "the server ends");
    assert.deepEqual(exit, { code: 0, signal: null });
    await typhon.leavesNothing();
  });
}

test("Ctrl-C, which reaches the whole group, still finishes what runs", async (t) => {
  const gate = await startGate(t, "--workers", "2", "--threads", "1");
  const { typhon } = gate;
  const running = await gate.hold("last");
  process.kill(-typhon.pid, "SIGINT");
  await typhon.output.waitFor(/stopping|SIGINT/i);
  gate.release("last");
  assert.match((await running.client.readResponse()).text, /^held last/);
  running.client.destroy();
  const exit = await within(20_000, typhon.exited, "the server ends");
  assert.deepEqual(exit, { code: 0, signal: null });
});

test("what runs longer than --graceful-timeout is cut, and the server ends", async (t) => {
  const gate = await startGate(t, "--workers", "1", "--graceful-timeout", "0.5");
  const { typhon } = gate;
  const { client: running } = await gate.hold("forever");
  typhon.signal("SIGTERM");
  await within(20_000, typhon.exited, "the server ends");
  await typhon.leavesNothing();
  const rest = (await running.readUntilCut()).toString();
  assert.doesNotMatch(rest, /^HTTP\/1\.1 200/);
  running.destroy();
});

test("a thread that does not end is named, and exit functions run all the same", async (t) => {
  const folder = makeScratch(t);
  const note = join(folder, "exit-function");
  writeFileSync(
    join(folder, "threaded.py"),
    [
      "import atexit, pathlib, threading",
      "from raw import app",
      `atexit.register(pathlib.Path(${JSON.stringify(note)}).touch)`,
      'threading.Thread(target=threading.Event().wait, name="consumer").start()',
    ].join("\n"),
  );
  const typhon = await startTyphon(
    t,
    ["threaded:app", "--app-dir", folder, "--workers", "1", "--graceful-timeout", "3"],
    { env: { PYTHONPATH: APPS } },
  );
  typhon.signal("SIGTERM");
  await typhon.output.waitFor(/worker 1: still waits for the thread "consumer"/);
  await typhon.output.waitFor(/ends without waiting for the thread "consumer"/);
  assert.deepEqual(await within(20_000, typhon.exited, "the server ends"), {
    code: 0,
    signal: null,
  });
  assert(existsSync(note), "the exit function has not run");
  assert.doesNotMatch(typhon.output.all, /SIGKILL/);
});

test("a second signal ends it at once", async (t) => {
  const gate = await startGate(t, "--workers", "1");
  const { typhon } = gate;
  const { client: running } = await gate.hold("forever");
  typhon.signal("SIGTERM");
  await typhon.output.waitFor(/stopping|SIGTERM/i);
  typhon.signal("SIGTERM");
  await within(10_000, typhon.exited, "the server ends");
  await typhon.leavesNothing();
  running.destroy();
});

// The front alone sees the end of such workers, and nothing else keeps its event loop running then.
test("workers whose launchers died again and again are ended, and the exit code is 0", async (t) => {
  const gate = await startGate(t, "--workers", "1");
  const { typhon } = gate;
  for (let deaths = 0; deaths < 4; deaths += 1) {
    const before = typhon.output.all.length;
    await until("a launcher runs", () => killLauncher(typhon));
    await typhon.output.waitFor(/the launcher ended/, before);
  }
  await typhon.stop();
});

test("a launcher that does not react is killed, and keeps nothing running", async (t) => {
  const { typhon } = await startGate(t, "--workers", "1", "--graceful-timeout", "0.5");
  const launcher = typhon.processes().find(({ parent }) => parent === typhon.pid);
  assert(launcher !== undefined);
  process.kill(launcher.pid, "SIGSTOP");
  typhon.signal("SIGTERM");
  const exit = await within(20_000, typhon.exited, "the server ends");
  assert.deepEqual(exit, { code: 0, signal: null }, typhon.output.all);
  await typhon.leavesNothing();
});

test("leaves no file behind", async (t) => {
  const temp = makeScratch(t);
  const typhon = await startTyphon(t, ["raw:app", "--workers", "2"], { env: { TMPDIR: temp } });
  await getOnce(typhon, "/fields");
  await typhon.stop();
  assert.deepEqual(readdirSync(temp), []);
});

test("a stop during the start leaves nothing", async (t) => {
  const folder = makeScratch(t);
  writeFileSync(
    join(folder, "slow.py"),
    `import time\nopen(${JSON.stringify(join(folder, "importing"))}, "w").close()\ntime.sleep(60)\n`,
  );

  const typhon = new Typhon(withDefaults(["slow:app", "--app-dir", folder]), {});
  t.after(() => typhon.kill());
  await until("the application is being imported", () => existsSync(join(folder, "importing")));
  typhon.signal("SIGTERM");
  await within(20_000, typhon.exited, "the server ends");
  await typhon.leavesNothing();
});
