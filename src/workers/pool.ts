// The workers of one application: how many there are, what becomes of one that ends or is late, and
// the way of a job through them. Raises typed events; writes no logs; knows no HTTP.
//
// A worker that ends: its channel is read to the end, its notes say which requests died with it, a
// fence wakes whoever slept over a stranded page, and a new worker takes its place.

import { Backoff } from "./backoff.ts";
import { readJson, type ChannelListener } from "./channel.ts";
import { monotonic } from "./clock.ts";
import type { Job, Overdue } from "./job.ts";
import { JobTable } from "./job-table.ts";
import type { Opened, WorkerEnd } from "./launcher.ts";
import {
  StartFailure,
  type PoolListener,
  type PoolOptions,
  type PoolReady,
} from "./pool-contract.ts";
import { RequestQueue } from "./queue.ts";
import { Roster } from "./roster.ts";
import { Station, type StationListener } from "./station.ts";
import { FrameFault, FrameType } from "./frame.ts";
import type { Worker } from "./worker.ts";

const SIGKILL = 9;
/** How long the channel of an ended worker is read for what it had still sent, ms. */
const LAST_FRAMES_MS = 1000;
/** A worker with a request past its deadline has so long to come back before it is killed, seconds. */
const OVERDUE_GRACE = 1;

// failed: the start has failed and what it began is ending; nothing of it is told but the failure.
type PoolState = "new" | "starting" | "failed" | "running" | "stopping" | "stopped";

export class Pool implements StationListener {
  readonly #options: PoolOptions;
  readonly #listener: PoolListener;
  readonly #roster = new Roster();
  readonly #backoff = new Backoff();
  readonly #jobs: JobTable;
  #state: PoolState = "new";
  #station: Station | null = null;
  #queue: RequestQueue | null = null;
  #opened: Opened | null = null;
  readonly #settleStart: PromiseWithResolvers<PoolReady> = Promise.withResolvers();
  readonly #settleStop: PromiseWithResolvers<void> = Promise.withResolvers();

