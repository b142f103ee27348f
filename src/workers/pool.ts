// The workers of one application, and the requests on their way through them. Joins the parts: the launcher
// forks processes, WorkerSet decides which workers take requests, JobTable knows every request, WorkerExits
// decides what becomes of a dead worker's requests. Raises typed events; writes no logs; knows no HTTP.

import { openSocket } from "./application-socket.ts";
import { readJson } from "./channel.ts";
import { monotonicMs } from "./clock.ts";
import { FrameFault, FrameType, isLastFrame } from "./frame.ts";
import { HookRuns, LEAST_HOOK_MS, type HookCall, type HookOutcome } from "./hook-runs.ts";
import { JobTable } from "./job-table.ts";
import type { Job, Overdue } from "./job.ts";
import {
  Launcher,
  type LauncherListener,
  type LauncherOptions,
  type LauncherPort,
  type TemplateEnd,
} from "./launcher.ts";
import { formatMainStack } from "./loading-stack.ts";
import { withLockHint } from "./lock-hint.ts";
import { resolvePlace, type Place } from "./place.ts";
import { RequestQueue } from "./queue.ts";
import type { SharedFiles } from "./run-directory.ts";
import { WorkerExits, type WorkerExit } from "./worker-exits.ts";
import { WorkerSet, type WorkerSetOptions } from "./worker-set.ts";
import type { WorkerPort, WorkerProcessListener } from "./worker-process.ts";
import { WorkerTable } from "./worker-table.ts";
import type { LoadFailure, PythonInterface, Worker, WorkerEnd } from "./worker.ts";

const SIGKILL = 9;
/** Levels of an error and a warning in `PoolListener.onMessage`. */
const ERROR_LEVEL = 3;
const WARNING_LEVEL = 2;

export interface PoolOptions
  extends LauncherOptions, Omit<WorkerSetOptions, "workers" | "areWorkersChosen"> {
  /** How long a request may wait for a worker. */
  readonly queueTimeoutMs: number;
  /** How many requests may wait. */
  readonly queueLimit: number;
  /** How many WebSockets there may be. */
  readonly webSocketLimit: number;
  /** The shortest time limit of any request; Infinity: no request has one. */
  readonly leastTimeoutMs: number;
}

export interface PoolListener {
  /** The application is loading in `workers` workers, of the number that it is to have. */
  onLoading(workers: number, wanted: number): void;
  /**
   * The load still lasts. `worker`: one that loads, null if none has been started; `stack`: faulthandler's report
   * about it, "" if it cannot be read.
   */
  onStillLoading(lastedMs: number, worker: Worker | null, stack: string): void;
  onWorkerReady(worker: Worker): void;
  /** `pauseMs`: until the next worker is started; 0: at once. */
  onWorkerEnd(exit: WorkerExit, pauseMs: number): void;
  /** The worker is to be replaced, though nothing is wrong with it; `worker.leaving` says why. */
  onRecycle(worker: Worker): void;
  /** New code serves that needs a single process (`worker.single` says why) and has `workers` of them. */
  onSingle(worker: Worker, workers: number): void;
  /**
   * Whole lines that the worker has printed, with their ends; a very long line comes in pieces. False: nothing is
   * read from the stream for a moment; the question is then repeated without lines.
   */
  onOutput(worker: Worker, stream: "stdout" | "stderr", lines: Buffer): boolean;
  /** A worker's own message. `level`: 0 debug … 3 error. */
  onMessage(worker: Worker, level: number, text: string): void;
  /** `stacks`: the worker's threads, each with the id of its request; `find` returns the request of an id. */
  onOverdue(overdue: Overdue, stacks: string, find: (id: number) => Job | undefined): void;
  /** The event loop of the worker has not come back within the loop's timeout. */
  onLoopBlocked(worker: Worker, stacks: string, find: (id: number) => Job | undefined): void;
  /** A template has ended unexpectedly; its workers go on, and the next worker gets a new template. */
  onTemplateEnd(end: TemplateEnd): void;
  /** Functions of the application have run outside of its workers, or have not; `text`: what they have printed. */
  onHook(call: HookCall, outcome: HookOutcome, text: string): void;
  /** The launcher has ended unexpectedly; a new launcher replaces it. */
  onLauncherEnd(text: string): void;
  onLauncherLine(line: string): void;
}

