// The workers of one application: how many there are, what becomes of one that ends or is late, and
// the way of a job through them. Raises typed events; writes no logs; knows no HTTP.
//
// A worker that ends: its channel is read to the end, its notes say which requests died with it, a
// fence wakes whoever slept over a stranded page, and a new worker takes its place.

import type { ChannelListener } from "./channel.ts";
import { readJson } from "./channel.ts";
import { monotonic } from "./clock.ts";
import type { Job } from "./job.ts";
import { JobTable, type Overdue } from "./job-table.ts";
import type { Opened, WorkerEnd } from "./launcher.ts";
import { RequestQueue } from "./queue.ts";
import { Station, type StationListener, type StationOptions } from "./station.ts";
import { FrameFault, FrameType, type Note } from "./wire.ts";
import { Worker, type LoadFailure } from "./worker.ts";

const SIGKILL = 9;
/** How long the channel of an ended worker is read for what it had still sent, ms. */
const LAST_FRAMES_MS = 1000;
/** A worker with a request past its deadline has so long to come back before it is killed, seconds. */
const OVERDUE_GRACE = 1;
/** Pauses between starts of workers that end before they have served for a while, seconds. */
const MIN_BACKOFF = 0.1;
const MAX_BACKOFF = 30;
/** A worker that lived so long is no part of a crash loop, seconds. */
const HEALTHY_AFTER = 5;

export interface PoolOptions extends StationOptions {
  /** How long a request may wait to be begun, seconds. */
  readonly queueTimeout: number;
  /** How many requests may wait. */
  readonly queueLimit: number;
  /** From taking to the head, then between chunks, seconds; 0 = none. */
  readonly timeout: number;
  /** How long a worker that has been told to stop may go on, seconds. */
  readonly gracefulTimeout: number;
}

/** The pool as it is when the first worker has loaded the application. */
export interface PoolReady {
  readonly python: string;
  readonly implementation: string;
  readonly executable: string;
  /** The interface that was found. */
  readonly interface: string;
}

export interface PoolListener {
  onWorkerReady(worker: Worker): void;
  /** `lost`: the requests that died with it. `wasAsked`: it had been told to stop. */
  onWorkerEnd(worker: Worker, end: WorkerEnd, lost: readonly Job[], wasAsked: boolean): void;
  onOutput(worker: Worker, stream: "stdout" | "stderr", line: string): void;
  /** A worker's own message. `level`: 0 debug … 3 error. `job`: the request's number or 0. */
  onMessage(worker: Worker, level: number, text: string, job: number): void;
  onOverdue(overdue: Overdue): void;
  /** The launcher has ended without being asked; all workers went with it and are started anew. */
  onLauncherEnd(text: string): void;
  onLauncherLine(line: string): void;
}

/** The application did not load, or the launcher did not come up. */
export class StartFailure extends Error {
  readonly kind: string;

  constructor(failure: LoadFailure) {
    super(failure.text);
    this.kind = failure.kind;
  }
}

type PoolState = "new" | "starting" | "running" | "stopping" | "stopped";

export class Pool implements StationListener {
  readonly #options: PoolOptions;
  readonly #listener: PoolListener;
  readonly #workers = new Map<number, Worker>();
  readonly #jobs: JobTable;
  #state: PoolState = "new";
  #station: Station | null = null;
  #queue: RequestQueue | null = null;
  #opened: Opened | null = null;
  #lastWorker = 0;
  #backoff = 0;
  /** No start before this second. */
  #startAfter = 0;
  #settleStart: PromiseWithResolvers<PoolReady> = Promise.withResolvers();
  #settleStop: PromiseWithResolvers<void> = Promise.withResolvers();

