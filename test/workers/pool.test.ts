// The pool with a launcher and workers that the test plays: frames, ends and deaths are said by the test, the
// pipe is real, and time is the clock plus what the test adds.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import {
  closeSync,
  constants,
  mkdirSync,
  openSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { describe, it, type TestContext } from "node:test";

import { monotonicMs } from "../../src/workers/clock.ts";
import { FrameFault, FrameType } from "../../src/workers/frame.ts";
import type { LostReason } from "../../src/workers/job.ts";
import type { Place } from "../../src/workers/place.ts";
import { Pool, StartFailure, type PoolListener, type PoolOptions } from "../../src/workers/pool.ts";
import { RunDirectory, SharedFiles } from "../../src/workers/run-directory.ts";
import { FakeLauncher } from "../support/fake-workers.ts";
import { RecordedRequest } from "../support/jobs.ts";
import { makeScratch } from "../support/scratch.ts";

const SIGKILL = 9;
const PYTHON = "CPython 3.12.1";
const OPTIONS: PoolOptions = {
  runFolders: ["/nowhere"],
  python: "python",
  packageFolder: "/nowhere",
  application: {
    app: "shop:app",
    interface: "auto",
    loop: "auto",
    lifespan: "auto",
    pathsend: false,
    abandonTimeoutMs: 120_000,
    cancelOnDisconnect: false,
    concurrency: 8,
    appDir: "/nowhere",
    cwd: "/nowhere",
    env: {},
    development: "off",
    rootPath: "",
    warmup: [],
    logConfig: "",
    gunicornConf: "",
    gunicornHooks: [],
    threads: 2,
    workers: 2,
    areWorkersChosen: true,
    preload: false,
    software: "typhon",
  },
  queueTimeoutMs: 60_000,
  queueLimit: 20,
  webSocketLimit: 20,
  leastTimeoutMs: 30_000,
  startTimeoutMs: 10_000,
  drainTimeoutMs: 30_000,
  loopTimeoutMs: 20_000,
  maxRequests: 0,
  maxRequestsJitter: 0,
  maxRss: 0,
  maxAgeMs: 0,
};

/** What a launcher makes for all workers of an application. */
function makeShared(context: TestContext): SharedFiles {
  const directory = new RunDirectory([makeScratch(context)], 0);
  const path = (name: string): string => join(directory.path, name);
  execFileSync("mkfifo", [path("queue"), path("lifeline")]);
  writeFileSync(path("cancels"), Buffer.alloc(65_536));
  const reader = openSync(path("lifeline"), constants.O_RDONLY | constants.O_NONBLOCK);
  context.after(() => closeSync(reader));
  return new SharedFiles(directory);
}

class PlayedPool {
  readonly pool: Pool;
  readonly events: string[] = [];
  readonly loads: string[] = [];
  /** All launchers so far, and the files that each inherited. */
  readonly launchers: FakeLauncher[] = [];
  readonly inherited: (SharedFiles | null)[] = [];
  mayLaunch = true;
  /** Milliseconds by which the pool's clock is ahead. */
  ahead = 0;
  readonly #context: TestContext;

  constructor(context: TestContext, options: Partial<PoolOptions> = {}) {
    this.#context = context;
    const tell = (text: string): void => void this.events.push(text);
    const listener: PoolListener = {
      onLoading: (workers, wanted) => void this.loads.push(`load in ${workers} of ${wanted}`),
      onStillLoading: (ms, worker, stack) =>
        void this.loads.push(
          `still loading ${Math.floor(ms / 1000)} s: ${worker?.number ?? "none"} ${stack}`,
        ),
      onTemplateEnd: ({ pid, code, signal }) => tell(`template ${pid} ended ${code} ${signal}`),
      onWorkerReady: ({ number }) => tell(`ready ${number}`),
      onWorkerEnd: ({ worker, end, lost, retried }) =>
        tell(
          `end ${worker.number} code ${end.code} signal ${end.signal} lost ${lost.length} retried ${retried.length}`,
        ),
      onSingle: ({ single }, workers) => tell(`single ${workers}: ${single}`),
      onRecycle: ({ number }) => tell(`recycle ${number}`),
      onOutput: ({ number }, stream, lines) => {
        tell(`${stream} ${number}: ${lines.toString()}`);
        return true;
      },
      onMessage: ({ number }, level, text) => tell(`message ${number} ${level}: ${text}`),
      onOverdue: ({ job, worker }, stacks, find) =>
        tell(`overdue ${worker}: ${stacks}, ${find(job.id) === job}`),
      onLoopBlocked: ({ number }, stacks) => tell(`loop of ${number} blocked: ${stacks}`),
      onHook: ({ functions, worker, pid }, outcome, text) =>
        tell(`hook ${functions.join()} of ${worker} ${pid} ${outcome}: ${text}`),
      onLauncherEnd: (text) => tell(`launcher ended: ${text}`),
      onLauncherLine: (line) => tell(`launcher: ${line}`),
    };
    this.pool = new Pool(
      { ...OPTIONS, ...options },
      listener,
      (_options, inherited, launcherListener) => {
        if (!this.mayLaunch) throw new Error("no folder");
        const launcher = new FakeLauncher(launcherListener);
        this.launchers.push(launcher);
        this.inherited.push(inherited);
        return launcher;
      },
      () => monotonicMs() + this.ahead,
    );
    this.pool.onFolderGone = (text): void => tell(`folder gone: ${text}`);
    this.pool.onInterface = (found): void => tell(`interface ${found}`);
    context.after(async () => {
      const stopped = this.pool.stop(0);
      // A further one may be opened for the functions that are called at the end of workers.
      for (let at = Math.max(0, this.launchers.length - 1); at < this.launchers.length; at += 1)
        this.launchers[at]?.listener.onLauncherEnd("");
      await stopped;
    });
  }