type PoolState = "new" | "running" | "stopping" | "stopped";

/** The state of a pool. Points in time are CLOCK_MONOTONIC milliseconds. */
export interface PoolStatus {
  readonly state: PoolState;
  /** "" until a worker has loaded the application. */
  readonly interface: PythonInterface | "";
  /** Such as "CPython 3.11.7"; "" until the launcher has said so. */
  readonly python: string;
  /** Why one worker serves, where no number was chosen; else "". */
  readonly single: string;
  /** The number of workers that the application is to have. */
  readonly wanted: number;
  readonly workers: readonly Pick<
    Worker,
    "number" | "pid" | "state" | "generation" | "startedAt" | "served" | "leaving" | "webSockets"
  >[];
  /** Requests that have not ended: not taken by a worker, running, and all of them. */
  readonly queue: { readonly waiting: number; readonly running: number; readonly size: number };
}

/** The application did not load, or the launcher did not start. */
export class StartFailure extends Error {
  readonly kind: string;
  /** In development; "" = none. */
  readonly page: string;

  constructor(failure: LoadFailure) {
    super(failure.text);
    this.kind = failure.kind;
    this.page = failure.page ?? "";
  }
}

function openLauncher(
  options: LauncherOptions,
  inherited: SharedFiles | null,
  listener: LauncherListener,
): LauncherPort {
  return new Launcher(options, inherited, listener);
}

export class Pool implements LauncherListener {
  /** Called when the first worker has found the application's interface, and when a reload changes it. */
  onInterface: (found: PythonInterface) => void = () => undefined;
  /** Called when workers cannot be replaced, because a folder of their generation is gone; `text` names it. */
  onFolderGone: (text: string) => void = () => undefined;
  readonly #options: PoolOptions;
  readonly #listener: PoolListener;
  readonly #openLauncher: typeof openLauncher;
  readonly #now: () => number;
  readonly #workers = new WorkerTable();
  readonly #jobs: JobTable;
  readonly #set: WorkerSet;
  readonly #exits: WorkerExits;
  readonly #hooks: HookRuns;
  /** Until when a stop waits for hooks; set when it begins, and again when the last worker has ended. */
  #hooksUntil = Infinity;
  /** Whether a launcher was opened for hooks alone. */
  #hasReopened = false;
  /** Whether on_exit of gunicorn.conf.py was called, or cannot be. */
  #hasCalledExit = false;
  #state: PoolState = "new";
  #launcher: LauncherPort | null = null;
  #shared: SharedFiles | null = null;
  #queue: RequestQueue | null = null;
  #interface: PythonInterface | "" = "";
  #python = "";
  /** Why the code that serves needs a single process, and why its interface may be the wrong one. */
  #single = "";
  #doubt = "";
  #hasOpened = false;
  /** A worker read bytes from the pipe that are no page: launcher, workers and pipe are replaced. */
  #isPoisoned = false;
  /** Where the workers of the generations run from which workers are still started. */
  readonly #places = new Map<number, Place>();
  readonly #settleStop: PromiseWithResolvers<void> = Promise.withResolvers();

