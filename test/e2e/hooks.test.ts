// Functions that an application wants called when a worker starts, stops or has ended; its logging; and an access log
// of the operator's own format.

import assert from "node:assert/strict";
import { mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test, type TestContext } from "node:test";

import { until, within } from "../support/deadline.ts";
import { getOnce } from "../support/raw-client.ts";
import { makeScratch } from "../support/scratch.ts";
import { runTyphon, startTyphon, withDefaults, type Typhon } from "../support/typhon.ts";

/** Counts its workers as prometheus_client's documentation says. */
const METERED = `
from prometheus_client import CollectorRegistry, Gauge, generate_latest, multiprocess
from typhon_server import hooks

WORKERS = Gauge("workers_alive", "Workers that run.", multiprocess_mode="livesum")
hooks.worker_start(lambda: WORKERS.set(1))
hooks.worker_exit(multiprocess.mark_process_dead)

def app(environ, start_response):
    registry = CollectorRegistry()
    multiprocess.MultiProcessCollector(registry)
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [generate_latest(registry)]
`;

function writeApp(context: TestContext, source: string): string {
  const folder = makeScratch(context);
  writeFileSync(join(folder, "site_here.py"), source);
  return folder;
}

function byNumber(a: number, b: number): number {
  return a - b;
}

/** The processes of which live gauges are left. */
function metered(folder: string): number[] {
  return readdirSync(folder)
    .flatMap((name) => /^gauge_live.*_(\d+)\.db$/.exec(name)?.[1] ?? [])
    .map(Number)
    .toSorted(byNumber);
}

function killLauncher(typhon: Typhon): void {
  const launcher = typhon.processes().find(({ parent }) => parent === typhon.pid);
  assert(launcher !== undefined);
  process.kill(launcher.pid, "SIGKILL");
}

test("prometheus_client counts the workers that are alive, however the others have ended", async (t) => {
  const appDir = writeApp(t, METERED);
  const metrics = join(appDir, "metrics");
  mkdirSync(metrics);
  const args = ["site_here:app", "--app-dir", appDir, "--workers", "2"];
  const typhon = await startTyphon(t, [...args, "--env", `PROMETHEUS_MULTIPROC_DIR=${metrics}`]);
  const pids = (): number[] =>
    typhon
      .workers()
      .map(({ pid }) => pid)
      .toSorted(byNumber);
  /** Two workers without `gone`, and nobody else has live gauges. */
  const isCounted = async (gone: number): Promise<boolean> => {
    const [counted, alive] = [metered(metrics), pids()];
    return (
      alive.length === 2 &&
      !alive.includes(gone) &&
      counted.join() === alive.join() &&
      /^workers_alive 2\.0$/m.test((await getOnce(typhon, "/")).text)
    );
  };
  await until("both workers are counted", () => isCounted(0));

  for (const [what, end] of [
    ["a SIGKILL", (pid: number): unknown => process.kill(pid, "SIGKILL")],
    ["a reload", (): void => typhon.signal("SIGHUP")],
    ["the launcher's end", (): void => killLauncher(typhon)],
  ] as const) {
    const [pid = 0] = pids();
    end(pid);
    await until(`the workers are counted after ${what}`, () => isCounted(pid));
  }
  // The workers have no launcher when they end.
  killLauncher(typhon);
  await typhon.stop();
  assert.deepEqual(metered(metrics), [], typhon.output.all);
});

test("what a function prints and how it fails is in the log, and a stop waits for it", async (t) => {
  const appDir = writeApp(
    t,
    `
import time
from typhon_server import hooks

@hooks.worker_stop
def closing():
    print("closing here", flush=True)

@hooks.worker_exit
def first(pid):
    print("first heard of", pid)

@hooks.worker_exit
def second(pid):
    time.sleep(0.3)
    raise ValueError("second fails")

def app(environ, start_response): ...
`,
  );
  const typhon = await startTyphon(t, ["site_here:app", "--app-dir", appDir, "--workers", "1"]);
  const [{ pid } = { pid: 0 }] = typhon.workers();
  await typhon.stop();
  assert.match(typhon.output.stdout, /^closing here$/m);
  assert.match(
    typhon.output.stderr,
    new RegExp(
      String.raw`ERROR site_here:first, site_here:second for worker 1 \(process ${pid}\) failed:\n` +
        String.raw`    \| first heard of ${pid}\n    \| Traceback [\s\S]*\| ValueError: second fails\n`,
    ),
  );
});

