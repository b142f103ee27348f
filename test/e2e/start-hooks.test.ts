// Code that runs in the interpreter before the server's own: what ddtrace-run, newrelic-admin and
// opentelemetry-instrument install by PYTHONPATH. Its descriptors and threads stay as they were.

import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";

import { PATIENCE_MS, until, within } from "../support/deadline.ts";
import { getOnce } from "../support/raw-client.ts";
import { APPS, makeScratch } from "../support/scratch.ts";
import { runTyphon, startTyphon, withDefaults } from "../support/typhon.ts";

const HOOKS = join(APPS, "start_hooks");

test("descriptors and threads of a start-up hook live on in launcher and workers", async (t) => {
  const log = join(makeScratch(t), "hook.log");
  const read = (): string => readFileSync(log, "utf8");
  const typhon = await startTyphon(t, ["raw:app", "--workers", "2"], {
    env: { PYTHONPATH: HOOKS, HOOK_LOG: log },
  });
  const allBeat = async (): Promise<void> => {
    await until("the hook's thread runs in every process", () =>
      typhon
        .processes()
        .filter(({ pid }) => pid !== typhon.pid)
        .every(({ pid }) => read().includes(`beat ${pid}\n`)),
    );
  };
  await allBeat();
  assert.equal((await getOnce(typhon, "/fields")).status, 299);
  typhon.signal("SIGHUP");
  await typhon.output.waitFor(/new code serves/);
  const [worker] = typhon.workers();
  assert(worker !== undefined);
  process.kill(worker.pid, "SIGKILL");
  await until("another worker", () => {
    const pids = typhon.workers().map(({ pid }) => pid);
    return pids.length === 2 && !pids.includes(worker.pid);
  });
  await allBeat();
  const findLauncher = (): number =>
    typhon.processes().find(({ parent }) => parent === typhon.pid)?.pid ?? 0;
  const launcher = findLauncher();
  process.kill(launcher, "SIGKILL");
  await until(
    "another launcher with its workers",
    () => ![0, launcher].includes(findLauncher()) && typhon.workers().length === 2,
  );
  await allBeat();
  assert.equal((await getOnce(typhon, "/fields")).status, 299);
  await typhon.stop();
  assert.doesNotMatch(read(), /fault/);
  assert.doesNotMatch(typhon.output.all, /Exception|Traceback/);
});

/** Ends the launcher, and no worker, when the application is being imported. */
const ENDS_LAUNCHER = `
import os, threading, time
launcher = os.getpid()
def end():
    while not os.path.exists(os.environ["IMPORTING"]):
        time.sleep(0.01)
    os._exit(1)
threading.Thread(target=end, daemon=True).start()
`;
const SLOW = 'import os, time\nopen(os.environ["IMPORTING"], "w").close()\ntime.sleep(60)\n';

// The launcher's end during the load is a line of the log as well.
for (const [what, code, line, lines] of [
  ["ends the interpreter", "import os; os._exit(0)", /: it ended without a word/, 1],
  ["closes descriptors", "import os; os.closerange(3, 64)", /hook .* has closed descriptor 3/, 1],
  ["writes into control", "import os; os.write(3, b'hi\\n')", /control carried no message: hi/, 1],
  ["ends the launcher while a worker loads", ENDS_LAUNCHER, /: it ended without a word/, 2],
] as const)
  test(`a start-up hook that ${what} ends the start in one line`, async (t) => {
    const folder = makeScratch(t);
    writeFileSync(join(folder, "sitecustomize.py"), code);
    writeFileSync(join(folder, "slow.py"), SLOW);
    const run = await runTyphon(withDefaults(["slow:app", "--app-dir", folder]), {
      env: { PYTHONPATH: folder, IMPORTING: join(folder, "importing") },
    });
    assert.match(run.stderr, line);
    assert.equal(run.stderr.trim().split("\n").length, lines, run.stderr);
    assert.equal(run.code, 2);
  });

/** Starts a process that keeps the launcher's output, as profilers and agents do, and tells its id. */
const LEAVES_PROCESS = `
import os, subprocess
child = subprocess.Popen(["sleep", "600"], start_new_session=True)
with open(os.environ["LEFT"], "a") as left:
    left.write("%d\\n" % child.pid)
`;

test("a process that a start-up hook leaves with the launcher's output delays no stop", async (t) => {
  const folder = makeScratch(t);
  const left = join(folder, "left");
  writeFileSync(join(folder, "sitecustomize.py"), LEAVES_PROCESS);
  const typhon = await startTyphon(t, ["raw:app"], { env: { PYTHONPATH: folder, LEFT: left } });
  assert.equal((await getOnce(typhon, "/fields")).status, 299);
  typhon.signal("SIGTERM");
  try {
    const exit = await within(PATIENCE_MS, typhon.exited, "the end of the server");
    assert.deepEqual(exit, { code: 0, signal: null }, typhon.output.all);
  } finally {
    for (const pid of readFileSync(left, "utf8").trim().split("\n")) killIfRunning(Number(pid));
  }
});

/** The launcher, which is a subreaper, may have killed the process. */
function killIfRunning(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // It has ended.
  }
}
