// What an operator reads about workers, with one application and with several.

import assert from "node:assert/strict";
import { describe, it } from "node:test";

import { Log } from "../../src/observe/log.ts";
import { PoolLog } from "../../src/pool-log.ts";
import type { WorkerExit } from "../../src/workers/worker-exits.ts";
import { Worker } from "../../src/workers/worker.ts";
import { scratchSink } from "../observe/scratch-log.ts";
import { FakeProcess } from "../support/fake-workers.ts";
import { RecordedRequest } from "../support/jobs.ts";

const SHOP = {
  app: "shop:app",
  appDir: "/srv/shop",
  python: "/usr/bin/python3",
  preload: false,
  startTimeoutMs: 120_000,
};

/** Worker 1, process 1001. */
function makeWorker(): Worker {
  const worker = new Worker({ number: 1, generation: 1, startedAt: 0, maxRequests: Infinity });
  worker.process = new FakeProcess(1001);
  return worker;
}

function exitOf(worker: Worker, change: Partial<WorkerExit> = {}): WorkerExit {
  const end = { worker: worker.number, code: null, signal: 9, peakRss: 4096 };
  return { worker, end, lost: [], retried: [], wasAsked: false, ...change };
}

async function linesOf(
  write: (log: PoolLog) => void,
  application = "",
  format: "text" | "json" = "text",
): Promise<string[]> {
  const { sink, read } = scratchSink();
  write(new PoolLog(new Log(sink, { level: "debug", format }).of(application), () => null, SHOP));
  // Without the date.
  return (await read())
    .trimEnd()
    .split("\n")
    .map((line) => line.replace(/^\S+ \S+ (?=[DIWE])/, ""));
}

const place = { app: "shop:app", appDir: "/srv", cwd: "/srv", moved: {} };

/** One of each event. */
function writeAll(log: PoolLog): void {
  const worker = makeWorker();
  worker.leaving = "it has run 5 requests";
  log.onWorkerReady(worker);
  log.onRecycle(worker);
  log.onMessage(worker, 2, "slow");
  log.onOutput(worker, "stderr", Buffer.from("oh\n"));
  const overdue = { job: new RecordedRequest().job, worker: 1, ageMs: 2040 };
  log.onOverdue({ ...overdue, isAbandoned: false }, "", () => undefined);
  log.onOverdue({ ...overdue, isAbandoned: true }, "", () => undefined);
  log.onWorkerEnd(
    exitOf(worker, { lost: [new RecordedRequest().job], retried: [new RecordedRequest().job] }),
    400,
  );
  log.onTemplateEnd({ pid: 1000, code: null, signal: 9 });
  const hook = { functions: ["shop:gone"], worker: 1, pid: 1001, place };
  log.onHook(hook, "done", "");
  log.onHook(hook, "done", "bye\n");
  log.onHook(hook, "failed", "Traceback\nValueError: no\n");
  log.onHook(hook, "late", "");
  log.onHook(
    { ...hook, functions: ["on_exit"], worker: 0, pid: 0 },
    "lost",
    "the application stops",
  );
  log.onLauncherEnd("killed");
  log.onLauncherLine("oh");
}