  constructor(options: PoolOptions, listener: PoolListener) {
    this.#options = options;
    this.#listener = listener;
    this.#jobs = new JobTable({
      timeout: options.timeout,
      send: (worker, frame) => this.#workers.get(worker)?.channel?.send(frame),
    });
  }

  get workers(): readonly Worker[] {
    return [...this.#workers.values()];
  }

  /** Resolves when the first worker has loaded the application; StartFailure if none does. */
  start(): Promise<PoolReady> {
    this.#state = "starting";
    this.#station = new Station(this.#options, this);
    this.#fill();
    return this.#settleStart.promise;
  }

  submit(job: Job): void {
    this.#jobs.submit(job);
  }

  cancel(job: Job): void {
    this.#jobs.cancel(job);
  }

  credit(job: Job, bytes: number): void {
    this.#jobs.credit(job, bytes);
  }

  /** The coarse clock: late requests, late workers, starts that were put off. */
  tick(): void {
    if (this.#state === "new" || this.#state === "stopped") return;
    const now = monotonic();
    for (const overdue of this.#jobs.tick(now, () => this.#readNotes())) {
      this.#listener.onOverdue(overdue);
      this.#retireOverdue(overdue, now);
    }
    for (const worker of this.#workers.values())
      if (now >= worker.killAt && worker.state !== "ended" && this.#mayKill(worker, now))
        this.#kill(worker);
    this.#fill();
  }

  /** Lets the workers finish what they run for at most `grace` seconds, then ends everything. */
  stop(grace: number): Promise<void> {
    if (this.#state === "new") return Promise.resolve();
    if (this.#state === "stopping" || this.#state === "stopped") return this.#settleStop.promise;
    this.#state = "stopping";
    const killAt = monotonic() + grace;
    for (const worker of this.#workers.values()) {
      if (worker.state === "starting") this.#kill(worker);
      else worker.drain(killAt);
    }
    this.#stopWhenEmpty();
    return this.#settleStop.promise;
  }

  onOpened(opened: Opened, queuePath: string): void {
    const { application, queueLimit, queueTimeout } = this.#options;
    this.#opened = opened;
    this.#queue = new RequestQueue(queuePath, {
      limit: queueLimit,
      timeout: queueTimeout,
      capacity: application.workers * application.threads,
      workers: application.workers,
      pipePages: opened.pipePages,
    });
    this.#jobs.use(this.#queue);
  }

  onStarted(number: number, pid: number): void {
    const worker = this.#workers.get(number);
    if (worker === undefined || this.#station === null) return;
    worker.open(this.#station.directory, pid, this.#listenerOf(worker), (stream, line) =>
      this.#listener.onOutput(worker, stream, line),
    );
  }

  #listenerOf(worker: Worker): ChannelListener {
    return {
      onFrame: (type, id, isEnd, count, payload) => {
        if (!this.#jobs.onFrame(worker.number, type, id, isEnd, count, payload))
          this.#onWorkerFrame(worker, type, id, count, payload);
      },
      onChannelEnd: (fault) => this.#onChannelEnd(worker, fault),
    };
  }

  onEnded(end: WorkerEnd): void {
    const worker = this.#workers.get(end.worker);
    if (worker === undefined) return;
    if (worker.channel === null || worker.channel.isClosed) {
      this.#bury(worker, end);
      return;
    }
    // What it sent before it died may still be on the way; a child of the application that holds the
    // socket must not keep us waiting for its end.
    const timer = setTimeout(() => this.#bury(worker, end), LAST_FRAMES_MS);
    worker.channel.listener = {
      onFrame: (type, id, isEnd, count, payload) =>
        this.#jobs.onFrame(worker.number, type, id, isEnd, count, payload),
      onChannelEnd: () => {
        clearTimeout(timer);
        this.#bury(worker, end);
      },
    };
  }

  onLauncherLine(line: string): void {
    this.#listener.onLauncherLine(line);
  }

  onStationEnd(text: string): void {
    if (this.#state === "starting") {
      this.#settleStart.reject(new StartFailure({ kind: "launcher", text }));
      this.#state = "stopping";
    }
    const end = { code: null, signal: SIGKILL, peakRss: 0 };
    for (const worker of this.#workers.values())
      this.#bury(worker, { worker: worker.number, ...end });
    for (const worker of this.#workers.values()) worker.closeOutputs();
    this.#workers.clear();
    this.#jobs.loseAll(this.#state === "stopping" ? "stopped" : "died");
    this.#queue?.close();
    this.#queue = null;
    if (this.#state === "stopping") {
      this.#state = "stopped";
      this.#settleStop.resolve();
      return;
    }
    this.#listener.onLauncherEnd(text);
    this.#slowDown(0);
    this.#station = null;
  }

  #onWorkerFrame(worker: Worker, type: number, id: number, count: number, payload: Buffer): void {
    switch (type) {
      case FrameType.READY:
        this.#onReady(worker, String(readJson(payload).get("interface")));
        break;
      case FrameType.FAILED: {
        const failure = readJson(payload);
        worker.failure = { kind: String(failure.get("kind")), text: String(failure.get("text")) };
        break;
      }
      case FrameType.STOPPED:
        this.#fence();
        break;
      case FrameType.LOG:
        this.#listener.onMessage(worker, count, payload.toString("utf8"), id);
        break;
      case FrameType.FENCE:
        break;
      case FrameType.POISONED:
        // Nothing that lies in this pipe can be trusted: a new pipe, and so a new launcher.
        this.#listener.onMessage(worker, 3, payload.toString("utf8"), 0);
        this.#station?.stop();
        break;
      default:
        throw new FrameFault(`a frame of type ${type}`);
    }
  }

  #onReady(worker: Worker, found: string): void {
    worker.load(monotonic());
    worker.take();
    this.#listener.onWorkerReady(worker);
    if (this.#state !== "starting") return;
    this.#state = "running";
    this.#settleStart.resolve({
      python: this.#opened?.python ?? "",
      implementation: this.#opened?.implementation ?? "",
      executable: this.#opened?.executable ?? "",
      interface: found,
    });
  }

  #onChannelEnd(worker: Worker, fault: string | null): void {
    if (worker.state === "ended") return;
    if (fault !== null) this.#listener.onMessage(worker, 3, `broke the protocol: ${fault}`, 0);
    // A worker without a channel can neither answer nor be told anything.
    if (worker.state !== "draining" || fault !== null) this.#kill(worker);
  }

  // Its end is known and its channel is read: the requests that it still holds died with it.
  #bury(worker: Worker, end: WorkerEnd): void {
    if (worker.state === "ended") return;
    const wasExpected = worker.state === "draining" || this.#state === "stopping";
    const lost = this.#jobs.loseNoted(worker.readNotes());
    lost.push(...this.#jobs.loseHeldBy(worker.number));
    worker.end();
    this.#workers.delete(worker.number);
    if (this.#state === "starting") {
      this.#failStart(worker, end);
      return;
    }
    this.#listener.onWorkerEnd(worker, end, lost, wasExpected);
    this.#fence();
    if (!wasExpected) this.#slowDown(worker.readyAt === 0 ? 0 : monotonic() - worker.readyAt);
    this.#fill();
    this.#stopWhenEmpty();
  }

  #failStart(worker: Worker, end: WorkerEnd): void {
    const how = end.signal === null ? `with exit code ${end.code}` : `by signal ${end.signal}`;
    const text = `the worker ended ${how} before the application was loaded`;
    this.#settleStart.reject(new StartFailure(worker.failure ?? { kind: "ended", text }));
    this.#state = "stopping";
    this.#station?.stop();
  }

  #stopWhenEmpty(): void {
    if (this.#state === "stopping" && this.#workers.size === 0) this.#station?.stop();
    if (this.#state !== "stopping" || this.#station !== null) return;
    this.#state = "stopped";
    this.#settleStop.resolve();
  }

  // A crash loop must not spin: each start that did not last puts the next one off for longer.
  #slowDown(lived: number): void {
    this.#backoff =
      lived >= HEALTHY_AFTER ? 0 : Math.min(MAX_BACKOFF, Math.max(MIN_BACKOFF, this.#backoff * 2));
    // The first that goes is replaced at once.
    if (this.#backoff > MIN_BACKOFF) this.#startAfter = monotonic() + this.#backoff;
  }

  #fill(): void {
    if (this.#state !== "starting" && this.#state !== "running") return;
    const now = monotonic();
    if (now < this.#startAfter) return;
    this.#station ??= new Station(this.#options, this);
    let live = 0;
    for (const worker of this.#workers.values())
      if (worker.state !== "draining" && worker.state !== "ended") live += 1;
    for (; live < this.#options.application.workers; live += 1) {
      this.#lastWorker += 1;
      const { threads } = this.#options.application;
      this.#workers.set(this.#lastWorker, new Worker(this.#lastWorker, threads, monotonic()));
      this.#station.startWorker(this.#lastWorker);
    }
  }

  #fence(): void {
    let sleepers = 0;
    for (const worker of this.#workers.values()) if (worker.state === "taking") sleepers += 1;
    this.#queue?.fence(sleepers, () => this.#jobs.nextId());
  }

  #kill(worker: Worker): void {
    worker.killAt = Infinity;
    this.#station?.signalWorker(worker.number, SIGKILL);
  }

  // The thread that is late may never come back: the worker takes no more, another takes its place,
  // and when only late requests are left in it, it is killed.
  #retireOverdue(overdue: Overdue, now: number): void {
    const worker = this.#workers.get(overdue.worker);
    if (worker === undefined) return;
    worker.overdue.add(overdue.job.id);
    worker.channel?.say(FrameType.STACKS);
    worker.drain(now + OVERDUE_GRACE);
  }

  #mayKill(worker: Worker, now: number): boolean {
    if (worker.overdue.size === 0 || this.#state === "stopping") return true;
    const others = worker.readNotes().some((note) => !worker.overdue.has(note.id));
    if (others) worker.killAt = now + OVERDUE_GRACE;
    return !others;
  }

  #readNotes(): ReadonlyMap<number, [number, Note]> {
    const notes = new Map<number, [number, Note]>();
    for (const worker of this.#workers.values())
      for (const note of worker.readNotes()) notes.set(note.id, [worker.number, note]);
    return notes;
  }
}