  constructor(options: PoolOptions, listener: PoolListener) {
    this.#options = options;
    this.#listener = listener;
    this.#jobs = new JobTable({
      timeout: options.timeout,
      send: (worker, frame) => this.#roster.get(worker)?.channel?.send(frame),
    });
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
    for (const overdue of this.#jobs.tick(now, () => this.#roster.readNotes())) {
      this.#listener.onOverdue(overdue);
      this.#retireOverdue(overdue, now);
    }
    for (const worker of this.#roster.all)
      if (now >= worker.killAt && worker.state !== "ended" && this.#mayKill(worker, now))
        this.#kill(worker);
    this.#fill();
  }

  /** Lets the workers finish what they run for at most `grace` seconds, then ends everything. */
  stop(grace: number): Promise<void> {
    if (this.#state === "new") return Promise.resolve();
    if (this.#isEnding()) return this.#settleStop.promise;
    this.#state = "stopping";
    const killAt = monotonic() + grace;
    for (const worker of this.#roster.all) {
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
    const worker = this.#roster.get(number);
    if (worker === undefined || this.#station === null) return;
    const listener = this.#listenerOf(worker, (fault) => this.#onChannelEnd(worker, fault));
    worker.open(this.#station.directory, pid, listener, (stream, line) =>
      this.#listener.onOutput(worker, stream, line),
    );
  }

  #listenerOf(worker: Worker, onChannelEnd: (fault: string | null) => void): ChannelListener {
    return {
      onFrame: (type, id, isEnd, count, payload) => {
        if (!this.#jobs.onFrame(worker.number, type, id, isEnd, count, payload))
          this.#onWorkerFrame(worker, type, id, count, payload);
      },
      onChannelEnd,
    };
  }

  onEnded(end: WorkerEnd): void {
    const worker = this.#roster.get(end.worker);
    if (worker === undefined) return;
    if (worker.channel === null || worker.channel.isClosed) {
      this.#bury(worker, end);
      return;
    }
    // What it sent before it died may still be on the way; a child of the application that holds the
    // socket must not keep us waiting for its end.
    const timer = setTimeout(() => this.#bury(worker, end), LAST_FRAMES_MS);
    worker.channel.listener = this.#listenerOf(worker, () => {
      clearTimeout(timer);
      this.#bury(worker, end);
    });
  }

  onLauncherLine(line: string): void {
    // What a launcher says that does not come up is in the failure of the start.
    if (this.#opened !== null) this.#listener.onLauncherLine(line);
  }

  onStationEnd(text: string): void {
    if (this.#state === "starting") {
      this.#state = "failed";
      this.#settleStart.reject(new StartFailure({ kind: "launcher", text }));
    }
    for (const worker of this.#roster.all)
      this.#settle(worker, { worker: worker.number, code: null, signal: SIGKILL, peakRss: 0 });
    this.#jobs.loseAll(this.#isEnding() ? "stopped" : "died");
    this.#queue?.close();
    this.#queue = null;
    if (this.#isEnding()) {
      this.#state = "stopped";
      this.#settleStop.resolve();
      return;
    }
    this.#listener.onLauncherEnd(text);
    this.#backoff.note(0, monotonic());
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
        this.#jobs.onFence(id);
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
    if (this.#state !== "starting" || this.#opened === null) return;
    this.#state = "running";
    this.#settleStart.resolve({ ...this.#opened, interface: found });
  }

  #onChannelEnd(worker: Worker, fault: string | null): void {
    if (worker.state === "ended") return;
    if (fault !== null) this.#listener.onMessage(worker, 3, `broke the protocol: ${fault}`, 0);
    // A worker without a channel can neither answer nor be told anything.
    if (worker.state !== "draining" || fault !== null) this.#kill(worker);
  }

  // Its end is known and its channel is read: the requests that it still holds died with it.
  #settle(worker: Worker, end: WorkerEnd): void {
    const wasAsked = worker.state === "draining" || this.#state === "stopping";
    const lost = this.#jobs.loseNoted(worker.readNotes());
    lost.push(...this.#jobs.loseHeldBy(worker.number));
    worker.end();
    this.#roster.remove(worker);
    const isTold = this.#state !== "starting" && this.#state !== "failed";
    if (isTold) this.#listener.onWorkerEnd(worker, end, lost, wasAsked);
  }

  #bury(worker: Worker, end: WorkerEnd): void {
    if (worker.state === "ended") return;
    const wasAsked = worker.state === "draining" || this.#state === "stopping";
    this.#settle(worker, end);
    if (this.#state === "starting") return this.#failStart(worker, end);
    this.#fence();
    const now = monotonic();
    if (!wasAsked) this.#backoff.note(worker.readyAt === 0 ? 0 : now - worker.readyAt, now);
    this.#fill();
    this.#stopWhenEmpty();
  }

  #failStart(worker: Worker, end: WorkerEnd): void {
    const how = end.signal === null ? `with exit code ${end.code}` : `by signal ${end.signal}`;
    const text = `the worker ended ${how} before the application was loaded`;
    this.#state = "failed";
    this.#settleStart.reject(new StartFailure(worker.failure ?? { kind: "ended", text }));
    this.#station?.stop();
  }

  #isEnding(): boolean {
    return ["stopping", "stopped", "failed"].includes(this.#state);
  }

  #stopWhenEmpty(): void {
    if (this.#state === "stopping" && this.#roster.isEmpty) this.#station?.stop();
    if (this.#state !== "stopping" || this.#station !== null) return;
    this.#state = "stopped";
    this.#settleStop.resolve();
  }

  #fill(): void {
    if (this.#state !== "starting" && this.#state !== "running") return;
    const now = monotonic();
    if (!this.#backoff.mayStart(now)) return;
    this.#station ??= new Station(this.#options, this);
    const { workers, threads } = this.#options.application;
    for (let staying = this.#roster.staying; staying < workers; staying += 1)
      this.#station.startWorker(this.#roster.add(threads).number);
  }

  #fence(): void {
    // At least one: it also proves which pages are gone.
    this.#queue?.fence(Math.max(1, this.#roster.takers), () => this.#jobs.nextId());
  }

  #kill(worker: Worker): void {
    worker.killAt = Infinity;
    this.#station?.signalWorker(worker.number, SIGKILL);
  }

  // The thread that is late may never come back: the worker takes no more, another takes its place,
  // and when only late requests are left in it, it is killed.
  #retireOverdue(overdue: Overdue, now: number): void {
    const worker = this.#roster.get(overdue.worker);
    if (worker === undefined) return;
    worker.overdue.add(overdue.job.id);
    worker.channel?.say(FrameType.STACKS);
    worker.drain(now + OVERDUE_GRACE);
  }

  #mayKill(worker: Worker, now: number): boolean {
    if (this.#state === "stopping" || worker.hasOnlyOverdue()) return true;
    worker.killAt = now + OVERDUE_GRACE;
    return false;
  }
}