describe("PoolLog", () => {
  it("names the worker alone where there is one application", async () => {
    const lines = await linesOf(writeAll);
    assert.deepEqual(lines.slice(0, 4), [
      "DEBUG worker 1 is ready  worker=1 pid=1001",
      "INFO  worker 1 is replaced: it has run 5 requests  worker=1 pid=1001",
      "WARN  worker 1: slow  worker=1",
      "INFO  [worker 1 stderr] oh",
    ]);
    assert.match(lines[4] ?? "", /^ERROR a request ran 2\.0 s without a response; .* of worker 1:/);
    assert(
      lines.some((line) => line.startsWith("ERROR a request went on for 2.0 s after its client")),
    );
    const fields = "hooks=shop:gone worker=1 pid=1001";
    const text = lines.join("\n");
    for (const line of [
      `DEBUG shop:gone for worker 1 (process 1001)  ${fields}`,
      `INFO  shop:gone for worker 1 (process 1001): bye  ${fields}`,
      `ERROR shop:gone for worker 1 (process 1001) failed:\n    | Traceback\n    | ValueError: no\n    ${fields}`,
      `ERROR shop:gone for worker 1 (process 1001) was killed, because it ran for 10 s  ${fields}`,
      "WARN  on_exit was not called to its end: the application stops  hooks=on_exit worker=0 pid=0",
    ])
      assert(text.includes(line), `${line}\n\n${text}`);
    assert(lines.includes("ERROR the launcher ended and is replaced: killed"));
    assert(lines.every((line) => !line.includes("application=")));
  });

  it("names the application in each line, where there are several", async () => {
    const text = (await linesOf(writeAll, "shop")).join("\n");
    for (const line of [
      "worker 1 of shop is ready  application=shop worker=1 pid=1001",
      "worker 1 of shop is replaced: it has run 5 requests  application=shop",
      "worker 1 of shop: slow  application=shop",
      "[worker 1 of shop stderr] oh",
      "the threads of worker 1 of shop:",
      "worker 1 of shop ended by signal 9 (SIGKILL)",
      "worker 1 of shop ended while it ran this request; another worker runs it once more  application=shop",
      "the template of shop ended by signal 9 (SIGKILL)",
      "the launcher of shop ended and is replaced: killed  application=shop",
    ])
      assert(text.includes(line), `${line}\nis not in\n${text}`);
  });

  it("names the application in each event, where there are several", async () => {
    for (const line of await linesOf(writeAll, "shop", "json")) {
      const record: unknown = JSON.parse(line);
      assert(typeof record === "object" && record !== null && "application" in record, line);
      assert.equal(record.application, "shop");
    }
  });

  it("says that the application loads, and in how many workers", async () => {
    assert.deepEqual(
      await linesOf((log) => {
        log.onLoading(1, 1);
        log.onLoading(4, 4);
        log.onLoading(1, 4);
      }),
      [
        "INFO  shop:app is loading in 1 worker  workers=1",
        "INFO  shop:app is loading in 4 workers  workers=4",
        "INFO  shop:app is loading in 1 worker; up to 3 more follow it  workers=4",
      ],
    );
    const { sink, read } = scratchSink();
    const log = new Log(sink, { level: "debug", format: "text" });
    new PoolLog(log, () => null, { ...SHOP, preload: true }).onLoading(1, 4);
    assert.match(await read(), /is loading in a template, from which 4 workers will be forked/);
  });

  it("says what a load that lasts is doing", async () => {
    const worker = makeWorker();
    const stack = `Current thread 0x1 (most recent call first):\n  File "/srv/shop/models.py", line 3 in <module>`;
    const [none = "", at = "", nowhere = ""] = await linesOf((log) => {
      log.onStillLoading(2040, null, "");
      log.onStillLoading(5040, worker, stack);
      log.onStillLoading(10_000, worker, "");
    });
    assert.equal(
      none,
      "INFO  shop:app is not loading after 2 s: /usr/bin/python3 has not started a worker (the limit is 120 s: --start-timeout)",
    );
    assert.match(
      at,
      /^INFO {2}shop:app is still loading after 5 s: import of models, at models\.py:3 \(process 1001, [\d.]+ s on a CPU; the limit is 120 s: --start-timeout\) {2}worker=1 pid=1001 cpuMs=\d+ place="import of models, at models\.py:3"$/,
    );
    assert.match(nowhere, /still loading after 10 s: its stack cannot be read \(process 1001/);
  });

  it("says how a worker ended, what it wrote last, and when the next one starts", async () => {
    const worker = makeWorker();
    for (const lines of ["one\n", "two\n"]) worker.keepErrors(Buffer.from(lines));
    const [line = ""] = await linesOf((log) => log.onWorkerEnd(exitOf(worker), 400));
    assert.match(
      line,
      /^ERROR worker 1 ended by signal 9 \(SIGKILL\): killed by hand, or by the kernel because memory ran out; workers end soon after their start, so the next one starts in 0\.4 s {2}worker=1 pid=1001 signal=9 lost=0 retried=0 peakRssBytes=4096 lastWords=.*one.*two/,
    );
  });

  it("gives the application's output on unchanged, where the log does not take it", async () => {
    const { sink, read } = scratchSink();
    const given: string[] = [];
    const log = new PoolLog(
      new Log(sink, { level: "debug", format: "text" }),
      () => null,
      SHOP,
      (stream, lines) => given.push(`${stream} ${lines.toString()}`) > 0,
    );
    log.onOutput(makeWorker(), "stdout", Buffer.from("a\n\u001b[1mb\n"));
    assert.deepEqual(given, ["stdout a\n\u001b[1mb\n"]);
    assert.equal(await read(), "");
  });

  it("tells how long an event loop has been blocked, and names requests as clients know them", async () => {
    const worker = makeWorker();
    worker.loop.blockedMs = 30_012;
    const [line = "", stacks] = await linesOf((log) =>
      log.onLoopBlocked(worker, 'Thread "MainThread", request 7', () => undefined),
    );
    assert.equal(
      line,
      "ERROR the event loop of worker 1 has not come back for 30.0 s (--loop-timeout):",
    );
    assert.match(stacks ?? "", /request 7$/);
  });

  it("tells the end of a worker that was asked to stop in the debug log only", async () => {
    const end = { worker: 1, code: 0, signal: null, peakRss: 0 };
    const [line = ""] = await linesOf((log) =>
      log.onWorkerEnd(exitOf(makeWorker(), { end, wasAsked: true }), 0),
    );
    assert.match(line, /^DEBUG worker 1 ended with exit code 0 {2}worker=1/);
    assert(!line.includes("lastWords"));
  });

  it("says why an application did not load, in place of how its worker ended", async () => {
    const worker = makeWorker();
    worker.failure = { kind: "import", text: "no module named shop" };
    const lines = await linesOf((log) => log.onWorkerEnd(exitOf(worker), 0));
    assert.deepEqual(lines, ["ERROR no module named shop  kind=import worker=1"]);
  });

  it("says that an application needs a single process, at the start only where it has several", async () => {
    const worker = makeWorker();
    worker.single = "gradio: its queue is in memory";
    const reloaded = new Worker({ number: 2, generation: 2, startedAt: 0, maxRequests: Infinity });
    reloaded.single = worker.single;
    const fields = (number: number, workers: number): string =>
      `worker=${number} workers=${workers} reason="${worker.single}"`;
    const lines = await linesOf((log) => {
      log.onSingle(worker, 1);
      log.onSingle(worker, 2);
      log.onSingle(reloaded, 1);
    });
    assert.deepEqual(lines, [
      `WARN  ${worker.single}; 2 workers serve it, and a client may reach another one each time (--workers 1)  ${fields(1, 2)}`,
      `INFO  one worker serves: ${worker.single}  ${fields(2, 1)}`,
    ]);
  });

  it("does not know how an orphan ended", async () => {
    const end = { worker: 1, code: null, signal: null, peakRss: 0 };
    const [line = ""] = await linesOf((log) => log.onWorkerEnd(exitOf(makeWorker(), { end }), 0));
    assert.match(line, /^ERROR worker 1 ended in an unknown way {2}/);
  });
});