  get launcher(): FakeLauncher {
    const launcher = this.launchers.at(-1);
    assert(launcher !== undefined);
    return launcher;
  }

  /** The launcher is up. */
  open(shared = this.inherited.at(-1) ?? makeShared(this.#context)): SharedFiles {
    this.launcher.listener.onOpened(40, PYTHON, shared);
    return shared;
  }

  fork(...workers: readonly number[]): void {
    for (const worker of workers) this.launcher.listener.onStarted(worker, 1000 + worker);
  }

  ready(worker: number, found = "wsgi", launcher = this.launcher): void {
    launcher.say(worker, FrameType.READY, JSON.stringify({ interface: found }));
  }

  endLauncher(text = ""): void {
    this.launcher.listener.onLauncherEnd(text);
  }

  /** Workers 1 and 2 take; the events of that are forgotten. */
  async serve(found = "wsgi"): Promise<SharedFiles> {
    const start = this.pool.start();
    const shared = this.open();
    this.fork(1, 2);
    this.ready(1, found);
    this.ready(2, found);
    await start;
    this.events.length = 0;
    return shared;
  }

  /** Submits a request, which worker `worker` takes. */
  run(worker: number): RecordedRequest {
    const request = new RecordedRequest();
    this.pool.submit(request.job);
    this.launcher.processOf(worker).noted.push(request.job.id);
    return request;
  }

  tickAt(ahead: number): void {
    this.ahead = ahead;
    this.pool.tick();
  }

  /** "1 taking, 2 draining" */
  get states(): string {
    return this.pool
      .status()
      .workers.map(({ number, state }) => `${number} ${state}`)
      .join(", ");
  }
}

describe("the start of a pool", () => {
  it("opens a launcher, then workers, and serves when the first has loaded the application", async (t) => {
    const played = new PlayedPool(t);
    const { pool } = played;
    const start = pool.start();
    assert.deepEqual(played.inherited, [null]);
    assert.deepEqual(played.launcher.started, [1, 2]);
    played.open();
    played.fork(1, 2);
    assert(!pool.isServing);
    assert.equal(pool.interface, "");
    played.ready(2);
    await start;
    assert(pool.isServing);
    assert.equal(pool.interface, "wsgi");
    assert.deepEqual(played.events, ["ready 2", "interface wsgi"]);
  });

  it("fails with what a worker says", async (t) => {
    const played = new PlayedPool(t);
    const start = played.pool.start();
    played.open();
    played.fork(1, 2);
    played.launcher.say(1, FrameType.FAILED, JSON.stringify({ kind: "import", text: "no shop" }));
    played.launcher.end(1, { code: 3 });
    await assert.rejects(
      start,
      (error) =>
        error instanceof StartFailure && error.kind === "import" && error.message === "no shop",
    );
    assert.deepEqual(played.events, []);
    assert.deepEqual(played.launcher.signals, [[2, SIGKILL]]);
  });

  it("fails with the words of a launcher that does not come up, which are no log lines", async (t) => {
    const played = new PlayedPool(t);
    const start = played.pool.start();
    played.launcher.listener.onLauncherLine("No module named sys");
    played.endLauncher("No module named sys");
    await assert.rejects(
      start,
      (error) => error instanceof StartFailure && error.kind === "launcher",
    );
    assert.deepEqual(played.events, []);
  });

  it("kills a worker that was asked for and not forked yet through the launcher", async (t) => {
    const played = new PlayedPool(t);
    const start = played.pool.start();
    played.open();
    played.tickAt(10_000);
    assert.deepEqual(played.launcher.signals, [], "a template may load for it");
    played.tickAt(11_000);
    assert.deepEqual(played.launcher.signals, [
      [1, SIGKILL],
      [2, SIGKILL],
    ]);
    played.launcher.end(1, { signal: SIGKILL });
    await assert.rejects(start, /did not load within 10 s/);
  });
});

const STACK = `Current thread 0x1 (most recent call first):
  File "/nowhere/db.py", line 4 in connect
  File "/nowhere/shop.py", line 2 in <module>
  File "<frozen importlib._bootstrap>", line 241 in _call_with_frames_removed`;

describe("a load that lasts", () => {
  it("says so with the stack of a worker that loads", async (t) => {
    const played = new PlayedPool(t, { startTimeoutMs: 60_000 });
    const start = played.pool.start();
    played.tickAt(1000);
    played.tickAt(5000);
    played.open();
    played.fork(1);
    played.launcher.processOf(1).loadingStacks = "one\ntwo";
    played.tickAt(10_000);
    assert.deepEqual(played.loads, [
      "load in 2 of 2",
      "still loading 5 s: none ",
      "still loading 10 s: 1 one\ntwo",
    ]);
    played.ready(1);
    await start;
  });

  it("fails with the stack at --start-timeout", async (t) => {
    const played = new PlayedPool(t);
    const start = played.pool.start();
    played.open();
    played.fork(1);
    played.launcher.processOf(1).loadingStacks = STACK;
    played.tickAt(10_000);
    assert.deepEqual(played.launcher.signals[0], [1, SIGKILL]);
    // The second has no process, and its end is seen first.
    played.launcher.end(2, { signal: SIGKILL });
    await assert.rejects(start, {
      message:
        "the application did not load within 10 s (--start-timeout); it was here:\n" +
        '  File "/nowhere/shop.py", line 2, in <module>\n  File "/nowhere/db.py", line 4, in connect',
    });
  });
});

describe("templates", () => {
  it("fork workers, whose process is then another one", async (t) => {
    const played = new PlayedPool(t);
    const start = played.pool.start();
    played.open();
    played.launcher.listener.onStarted(1, 900);
    const process = played.launcher.processOf(1);
    played.launcher.listener.onStarted(1, 901);
    assert.equal(played.launcher.processOf(1), process, "its files are opened once");
    assert.equal(process.pid, 901);
    played.ready(1);
    await start;
  });

  it("fork workers that say themselves who they are, where the launcher has died", async (t) => {
    const played = new PlayedPool(t);
    await played.serve();
    played.launcher.end(1, { signal: SIGKILL });
    played.tickAt(6000);
    played.launcher.listener.onStarted(3, 900);
    const process = played.launcher.processOf(3);
    const [launcher] = played.launchers;
    played.endLauncher("killed");
    launcher?.say(3, FrameType.READY, JSON.stringify({ interface: "wsgi", pid: "901" }));
    assert.equal(process.pid, 901);
    assert.match(played.states, /3 taking/);
  });

  it("are of a generation, and retire with it", async (t) => {
    const played = new PlayedPool(t);
    await played.serve();
    const load = played.pool.load();
    played.fork(3, 4);
    assert.deepEqual([...played.launcher.generations.values()], [1, 1, 2, 2]);
    played.ready(3);
    assert.deepEqual(played.launcher.retired, []);
    played.ready(4);
    assert.deepEqual(played.launcher.retired, [1]);
    for (const worker of [1, 2]) played.launcher.say(worker, FrameType.STOPPED);
    assert.equal(await load, null);
  });

  it("that die are told of, but not while the pool stops", async (t) => {
    const played = new PlayedPool(t);
    await played.serve();
    played.launcher.listener.onTemplateEnd({ pid: 900, code: null, signal: 9 });
    assert.deepEqual(played.events, ["template 900 ended null 9"]);
    void played.pool.stop(0);
    played.launcher.listener.onTemplateEnd({ pid: 901, code: null, signal: 9 });
    assert.equal(played.events.filter((event) => event.startsWith("template")).length, 1);
  });
});

describe("functions for the end of a worker", () => {
  const EXIT = { interface: "wsgi", exit_hooks: "shop:gone prom:dead" };

  async function serve(played: PlayedPool): Promise<void> {
    const start = played.pool.start();
    played.open();
    played.fork(1, 2);
    for (const worker of [1, 2]) played.launcher.say(worker, FrameType.READY, JSON.stringify(EXIT));
    await start;
    played.events.length = 0;
  }

  it("are called in the folders of the worker, however it has ended", async (t) => {
    const played = new PlayedPool(t);
    await serve(played);
    const { launcher } = played;
    launcher.end(1, { signal: SIGKILL });
    const [[id, call] = [0, null]] = launcher.hooks;
    const place = launcher.places.get(1);
    assert.deepEqual(call, { functions: ["shop:gone", "prom:dead"], worker: 1, pid: 1001, place });
    launcher.listener.onHookEnded(id, true, "bye");
    assert.equal(played.events.at(-1), "hook shop:gone,prom:dead of 1 1001 done: bye");
  });

  it("are called for a worker that never became ready, by child_exit of gunicorn.conf.py", async (t) => {
    const application = { ...OPTIONS.application, gunicornHooks: ["child_exit"] };
    const played = new PlayedPool(t, { application });
    const start = played.pool.start();
    played.open();
    played.fork(1, 2);
    played.launcher.end(1, { signal: SIGKILL });
    await assert.rejects(start);
    assert.deepEqual(
      [...played.launcher.hooks.values()].map(({ functions, pid }) => [...functions, pid]),
      [["child_exit", 1001]],
    );
  });

  it("wait for the next launcher, and a stop waits for them", async (t) => {
    const played = new PlayedPool(t);
    await serve(played);
    const [first] = played.launchers;
    played.endLauncher("killed");
    for (const worker of [1, 2]) {
      const process = first?.processOf(worker);
      assert(process !== undefined);
      process.isGone = process.isChannelClosed = true;
    }
    played.tickAt(100);
    played.tickAt(60_000);
    assert.equal(played.launchers.length, 2, "a new launcher");
    assert.deepEqual([...played.launcher.hooks.keys()], [1, 2]);
    played.open();
    const stopped = played.pool.stop(1000);
    for (const worker of played.launcher.started) played.launcher.end(worker, { code: 0 });
    assert(!played.launcher.isStopped, "it waits for the calls");
    played.launcher.listener.onHookEnded(1, true, "");
    assert(!played.launcher.isStopped);
    played.launcher.listener.onHookEnded(2, false, "oh");
    assert(played.launcher.isStopped);
    played.endLauncher();
    await stopped;
  });

  it("get a launcher of their own where the last one has died in a stop, and only one", async (t) => {
    const played = new PlayedPool(t);
    await serve(played);
    const stopped = played.pool.stop(1000);
    played.endLauncher("killed");
    assert.equal(played.launchers.length, 2);
    assert.deepEqual([...played.launcher.hooks.keys()], [1, 2]);
    played.endLauncher("killed again");
    await stopped;
    assert.equal(played.launchers.length, 2);
    assert.deepEqual(
      played.events.filter((event) => event.startsWith("hook")).map((event) => event.slice(-29)),
      ["1001 lost: its launcher ended", "1002 lost: its launcher ended"],
    );
  });

  it("end with the grace of a stop, but have a moment where workers have used it up", async (t) => {
    const played = new PlayedPool(t);
    await serve(played);
    const stopped = played.pool.stop(500);
    played.tickAt(500);
    for (const worker of [1, 2]) played.launcher.end(worker, { signal: SIGKILL });
    played.tickAt(2400);
    assert(!played.launcher.isStopped);
    played.tickAt(2600);
    assert.deepEqual(played.launcher.endedHooks, [1, 2]);
    assert(played.launcher.isStopped);
    played.endLauncher();
    await stopped;
    assert.deepEqual(
      played.events.filter((event) => event.startsWith("hook")).map((event) => event.slice(-23)),
      ["the application stops", "the application stops"].map((text) => `: ${text}`),
    );
  });
});

describe("the hooks of gunicorn's main process", () => {
  const withHooks = (...gunicornHooks: string[]): Partial<PoolOptions> => ({
    application: { ...OPTIONS.application, gunicornHooks },
  });
  const calledBy = (launcher: FakeLauncher): string[] =>
    [...launcher.hooks.values()].map(({ functions }) => functions.join());

  it("no worker starts before on_starting has returned", async (t) => {
    const played = new PlayedPool(t, withHooks("on_starting"));
    const start = played.pool.start();
    played.open();
    assert.deepEqual(calledBy(played.launcher), ["on_starting"]);
    assert.deepEqual(played.launcher.started, []);
    played.launcher.listener.onHookEnded(1, true, "");
    await new Promise(setImmediate);
    assert.deepEqual(played.launcher.started, [1, 2]);
    played.fork(1, 2);
    played.ready(1);
    await start;
  });

  it("a failed on_starting ends the start", async (t) => {
    const played = new PlayedPool(t, withHooks("on_starting"));
    const start = played.pool.start();
    played.open();
    played.launcher.listener.onHookEnded(1, false, "ValueError: no");
    await assert.rejects(start, (error) => error instanceof StartFailure && error.kind === "hook");
    assert.deepEqual(played.launcher.started, []);
  });

  it("a stop during on_starting starts nothing", async (t) => {
    const played = new PlayedPool(t, withHooks("on_starting"));
    const start = played.pool.start();
    played.open();
    const stopped = played.pool.stop(1000);
    played.launcher.listener.onHookEnded(1, true, "");
    await assert.rejects(start, /was stopped/);
    assert.deepEqual(played.launcher.started, []);
    played.endLauncher();
    await stopped;
  });

  it("a launcher that does not come up is reported as ever", async (t) => {
    const played = new PlayedPool(t, withHooks("on_starting"));
    const start = played.pool.start();
    played.endLauncher("no such interpreter");
    await new Promise(setImmediate);
    played.endLauncher("no such interpreter");
    await assert.rejects(
      start,
      (error) => error instanceof StartFailure && error.kind === "launcher",
    );
  });

  it("when_ready, on_reload and on_exit have their moments", async (t) => {
    const played = new PlayedPool(t, withHooks("when_ready", "on_reload", "on_exit"));
    await played.serve();
    assert.deepEqual(calledBy(played.launcher), []);
    played.pool.listening();
    void played.pool.load();
    assert.deepEqual(calledBy(played.launcher), ["when_ready", "on_reload"]);
    for (const id of [1, 2]) played.launcher.listener.onHookEnded(id, true, "");
    const stopped = played.pool.stop(1000);
    for (const worker of played.launcher.started) played.launcher.end(worker, { code: 0 });
    assert.deepEqual(calledBy(played.launcher), ["when_ready", "on_reload", "on_exit"]);
    assert(!played.launcher.isStopped);
    played.launcher.listener.onHookEnded(3, true, "");
    assert(played.launcher.isStopped);
    played.endLauncher();
    await stopped;
  });
});

describe("the folders of a generation", () => {
  it("are followed once: a worker that replaces a dead one runs where the others do", async (t) => {
    const folder = makeScratch(t);
    const link = join(folder, "current");
    const release = (name: string): string => {
      mkdirSync(join(folder, name), { recursive: true });
      rmSync(link, { force: true });
      symlinkSync(join(folder, name), link);
      return join(folder, name);
    };
    const first = release("1");
    const application = { ...OPTIONS.application, app: `${link}/a.py:f('/:')`, cwd: link };
    const played = new PlayedPool(t, { application });
    await played.serve();
    const second = release("2");
    played.launcher.end(1, { signal: SIGKILL });
    const load = played.pool.load();
    played.fork(4, 5);
    played.ready(4);
    played.ready(5);
    played.launcher.say(2, FrameType.STOPPED);
    played.launcher.end(4, { signal: SIGKILL });
    played.tickAt(5000);
    const placeIn = (cwd: string): Place => {
      return { app: `${cwd}/a.py:f('/:')`, appDir: "/nowhere", cwd, moved: { [link]: cwd } };
    };
    const places = [first, first, first, second, second, second].map(placeIn);
    assert.deepEqual([...played.launcher.places.values()], places);
    rmSync(link);
    void load;
    void played.pool.load();
    assert.deepEqual(played.launcher.places.get(7), { ...placeIn(link), moved: {} });
  });

  it("are missed when a dead worker is replaced, not when new code loads", async (t) => {
    const played = new PlayedPool(t);
    await played.serve();
    const fail = (worker: number): void => {
      played.fork(worker);
      const failure = { kind: "folder", text: "/1 is gone" };
      played.launcher.say(worker, FrameType.FAILED, JSON.stringify(failure));
    };
    played.launcher.end(1, { signal: SIGKILL });
    played.events.length = 0;
    fail(3);
    assert.deepEqual(played.events, ["folder gone: /1 is gone"]);
    void played.pool.load();
    fail(4);
    assert.deepEqual(played.events, ["folder gone: /1 is gone"]);
  });
});

describe("an application that needs a single process", () => {
  const single = "gradio: its queue is in memory";
  const say = (played: PlayedPool, worker: number, facts: object): void => {
    const ready = { interface: "asgi", ...facts };
    played.launcher.say(worker, FrameType.READY, JSON.stringify(ready));
  };

  it("has one worker where no number was chosen, and the status says why", async (t) => {
    const application = { ...OPTIONS.application, areWorkersChosen: false };
    const played = new PlayedPool(t, { application });
    const start = played.pool.start();
    played.open();
    played.fork(1);
    say(played, 1, { single });
    await start;
    assert.deepEqual(played.launcher.started, [1]);
    assert.partialDeepStrictEqual(played.pool.status(), { single, wanted: 1 });
    assert.deepEqual(played.events, ["ready 1", `single 1: ${single}`, "interface asgi"]);
  });

  it("keeps the chosen number, and a warning comes once for each load that changes it", async (t) => {
    const played = new PlayedPool(t);
    const start = played.pool.start();
    played.open();
    played.fork(1, 2);
    for (const worker of [1, 2]) say(played, worker, { single, doubt: "is it asgi?" });
    await start;
    assert.partialDeepStrictEqual(played.pool.status(), { single: "", wanted: 2 });
    const told = ["message 1 2: is it asgi?", `single 2: ${single}`];
    assert.deepEqual(played.events, ["ready 1", ...told, "interface asgi", "ready 2"]);
    for (const facts of [{}, { single }]) {
      played.events.length = 0;
      const load = played.pool.load();
      const workers = played.launcher.started.slice(-2);
      played.fork(...workers);
      for (const worker of workers) say(played, worker, facts);
      const [last] = played.events.slice(2);
      assert.equal(last, "single" in facts ? `single 2: ${single}` : undefined);
      played.tickAt(2000 * workers.length + 2000 * (workers[0] ?? 0));
      assert.equal(await load, null);
    }
  });

  it("is advised so when it cannot be loaded beside another process of it", async (t) => {
    const played = new PlayedPool(t);
    const failure = JSON.stringify({ kind: "import", text: "database is locked" });
    const start = played.pool.start();
    played.open();
    played.fork(1, 2);
    played.launcher.say(1, FrameType.FAILED, failure);
    played.launcher.end(1, { code: 3 });
    await assert.rejects(start, /database is locked\nAnother worker may hold it: --workers 1/);
    const application = { ...OPTIONS.application, workers: 1 };
    const alone = new PlayedPool(t, { application });
    const second = alone.pool.start();
    alone.open();
    alone.fork(1);
    alone.launcher.say(1, FrameType.FAILED, failure);
    alone.launcher.end(1, { code: 3 });
    await assert.rejects(second, /^Error: database is locked$/);
  });
});

describe("the interface", () => {
  it("of new code counts when the new code takes, not while it loads", async (t) => {
    const played = new PlayedPool(t);
    await played.serve("wsgi");
    const load = played.pool.load();
    played.fork(3, 4);
    played.ready(3, "asgi");
    assert.equal(played.pool.interface, "wsgi");
    played.ready(4, "asgi");
    assert.equal(played.pool.interface, "asgi");
    assert.deepEqual(played.events, ["ready 3", "ready 4", "interface asgi"]);
    played.launcher.say(1, FrameType.STOPPED);
    played.launcher.say(2, FrameType.STOPPED);
    assert.equal(await load, null);
  });

  it("of new code that does not load does not count", async (t) => {
    const played = new PlayedPool(t);
    await played.serve("wsgi");
    const load = played.pool.load();
    played.fork(3, 4);
    played.ready(3, "asgi");
    played.launcher.end(4, { code: 3 });
    assert.equal((await load)?.kind, "ended");
    assert.equal(played.pool.interface, "wsgi");
  });

  it("has to be one that there is", (t) => {
    const played = new PlayedPool(t);
    void played.pool.start().catch(() => undefined);
    played.open();
    played.fork(1);
    assert.throws(() => played.ready(1, "rack"), FrameFault);
  });
});

describe("a worker's frames", () => {
  it("count as served what ends a request, and no message of a WebSocket", async (t) => {
    const played = new PlayedPool(t);
    await played.serve();
    const served = (): number | undefined => played.pool.status().workers[0]?.served;
    // Its later frames are late ones.
    const { id } = played.run(1).job;
    played.launcher.say(1, FrameType.FAULT, "", { id });
    for (const type of [FrameType.WS_TEXT, FrameType.WS_BINARY])
      played.launcher.say(1, type, "", { id, isEnd: true });
    played.launcher.say(1, FrameType.BODY, "", { id });
    assert.equal(served(), 1);
    for (const type of [FrameType.WS_CLOSE, FrameType.BODY])
      played.launcher.say(1, type, "", { id, isEnd: true });
    assert.equal(served(), 3);
  });

  it("are told on: messages with their level, lines of output", async (t) => {
    const played = new PlayedPool(t);
    await played.serve();
    played.launcher.say(2, FrameType.LOG, "slow", { count: 2 });
    played.launcher.earsOf(2).onOutput("stderr", Buffer.from("oh"));
    played.launcher.earsOf(2).onOutput("stdout", Buffer.from("hm"));
    assert.deepEqual(played.events, ["message 2 2: slow", "stderr 2: oh", "stdout 2: hm"]);
  });

  it("of an unknown type break the protocol", async (t) => {
    const played = new PlayedPool(t);
    await played.serve();
    assert.throws(() => played.launcher.say(1, 0x7f), /a frame of type 127/);
  });

  for (const [what, type, payload, message] of [
    ["a second READY", FrameType.READY, '{"interface":"asgi"}', /a READY frame of a worker that/],
    ["a late FAILED", FrameType.FAILED, '{"kind":"folder"}', /a FAILED frame of a worker that is/],
    ["an early STOPPED", FrameType.STOPPED, "", /a STOPPED frame of a worker that takes/],
    ["a request that is none", FrameType.FETCH, "", /a frame about request 77, which is none/],
  ] as const)
    it(`in a wrong order break the protocol: ${what}`, async (t) => {
      const played = new PlayedPool(t);
      await played.serve();
      assert.throws(() => played.launcher.say(1, type, payload, { id: 77 }), {
        name: "Error",
        message,
      });
      assert.deepEqual(played.events, []);
      assert.equal(played.pool.interface, "wsgi");
    });

  it("that say READY or FAILED have texts in a JSON object", async (t) => {
    const played = new PlayedPool(t);
    const start = played.pool.start();
    played.open();
    played.fork(1, 2);
    const deep = `{"interface":${"[".repeat(50_000)}${"]".repeat(50_000)}}`;
    for (const json of [
      "{}",
      '{"interface":{"toString":1}}',
      '{"interface":"cgi"}',
      deep,
      "[",
      "1",
    ])
      for (const type of [FrameType.READY, FrameType.FAILED])
        if (type === FrameType.READY || (!json.startsWith('{"interface":"') && json !== "{}"))
          assert.throws(() => played.launcher.say(1, type, json), FrameFault, json.slice(0, 40));
    played.ready(1);
    played.ready(2);
    await start;
  });
});

describe("a channel that ends", () => {
  it("kills its worker, which can neither respond nor be told anything", async (t) => {
    const played = new PlayedPool(t);
    await played.serve();
    played.launcher.earsOf(1).onChannelEnd(null);
    assert.deepEqual(played.launcher.signals, [[1, SIGKILL]]);
    assert.deepEqual(played.events, []);
  });

  it("is expected of a worker that drains", async (t) => {
    const played = new PlayedPool(t);
    await played.serve();
    void played.pool.stop(10_000);
    played.launcher.earsOf(1).onChannelEnd(null);
    assert.deepEqual(played.launcher.signals, []);
  });

  it("with a fault kills even a draining worker, and the reason is told", async (t) => {
    const played = new PlayedPool(t);
    await played.serve();
    void played.pool.stop(10_000);
    played.launcher.earsOf(1).onChannelEnd("flags 255 in a frame");
    assert.deepEqual(played.launcher.signals, [[1, SIGKILL]]);
    assert.deepEqual(played.events, ["message 1 3: broke the protocol: flags 255 in a frame"]);
  });

  it("inside a frame is told of a worker whose process has ended too", async (t) => {
    const played = new PlayedPool(t);
    await played.serve();
    played.launcher.end(1, { code: 1 }, false);
    played.launcher.earsOf(1).onChannelEnd("the channel ended inside a frame");
    assert.deepEqual(played.launcher.signals, []);
    assert.deepEqual(played.events, [
      "message 1 3: broke the protocol: the channel ended inside a frame",
      "end 1 code 1 signal null lost 0 retried 0",
    ]);
  });

  it("of a worker that is gone already means nothing", async (t) => {
    const played = new PlayedPool(t);
    await played.serve();
    played.launcher.end(1, { signal: 11 });
    played.events.length = 0;
    played.launcher.earsOf(1).onChannelEnd("the channel ended inside a frame");
    assert.deepEqual(played.events, []);
  });
});

describe("a worker that dies", () => {
  it("loses its requests, is told with them, and is replaced; the other worker's go on", async (t) => {
    const played = new PlayedPool(t);
    await played.serve();
    const job = played.run(1);
    const other = played.run(2);
    played.launcher.end(1, { signal: 11 });
    assert.deepEqual(job.heard, ["lost worker-died"]);
    assert.deepEqual(other.heard, []);
    assert.deepEqual(played.events, ["end 1 code null signal 11 lost 1 retried 0"]);
    assert.deepEqual(played.launcher.started, [1, 2, 3]);
  });

  it("has its safe requests run once more, by another worker", async (t) => {
    const played = new PlayedPool(t);
    await played.serve();
    const jobs = [played.run(1), played.run(1)];
    const ids = jobs.map(({ job }) => job.id);
    played.launcher.end(1, { signal: 11 });
    assert.deepEqual(played.events, ["end 1 code null signal 11 lost 0 retried 2"]);
    for (const [at, { job }] of jobs.entries()) {
      assert.deepEqual([job.state, job.mayRetry], ["queued", false]);
      assert.notEqual(job.id, ids[at], "a page has a number of its own");
      played.launcher.processOf(2).noted.push(job.id);
    }
    played.launcher.end(2, { signal: 11 });
    for (const job of jobs) assert.deepEqual(job.heard, ["lost worker-died"]);
  });

  it("again and again, with no other left, has requests refused until another is ready", async (t) => {
    const played = new PlayedPool(t, { application: { ...OPTIONS.application, workers: 1 } });
    const start = played.pool.start();
    played.open();
    played.fork(1);
    played.ready(1);
    await start;
    played.launcher.end(1, { code: 9 });
    played.fork(2);
    played.launcher.end(2, { code: 9 });
    played.tickAt(10);
    const refused = new RecordedRequest();
    played.pool.submit(refused.job);
    assert.deepEqual(refused.heard, ["lost no-workers"]);
    played.tickAt(1000);
    played.fork(3);
    played.ready(3);
    const next = played.run(3);
    assert.deepEqual(next.heard, []);
  });
});

describe("a request past its deadline", () => {
  it("is lost, told with its worker's stacks, and interrupted", async (t) => {
    const played = new PlayedPool(t);
    await played.serve();
    const job = played.run(1);
    played.tickAt(31_000);
    assert.deepEqual(job.heard, ["lost deadline"]);
    assert.deepEqual(played.events, ["overdue 1: stacks of 1001 for 1, true"]);
    assert.equal(played.launcher.processOf(1).sent.at(-1), FrameType.CANCEL);
    played.tickAt(32_100);
    assert.equal(played.states, "1 draining, 2 taking, 3 starting");
  });
});

describe("an event loop that does not come back", () => {
  it("is told with its worker's stacks, and interrupted", async (t) => {
    const played = new PlayedPool(t);
    await played.serve("asgi");
    const { sent } = played.launcher.processOf(1);
    const tickUntil = (to: number, answers: readonly number[]): void => {
      for (let ahead = played.ahead; ahead <= to; ahead += 500) {
        played.tickAt(ahead);
        for (const worker of answers)
          if (played.launcher.processOf(worker).sent.at(-1) === FrameType.LOOP_ASKED)
            played.launcher.say(worker, FrameType.LOOP_TOLD);
      }
    };
    tickUntil(40_000, [1, 2]);
    assert.deepEqual(played.events, []);
    assert.equal(sent.at(-1), FrameType.LOOP_ASKED);
    tickUntil(68_000, [2]);
    assert.deepEqual(played.events, ["loop of 1 blocked: stacks of 1001 for 0"]);
    assert(sent.includes(FrameType.CANCEL));
    assert.equal(played.states, "1 draining, 2 taking, 3 starting");
    assert.deepEqual(played.launcher.signals[0], [1, SIGKILL]);
  });
});

describe("a worker that cannot be started", () => {
  it("fails the start with the reason", async (t) => {
    const played = new PlayedPool(t);
    const start = played.pool.start();
    played.open();
    played.launcher.listener.onNotStarted(1, "no space left");
    await assert.rejects(start, /worker 1 could not be started: no space left/);
  });

  it("because no launcher can be made, fails the start too", async (t) => {
    const played = new PlayedPool(t);
    played.mayLaunch = false;
    await assert.rejects(played.pool.start(), /worker 1 could not be started: no folder/);
  });

  it("or whose files are gone, is killed, and the reload says why", async (t) => {
    const played = new PlayedPool(t);
    await played.serve();
    const load = played.pool.load();
    played.launcher.isUnreachable = true;
    played.fork(3);
    assert.deepEqual(played.launcher.signals.at(-1), [3, SIGKILL]);
    played.launcher.end(3, { signal: SIGKILL });
    assert.equal((await load)?.text, "worker 3: no such file");
    assert(played.states.startsWith("1 taking, 2 taking"));
  });
});

describe("a launcher that dies", () => {
  it("is replaced with its files inherited; its workers go on until others take their places", async (t) => {
    const played = new PlayedPool(t);
    const shared = await played.serve();
    const [first] = played.launchers;
    assert(first !== undefined);
    const job = played.run(1);
    played.endLauncher("killed");
    assert.deepEqual(played.events, ["launcher ended: killed"]);
    played.tickAt(100);
    assert.deepEqual(played.inherited, [null, shared]);
    assert.deepEqual(played.launcher.started, [3, 4]);
    played.open();
    played.fork(3, 4);
    played.ready(3);
    assert.equal(played.states, "1 draining, 2 taking, 3 taking, 4 starting");
    played.ready(4);
    assert.equal(played.states, "1 draining, 2 draining, 3 taking, 4 taking");
    assert.deepEqual(job.heard, []);
    // An orphan ends: nobody reports it.
    const orphan = first.processOf(2);
    orphan.isGone = orphan.isChannelClosed = true;
    played.tickAt(200);
    assert.equal(played.states, "1 draining, 3 taking, 4 taking");
    assert.equal(played.events.at(-1), "end 2 code null signal null lost 0 retried 0");
  });

  it("and cannot be replaced at once is replaced later; its workers go on", async (t) => {
    const played = new PlayedPool(t);
    const shared = await played.serve();
    played.endLauncher("killed");
    played.mayLaunch = false;
    const failed = (): number => played.events.filter((event) => event.startsWith("end ")).length;
    for (let seconds = 1; seconds <= 120; seconds += 1) {
      played.tickAt(seconds * 1000);
      // A failed start is told in the next turn.
      await new Promise((next) => setImmediate(next));
    }
    assert(failed() >= 4 && failed() < 24, `${failed()} starts with pauses of up to 30 s`);
    assert.equal(played.states, "1 taking, 2 taking");
    assert.equal(played.launchers.length, 1);
    played.mayLaunch = true;
    played.tickAt(200_000);
    assert.deepEqual(played.inherited, [null, shared]);
    assert.equal(played.launcher.started.length, 2);
  });

  it("leaves workers that are killed directly", async (t) => {
    const played = new PlayedPool(t);
    await played.serve();
    const [first] = played.launchers;
    played.endLauncher("killed");
    first?.earsOf(1).onChannelEnd("a frame of 4294967295 bytes");
    assert.deepEqual(first?.processOf(1).signals, [SIGKILL]);
    assert.deepEqual(first?.signals, []);
  });

  it("fails a load that was going on", async (t) => {
    const played = new PlayedPool(t);
    await played.serve();
    const load = played.pool.load();
    played.fork(3);
    played.endLauncher("killed");
    assert.deepEqual(await load, { kind: "launcher", text: "killed" });
  });

  it("while the pool stops ends the stop", async (t) => {
    const played = new PlayedPool(t);
    await played.serve();
    const job = played.run(1);
    const stopped = played.pool.stop(60_000);
    played.endLauncher("killed");
    await stopped;
    assert.deepEqual(job.heard, ["lost stopping"]);
    assert(!played.events.includes("launcher ended: killed"));
  });
});

describe("a poisoned pipe", () => {
  it("ends everything that runs; launcher, workers and pipe are made anew", async (t) => {
    const played = new PlayedPool(t);
    await played.serve();
    const job = played.run(2);
    const [first] = played.launchers;
    played.launcher.say(1, FrameType.POISONED, "the queue carried no page");
    assert.deepEqual(played.events, ["message 1 3: the queue carried no page"]);
    assert(first?.isStopped);
    played.endLauncher("");
    assert.deepEqual(job.heard, ["lost worker-died"]);
    assert.equal(played.states, "");
    played.tickAt(1000);
    assert.equal(played.states, "3 starting, 4 starting");
    assert.deepEqual(played.inherited, [null, null], "nothing of the old pipe is used again");
    played.open(makeShared(t));
    played.fork(3, 4);
    played.ready(3);
    assert(played.pool.isServing);
    assert.deepEqual(played.run(3).heard, []);
  });

  it("takes no request that comes while the others end", async (t) => {
    const played = new PlayedPool(t);
    await played.serve();
    const next = new RecordedRequest();
    class Ending extends RecordedRequest {
      override onLost(reason: LostReason): void {
        super.onLost(reason);
        played.pool.submit(next.job);
      }
    }
    const ending = new Ending();
    played.pool.submit(ending.job);
    played.launcher.say(1, FrameType.POISONED, "the queue carried no page");
    played.endLauncher("");
    assert.deepEqual([ending.heard, next.heard], [["lost worker-died"], ["lost no-workers"]]);
    assert.equal(played.pool.requests, 0);
  });
});

describe("a stop", () => {
  it("lets workers finish, then ends the launcher, and resolves when that is gone", async (t) => {
    const played = new PlayedPool(t);
    await played.serve();
    let isStopped = false;
    const stopped = played.pool.stop(60_000).then(() => (isStopped = true));
    assert.equal(played.states, "1 draining, 2 draining");
    played.launcher.end(1, { code: 0 });
    assert(!played.launcher.isStopped);
    played.launcher.end(2, { code: 0 });
    assert(played.launcher.isStopped);
    assert.deepEqual(played.launcher.started, [1, 2]);
    await Promise.resolve();
    assert(!isStopped);
    played.endLauncher("");
    await stopped;
    await played.pool.stop(0);
    assert.equal(played.pool.status().state, "stopped");
  });

  it("kills at the end of the grace; requests are lost and not run once more", async (t) => {
    const played = new PlayedPool(t);
    await played.serve();
    const jobs = [played.run(1), played.run(1)];
    void played.pool.stop(5000);
    played.tickAt(5000);
    assert.deepEqual(played.launcher.signals, [
      [1, SIGKILL],
      [2, SIGKILL],
    ]);
    played.launcher.end(1, { signal: SIGKILL });
    for (const job of jobs) assert.deepEqual(job.heard, ["lost worker-died"]);
    assert.deepEqual(played.events, ["end 1 code null signal 9 lost 2 retried 0"]);
  });

  it("while workers start kills them, and the start fails", async (t) => {
    const played = new PlayedPool(t);
    const start = played.pool.start();
    played.open();
    played.fork(1, 2);
    const stopped = played.pool.stop(60_000);
    assert.deepEqual(played.launcher.signals, [
      [1, SIGKILL],
      [2, SIGKILL],
    ]);
    played.launcher.end(1, { signal: SIGKILL });
    played.launcher.end(2, { signal: SIGKILL });
    await assert.rejects(start, StartFailure);
    played.endLauncher("");
    await stopped;
  });

  it("of a pool that was never started is done at once", async (t) => {
    const played = new PlayedPool(t);
    await played.pool.stop(60_000);
    assert.deepEqual(played.launchers, []);
  });
});

it("the status is data: state, interface, Python, workers, requests", async (t) => {
  const played = new PlayedPool(t);
  assert.deepEqual(played.pool.status(), {
    state: "new",
    interface: "",
    python: "",
    single: "",
    wanted: 2,
    workers: [],
    queue: { waiting: 0, running: 0, size: 0 },
  });
  await played.serve();
  played.run(2);
  played.pool.submit(new RecordedRequest().job);
  const status = played.pool.status();
  const startedAt = status.workers[0]?.startedAt ?? 0;
  assert(Math.abs(monotonicMs() - startedAt) < 60_000);
  assert.deepEqual(status, {
    state: "running",
    interface: "wsgi",
    python: PYTHON,
    single: "",
    wanted: 2,
    workers: [1, 2].map((number) => ({
      number,
      pid: 1000 + number,
      state: "taking",
      generation: 1,
      startedAt: status.workers[number - 1]?.startedAt,
      served: 0,
      leaving: null,
      webSockets: 0,
    })),
    queue: { waiting: 1, running: 1, size: 2 },
  });
  assert.deepEqual(status, JSON.parse(JSON.stringify(status)));
});

it("texts for the service manager go through the launcher that lives", async (t) => {
  const played = new PlayedPool(t);
  assert.equal(played.pool.notify("too early"), false);
  await played.serve();
  assert.equal(played.pool.notify("READY=1"), true);
  assert.deepEqual(played.launcher.notified, ["READY=1"]);
});