test("a worker_start that fails ends the start with its traceback", async (t) => {
  const appDir = writeApp(
    t,
    `
from typhon_server import hooks

@hooks.worker_start
def connect():
    raise OSError("no database")

def app(environ, start_response): ...
`,
  );
  const { code, stderr } = await runTyphon(withDefaults(["site_here:app", "--app-dir", appDir]));
  assert.equal(code, 3, stderr);
  assert.match(stderr, /worker_start site_here:connect failed\n[\s\S]*OSError: no database/);
});

const LOGGING = `
import logging
logging.getLogger("shop").warning("imported")

def app(environ, start_response):
    start_response("200 OK", [("X-Kind", "a kind"), ("Content-Type", "text/plain")])
    return [b"hello"]
`;

function logConfig(format: string): string {
  return JSON.stringify({
    version: 1,
    formatters: { f: { format } },
    handlers: { h: { class: "logging.StreamHandler", formatter: "f" } },
    root: { handlers: ["h"] },
  });
}

test("--log-config sets up logging before the import, and anew at a reload", async (t) => {
  const appDir = writeApp(t, LOGGING);
  const file = join(appDir, "logging.json");
  const args = ["site_here:app", "--app-dir", appDir, "--workers", "1", "--log-config", file];
  writeFileSync(file, "{");
  const failed = await runTyphon(withDefaults(args));
  assert.equal(failed.code, 3, failed.stderr);
  assert(failed.stderr.includes(`--log-config ${file}: Expecting property name`), failed.stderr);

  writeFileSync(file, logConfig("one %(message)s"));
  const typhon = await startTyphon(t, args);
  assert.match(typhon.output.stderr, /^one imported$/m);
  writeFileSync(file, logConfig("two %(message)s"));
  typhon.signal("SIGHUP");
  await typhon.output.waitFor(/^two imported$/m);
  writeFileSync(file, "{");
  typhon.signal("SIGHUP");
  await typhon.output.waitFor(/--log-config .*logging\.json: Expecting property name/);
  assert.equal((await getOnce(typhon, "/")).text, "hello");
});

test("--access-log-format writes gunicorn's atoms, also for what was refused", async (t) => {
  const appDir = writeApp(t, LOGGING);
  const format = '%(h)s "%(r)s" %(s)s %(B)s %({x-kind}o)s "%({x-a}i)s" %(worker)s';
  const typhon = await startTyphon(t, [
    "site_here:app",
    `--app-dir=${appDir}`,
    "--workers=1",
    "--access-log=-",
    `--access-log-format=${format}`,
  ]);
  await fetch(`${typhon.url}/a?b=c`, { headers: { "X-A": 'b" 200' } });
  await getOnce(typhon, "/b");
  await typhon.output.waitFor(
    /^127\.0\.0\.1 "GET \/a\?b=c HTTP\/1\.1" 200 5 a\\x20kind "b\\x22 200" 1$/m,
  );
  await typhon.output.waitFor(/^127\.0\.0\.1 "GET \/b HTTP\/1\.1" 200 5 a\\x20kind "-" 1$/m);
  const { code, stderr } = await within(
    60_000,
    runTyphon(withDefaults(["site_here:app", "--access-log-format", "%(nothing)s"])),
    "a mistake is found",
  );
  assert.equal(code, 2);
  assert.match(stderr, /--access-log-format '%\(nothing\)s' has an unknown atom %\(nothing\)s/);
});