  constructor(
    options: PoolOptions,
    listener: PoolListener,
    launcherOf = openLauncher,
    now = monotonicMs,
  ) {
    this.#options = options;
    this.#listener = listener;
    this.#openLauncher = launcherOf;
    this.#now = now;
    this.#jobs = new JobTable({
      leastTimeoutMs: options.leastTimeoutMs,
      webSocketLimit: options.webSocketLimit,
      send: (worker, frame) => this.#workers.get(worker)?.process?.send(frame),
      onWebSocket: (number, change) => {
        const worker = this.#workers.get(number);
        if (worker !== undefined) worker.webSockets += change;
      },
      now,
    });
    const { workers, areWorkersChosen } = options.application;
    this.#set = new WorkerSet(
      this.#workers,
      { ...options, workers, areWorkersChosen },
      {
        onLoading: (count) => listener.onLoading(count, workers),
        onStillLoading: (lastedMs) => this.#onStillLoading(lastedMs),
        onRetired: (generation) => this.#launcher?.retire(generation),
        onStartOverdue: (worker) => this.#onStartOverdue(worker),
        start: (worker) => this.#startWorker(worker),
        kill: (worker) => this.#kill(worker),
        onReady: (worker) => listener.onWorkerReady(worker),
        onRecycle: (worker) => listener.onRecycle(worker),
        onLoopBlocked: (worker) => this.#onLoopBlocked(worker),
      },
    );
    this.#exits = new WorkerExits(this.#workers, this.#jobs, (exit) => this.#onExit(exit));
    const port = {
      start: (id: number, call: HookCall): boolean => {
        this.#launcher?.startHook(id, call);
        return this.#launcher !== null;
      },
      end: (id: number): void => this.#launcher?.endHook(id),
    };
    this.#hooks = new HookRuns(port, (call, outcome, text) => listener.onHook(call, outcome, text));
  }

  /** Resolves when the first worker has loaded the application; rejects with StartFailure if a worker fails. */
  async start(): Promise<void> {
    this.#state = "running";
    if (this.#hasHook("on_starting")) await this.#begin();
    const failure = await this.#set.load(this.#now());
    if (failure !== null) throw new StartFailure(failure);
  }

  /** Loads the application's code in new workers. Null: the new code serves; else why the old code goes on. */
  async load(): Promise<LoadFailure | null> {
    // Nothing would end workers that start before `start` or after `stop`.
    if (this.#state !== "running")
      return { kind: "stopped", text: "the application is not running" };
    this.#callOfServer("on_reload");
    return await this.#set.load(this.#now());
  }

  /** The server listens: calls when_ready of gunicorn.conf.py. */
  listening(): void {
    if (this.#state === "running") this.#callOfServer("when_ready");
  }

  /** The application's interface; "" until a worker has loaded the application. */
  get interface(): PythonInterface | "" {
    return this.#interface;
  }

  /** Whether a worker takes requests. */
  get isServing(): boolean {
    return this.#state === "running" && this.#workers.takers.length > 0;
  }

  /** Reads the workers' notes, so it costs too much for each request. */
  status(): PoolStatus {
    const { size } = this.#jobs;
    const running = this.#jobs.countRunning(new Set(this.#workers.readNotes().keys()));
    const workers = this.#workers.all.map(
      ({ number, pid, state, generation, startedAt, served, leaving, webSockets }) => {
        return { number, pid, state, generation, startedAt, served, leaving, webSockets };
      },
    );
    return {
      state: this.#state,
      interface: this.#interface,
      python: this.#python,
      single: this.#options.application.areWorkersChosen ? "" : this.#single,
      wanted: this.#set.workers,
      workers,
      queue: { waiting: size - running, running, size },
    };
  }

  /** The number of requests that wait or run. */
  get requests(): number {
    return this.#jobs.size;
  }

  /** Sends a text to the service manager (sd_notify(3)); false: no launcher runs that could. */
  notify(text: string): boolean {
    this.#launcher?.notify(text);
    return this.#launcher !== null;
  }

  submit(job: Job): void {
    if (this.#set.hasNoWorkers) this.#jobs.lose(job, "no-workers");
    else this.#jobs.submit(job);
  }

  cancel(job: Job): void {
    this.#jobs.cancel(job);
  }

  halfClose(job: Job, isLate: boolean): void {
    this.#jobs.halfClose(job, isLate);
  }

  credit(job: Job, bytes: number): void {
    this.#jobs.credit(job, bytes);
  }

  /** Called by the coarse clock: checks the deadlines of requests and workers. */
  tick(): void {
    if (this.#state === "new" || this.#state === "stopped") return;
    const now = this.#now();
    for (const overdue of this.#jobs.tick(now, () => this.#workers.readNotes()))
      this.#onOverdue(overdue, now);
    for (const worker of this.#workers.all) worker.process?.tick();
    this.#exits.tick(now);
    this.#hooks.tick(now);
    this.#set.tick(now);
    if (this.#state !== "stopping" || !this.#workers.isEmpty || now < this.#hooksUntil) return;
    this.#hasCalledExit = true;
    this.#hooks.giveUp();
    this.#stopWhenEmpty();
  }

  /** Lets workers finish running requests for at most `graceMs`, then kills them. */
  stop(graceMs: number): Promise<void> {
    if (this.#state === "new") return Promise.resolve();
    if (this.#state === "running") {
      this.#state = "stopping";
      this.#exits.isStopping = true;
      const now = this.#now();
      this.#hooksUntil = now + graceMs;
      this.#set.stop(now + graceMs, now);
      this.#stopWhenEmpty();
    }
    return this.#settleStop.promise;
  }

  onOpened(pipePages: number, python: string, shared: SharedFiles): void {
    this.#hasOpened = true;
    this.#python = python;
    if (this.#shared === shared) return;
    const { application, queueLimit, queueTimeoutMs } = this.#options;
    this.#shared = shared;
    this.#queue = new RequestQueue(shared.queue, {
      limit: queueLimit,
      timeoutMs: queueTimeoutMs,
      capacity: application.workers * application.threads,
      workers: application.workers,
      pipePages,
    });
    this.#jobs.use(this.#queue, shared);
  }

  onStarted(number: number, pid: number): void {
    const worker = this.#workers.get(number);
    if (worker === undefined || this.#launcher === null) return;
    try {
      if (worker.process === null) worker.process = this.#openWorker(worker, pid, this.#launcher);
      else worker.process.forked(pid);
    } catch (error) {
      worker.failure = { kind: "start", text: `worker ${number}: ${textOf(error)}` };
      this.#set.kill(worker, this.#now());
    }
  }

  #openWorker(worker: Worker, pid: number, launcher: LauncherPort): WorkerPort {
    const { number } = worker;
    const listener: WorkerProcessListener = {
      onFrame: (type, id, isEnd, count, payload) => {
        if (!this.#jobs.onFrame(number, type, id, isEnd, count, payload))
          this.#onWorkerFrame(worker, type, id, count, payload);
        else if (isLastFrame(type, isEnd)) worker.served += 1;
      },
      onChannelEnd: (fault) => this.#onChannelEnd(worker, fault),
      onOutput: (stream, lines) => {
        if (stream === "stderr") worker.keepErrors(lines);
        return this.#listener.onOutput(worker, stream, lines);
      },
    };
    return launcher.openWorker(number, pid, listener);
  }

  onNotStarted(number: number, text: string): void {
    const worker = this.#workers.get(number);
    if (worker === undefined) return;
    worker.failure = { kind: "start", text: `worker ${number} could not be started: ${text}` };
    this.#exits.ended({ worker: number, code: null, signal: null, peakRss: 0 }, this.#now());
  }

  onEnded(end: WorkerEnd): void {
    this.#exits.ended(end, this.#now());
  }

  onTemplateEnd(end: TemplateEnd): void {
    if (this.#state === "running") this.#listener.onTemplateEnd(end);
  }

  onHookEnded(id: number, isDone: boolean, text: string): void {
    this.#hooks.ended(id, isDone, text, this.#now());
    this.#stopWhenEmpty();
  }

  onLauncherLine(line: string): void {
    // The output of a launcher that does not start is in StartFailure.
    if (this.#hasOpened) this.#listener.onLauncherLine(line);
  }

  onLauncherEnd(text: string): void {
    this.#launcher = null;
    this.#hooks.launcherEnded();
    const hasUsableWorkers = this.#hasOpened && !this.#isPoisoned && this.#state === "running";
    if (hasUsableWorkers) this.#exits.orphanAll();
    if (this.#state === "running") {
      if (this.#hasOpened) this.#listener.onLauncherEnd(text);
      this.#set.launcherEnded(text, this.#now());
    }
    if (!hasUsableWorkers) this.#endAll();
  }

  // Ends launcher, workers, pipe and all requests: when the pool stops, or before a new launcher starts.
  #endAll(): void {
    // First of all: the end of one request may bring another, which must not go into this pipe.
    this.#jobs.leave();
    this.#jobs.loseAll(this.#state === "stopping" ? "stopping" : "worker-died");
    this.#queue?.close();
    this.#shared?.close();
    this.#queue = this.#shared = null;
    this.#exits.reapAll(SIGKILL);
    this.#isPoisoned = false;
    this.#stopWhenEmpty();
  }

  // Handles a frame that is not about a request. Throws FrameFault on a frame that breaks the protocol.
  #onWorkerFrame(worker: Worker, type: number, id: number, count: number, payload: Buffer): void {
    switch (type) {
      case FrameType.READY:
        if (worker.hasLoaded) throw new FrameFault("a READY frame of a worker that is ready");
        this.#onReady(worker, readJson(payload));
        break;
      case FrameType.FAILED: {
        if (worker.hasLoaded) throw new FrameFault("a FAILED frame of a worker that is ready");
        const failure = readJson(payload);
        const text = failure.get("text") ?? "";
        worker.failure = {
          kind: failure.get("kind") ?? "",
          text: this.#workers.isAlone ? text : withLockHint(text, this.#set.workers),
          page: failure.get("page"),
        };
        if (worker.failure.kind === "folder" && worker.generation === this.#set.generation)
          this.onFolderGone(worker.failure.text);
        break;
      }
      case FrameType.STOPPED:
        if (worker.state !== "draining")
          throw new FrameFault("a STOPPED frame of a worker that takes");
        this.#set.stopped(worker);
        this.#fence();
        break;
      case FrameType.FENCE:
        this.#jobs.onFence(id);
        break;
      case FrameType.WS_SOCKET:
        openSocket(worker, id, this.#jobs.get(id), payload);
        break;
      case FrameType.LOG:
        this.#listener.onMessage(worker, count, payload.toString("utf8"));
        break;
      case FrameType.STACKS_TOLD:
        worker.process?.tellStacks(id, payload.toString("utf8"));
        break;
      case FrameType.LOOP_TOLD:
        worker.loop.answered(this.#now());
        break;
      case FrameType.POISONED:
        this.#listener.onMessage(worker, ERROR_LEVEL, payload.toString("utf8"));
        this.#isPoisoned = true;
        this.#launcher?.stop();
        break;
      default:
        throw new FrameFault(`a frame of type ${type}`);
    }
  }

  #onReady(worker: Worker, ready: ReadonlyMap<string, string>): void {
    const found = ready.get("interface");
    if (found !== "wsgi" && found !== "asgi")
      throw new FrameFault(`READY with the interface ${found ?? ""}`);
    const { threads, concurrency } = this.#options.application;
    const pid = Number(ready.get("pid") ?? worker.pid);
    if (!Number.isSafeInteger(pid) || pid < 0) throw new FrameFault("READY with a wrong process");
    if (pid !== worker.pid) worker.process?.forked(pid);
    worker.interface = found;
    // Under ASGI as many requests whose clients have left may run beside the others.
    worker.slots = found === "asgi" ? 2 * concurrency : threads;
    worker.single = ready.get("single") ?? "";
    worker.exitHooks = (ready.get("exit_hooks") ?? "").split(" ").filter((name) => name !== "");
    this.#set.ready(worker, this.#now());
    // Only when the worker takes requests: during a reload the old code, with its own interface, still serves.
    if (worker.state !== "taking") return;
    this.#queue?.resize(this.#set.workers, this.#set.workers * threads);
    this.#tellDoubts(worker, ready.get("doubt") ?? "");
    if (this.#interface === found) return;
    this.#interface = found;
    this.#jobs.isConcurrent = found === "asgi";
    this.onInterface(found);
  }

  // Once, and not for each worker.
  #tellDoubts(worker: Worker, doubt: string): void {
    if (doubt !== this.#doubt && doubt !== "")
      this.#listener.onMessage(worker, WARNING_LEVEL, doubt);
    if (worker.single !== this.#single && worker.single !== "")
      this.#listener.onSingle(worker, this.#set.workers);
    this.#doubt = doubt;
    this.#single = worker.single;
  }

  #onChannelEnd(worker: Worker, fault: string | null): void {
    if (worker.state === "ended") return;
    worker.fault = fault;
    if (fault !== null)
      this.#listener.onMessage(worker, ERROR_LEVEL, `broke the protocol: ${fault}`);
    if (this.#exits.channelEnded(worker)) return;
    this.#set.closed(worker, this.#now());
  }

  #onExit(exit: WorkerExit): void {
    const pauseMs = this.#set.exited(exit, this.#now());
    if (pauseMs !== null) this.#listener.onWorkerEnd(exit, pauseMs);
    this.#fence();
    this.#callExitHooks(exit.worker);
    if (this.#state === "stopping" && this.#workers.isEmpty)
      this.#hooksUntil = Math.max(this.#hooksUntil, this.#now() + LEAST_HOOK_MS);
    this.#stopWhenEmpty();
  }

  // The launcher has died at the end of the application: another one, the last, makes the calls.
  #openForHooks(): void {
    try {
      if (!this.#hasReopened)
        this.#launcher = this.#openLauncher(this.#options, this.#shared, this);
    } catch {
      // Without a folder, or a process, nobody can make them.
    }
    this.#hasReopened = true;
    if (this.#launcher === null) this.#hooks.giveUp();
    else this.#hooks.resume(this.#now());
  }

  #hasHook(name: string): boolean {
    return this.#options.application.gunicornHooks.includes(name);
  }

  // As under gunicorn, no worker starts before on_starting has returned.
  async #begin(): Promise<void> {
    try {
      this.#launcher ??= this.#openLauncher(this.#options, this.#shared, this);
    } catch {
      return; // The load that follows fails in the same way, and says why.
    }
    const [outcome, text] = await this.#hooks.run(this.#serverCall("on_starting"), this.#now());
    if (this.#state !== "running")
      throw new StartFailure({ kind: "stopped", text: "the application was stopped" });
    // "lost": the launcher has not come up, and the load that follows says why.
    if (outcome === "failed" || outcome === "late")
      throw new StartFailure({ kind: "hook", text: `on_starting failed\n${text}` });
  }

  #callOfServer(hook: string): void {
    if (this.#hasHook(hook)) void this.#hooks.run(this.#serverCall(hook), this.#now());
  }

  #serverCall(hook: string): HookCall {
    const place = resolvePlace(this.#options.application);
    return { functions: [hook], worker: 0, pid: 0, place };
  }

  #callExitHooks({ number, pid, exitHooks, place }: Worker): void {
    const functions = this.#hasHook("child_exit") ? [...exitHooks, "child_exit"] : exitHooks;
    if (functions.length === 0 || pid === 0 || place === null) return;
    void this.#hooks.run({ functions, worker: number, pid, place }, this.#now());
  }

  #onOverdue(overdue: Overdue, now: number): void {
    const { job } = overdue;
    const worker = this.#workers.get(overdue.worker);
    worker?.overdue.set(job.id, now);
    const report = (stacks: string): void =>
      this.#listener.onOverdue(overdue, stacks, (id) => (id === job.id ? job : this.#jobs.get(id)));
    if (worker?.process) worker.process.askStacks(job.id, report);
    else report("");
    this.#jobs.interrupt(overdue);
  }

  #onStillLoading(lastedMs: number): void {
    const worker = this.#workers.all.findLast(
      ({ state, process }) => state === "starting" && process !== null,
    );
    if (!worker?.process) this.#listener.onStillLoading(lastedMs, null, "");
    else
      worker.process.askLoadingStacks((stack) => {
        // It may have loaded in the meantime.
        if (worker.state === "starting") this.#listener.onStillLoading(lastedMs, worker, stack);
      });
  }

  #onStartOverdue(worker: Worker): void {
    worker.process?.askLoadingStacks((report) => {
      if (worker.state !== "starting" || worker.failure === null) return;
      const stack = formatMainStack(report);
      const { kind, text } = worker.failure;
      const failure = { kind, text: stack === "" ? text : `${text}; it was here:\n${stack}` };
      worker.failure = failure;
      // Workers without a process wait for the template that loads for this one, and end with it.
      for (const one of this.#workers.all)
        if (one.state === "starting" && one.process === null) one.failure = failure;
      this.#set.kill(worker, this.#now());
    });
  }

  #onLoopBlocked(worker: Worker): void {
    worker.process?.askStacks(0, (stacks) =>
      this.#listener.onLoopBlocked(worker, stacks, (id) => this.#jobs.get(id)),
    );
    this.#jobs.interruptLoop(worker.number);
  }

  #stopWhenEmpty(): void {
    if (this.#state !== "stopping" || !this.#workers.isEmpty) return;
    if (this.#launcher === null && !this.#hooks.isIdle) this.#openForHooks();
    if (!this.#hooks.isIdle) return;
    if (this.#launcher !== null && !this.#hasCalledExit) {
      this.#hasCalledExit = true;
      this.#callOfServer("on_exit");
      if (!this.#hooks.isIdle) return;
    }
    if (this.#launcher !== null) {
      this.#launcher.stop();
      return;
    }
    this.#shared?.close();
    this.#shared = null;
    this.#state = "stopped";
    this.#settleStop.resolve();
  }

  // Wakes every worker that may sleep although a worker that has ended left a page in the pipe. Sends at least
  // one fence, because a fence that was taken proves that all pages before it were taken.
  #fence(): void {
    this.#queue?.fence(Math.max(1, this.#workers.takers.length), () => this.#jobs.nextId());
  }

  #startWorker(worker: Worker): void {
    const { number, generation } = worker;
    try {
      this.#launcher ??= this.#openLauncher(this.#options, this.#shared, this);
      worker.place = this.#placeOf(generation);
      this.#launcher.start(number, generation, worker.place);
      // Those of workers that ended while no launcher ran.
      this.#hooks.resume(this.#now());
    } catch (error) {
      // Later, as all ends of workers: the caller is in the middle of its rules.
      setImmediate(() => this.onNotStarted(number, textOf(error)));
    }
  }

  // The first worker of a generation resolves the folders, and the others follow it.
  #placeOf(generation: number): Place {
    const place = this.#places.get(generation) ?? resolvePlace(this.#options.application);
    for (const known of this.#places.keys())
      if (known !== this.#set.generation) this.#places.delete(known);
    this.#places.set(generation, place);
    return place;
  }

  #kill({ number, process }: Worker): void {
    if (process === null) this.#launcher?.signal(number, SIGKILL);
    else process.signal(SIGKILL);
  }
}

function textOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
