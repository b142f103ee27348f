// Launchers and templates (--preload) that do not answer, applications whose load makes it hard for a template to see
// the ends of its workers, and what a load leaves: workers are replaced, no request fails, and nothing is left.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";

import { until } from "../support/deadline.ts";
import { nameOf } from "../support/processes.ts";
import { getOnce } from "../support/raw-client.ts";
import { makeScratch, type Scope } from "../support/scratch.ts";
import { startTyphon, type Typhon } from "../support/typhon.ts";

/** Responds with the worker and its parent; "/stuck" never ends, and no exception ends it. */
const SHOP = `
import os, time
def app(environ, start_response):
    while environ["PATH_INFO"] == "/stuck":
        try:
            time.sleep(1)
        except BaseException:
            pass
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [f"{os.getpid()} {os.getppid()}".encode()]
`;

async function preload(t: Scope, more: string, ...args: readonly string[]): Promise<Typhon> {
  return await serve(t, more, "--preload", ...args);
}

async function serve(t: Scope, more: string, ...args: readonly string[]): Promise<Typhon> {
  const folder = makeScratch(t);
  writeFileSync(join(folder, "shop.py"), SHOP + more);
  const all = ["shop:app", "--app-dir", folder, "--workers", "2", ...args];
  return await startTyphon(t, all);
}

interface Answer {
  readonly pid: number;
  readonly parent: number;
}

async function ask(typhon: Typhon): Promise<Answer> {
  const { status, text } = await getOnce(typhon, "/");
  assert.equal(status, 200, text);
  const [pid, parent] = text.split(" ");
  return { pid: Number(pid), parent: Number(parent) };
}

/** Waits until two workers run whose processes are none of those that ran before. */
async function replaced(typhon: Typhon, gone: number): Promise<void> {
  await until("another worker", () => {
    const names = typhon.processes().map(({ pid }) => nameOf(pid));
    const workers = names.filter((name) => name.startsWith("typhon-w"));
    return workers.length === 2 && !typhon.processes().some(({ pid }) => pid === gone);
  });
}

function pidOf(typhon: Typhon, name: string): number {
  const found = typhon.processes().find(({ pid }) => nameOf(pid) === name);
  assert(found !== undefined, name);
  return found.pid;
}

test("a template that is stopped is replaced when a worker has to start", async (t) => {
  const typhon = await preload(t, "", "--start-timeout", "2");
  const { pid, parent } = await ask(typhon);
  process.kill(parent, "SIGSTOP");
  process.kill(pid, "SIGKILL");
  await ask(typhon);
  await typhon.output.waitFor(/the template ended by signal 9/);
  await replaced(typhon, pid);
});

test("a stuck worker of a template that is stopped is killed", async (t) => {
  const typhon = await preload(t, "", "--timeout", "1", "--threads", "1");
  const { parent } = await ask(typhon);
  process.kill(parent, "SIGSTOP");
  assert.equal((await getOnce(typhon, "/stuck")).status, 504);
  await typhon.output.waitFor(/the template ended by signal 9/);
  await until("a new template's worker answers", async () => (await ask(typhon)).parent !== parent);
});

for (const [what, code] of [
  [
    "blocks the signal of ended children",
    "signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGCHLD])",
  ],
  ["ignores the signal of ended children", "signal.signal(signal.SIGCHLD, signal.SIG_IGN)"],
  ["waits for all children in a thread", "threading.Thread(target=wait, daemon=True).start()"],
] as const)
  test(`workers are replaced where the application ${what}`, async (t) => {
    const wait =
      "\nimport signal, threading\ndef wait():\n    while True:\n        try:\n            os.wait()\n" +
      "        except ChildProcessError:\n            time.sleep(0.001)\n";
    const typhon = await preload(t, `${wait}${code}\n`);
    for (let count = 0; count < 3; count += 1) {
      const { pid } = await ask(typhon);
      process.kill(pid, "SIGKILL");
      await replaced(typhon, pid);
    }
    await ask(typhon);
  });

test("a template that is stopped does not hold up a stop", async (t) => {
  const typhon = await preload(t, "", "--graceful-timeout", "600");
  process.kill((await ask(typhon)).parent, "SIGSTOP");
  await typhon.stop();
});

for (const more of [[], ["--preload"]])
  describe(`a launcher that is stopped ${more.join()}`, () => {
    test("is replaced when a worker has to be", async (t) => {
      const typhon = await serve(t, "", ...more);
      const launcher = pidOf(typhon, "typhon-launcher");
      const { pid } = await ask(typhon);
      process.kill(launcher, "SIGSTOP");
      process.kill(pid, "SIGKILL");
      await typhon.output.waitFor(/the launcher ended and is replaced: it did not answer/);
      await replaced(typhon, pid);
      await ask(typhon);
    });

    test("does not hold up a stop", async (t) => {
      const typhon = await serve(t, "", "--graceful-timeout", "600", ...more);
      process.kill(pidOf(typhon, "typhon-launcher"), "SIGSTOP");
      await typhon.stop();
    });
  });

test("what a load has started by multiprocessing ends with its template, at a reload and at the stop", async (t) => {
  const started =
    "\nimport atexit, multiprocessing\nmanager = multiprocessing.Manager()\n" +
    "atexit.register(lambda: print('left', os.getpid()))\n";
  const typhon = await preload(t, started);
  const { parent } = await ask(typhon);
  const managers = (): number =>
    typhon.processes().filter(({ pid }) => nameOf(pid) === "typhon-template").length / 2;
  assert.equal(managers(), 1);
  typhon.signal("SIGHUP");
  await typhon.output.waitFor(/new code serves/);
  await typhon.output.waitFor(new RegExp(`left ${parent}\\n`));
  await until("one manager is left", () => managers() === 1);
  await typhon.stop();
  assert.doesNotMatch(typhon.output.all, /Traceback|ERROR/);
});

test("exit functions of a template that hang do not hold up a stop", async (t) => {
  const hang =
    "\nimport atexit\nloader = os.getpid()\n" +
    "atexit.register(lambda: time.sleep(600) if os.getpid() == loader else None)\n";
  const typhon = await preload(t, hang);
  await ask(typhon);
  await typhon.stop();
});

test("a launcher without a free descriptor loses hooks, and no worker", async (t) => {
  const hook =
    "from typhon_server import hooks\n@hooks.worker_exit\ndef gone(pid):\n    print('gone', pid)\n";
  const typhon = await preload(t, hook);
  const launcher = pidOf(typhon, "typhon-launcher");
  const limit = (files: number): void =>
    void execFileSync("prlimit", ["--pid", String(launcher), `--nofile=${files}:`]);
  const highest = Math.max(...readdirSync(`/proc/${launcher}/fd`).map(Number));
  // The hook's pipe, the hook's process and the next template each lack one.
  for (let free = 0; free < 8; free += 1) {
    limit(highest + 1 + free);
    const { pid } = await ask(typhon);
    const from = typhon.output.all.length;
    process.kill(pid, "SIGKILL");
    await typhon.output.waitFor(/worker_exit .* failed|gone \d+/, from);
    limit(1024);
    await replaced(typhon, pid);
  }
  assert.equal(pidOf(typhon, "typhon-launcher"), launcher, typhon.output.all);
  await ask(typhon);
});
