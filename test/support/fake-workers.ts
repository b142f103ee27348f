// A launcher and workers without processes: what the pool and its rules ask of them is recorded, what they
// would say is said by the test.

import assert from "node:assert/strict";

import { monotonicMs } from "../../src/workers/clock.ts";
import { FrameType } from "../../src/workers/frame.ts";
import type { HookCall } from "../../src/workers/hook-runs.ts";
import type { LauncherListener, LauncherPort } from "../../src/workers/launcher.ts";
import type { Note } from "../../src/workers/page.ts";
import type { Place } from "../../src/workers/place.ts";
import type { WorkerPort, WorkerProcessListener } from "../../src/workers/worker-process.ts";

export class FakeProcess implements WorkerPort {
  pid: number;
  /** Types of the frames that the worker was sent. */
  readonly sent: number[] = [];
  /** The time that STOP has given it, ms. */
  stoppedWith = 0;
  readonly signals: number[] = [];
  /** Ids of the requests that the worker has noted. */
  noted: number[] = [];
  rss = 0;
  /** What faulthandler says about the process. */
  loadingStacks = "";
  isChannelClosed = false;
  isOrphan = false;
  isGone = false;
  isClosed = false;
  readonly #signalByLauncher: (signal: number) => void;

  constructor(pid: number, signalByLauncher: (signal: number) => void = () => undefined) {
    this.pid = pid;
    this.#signalByLauncher = signalByLauncher;
  }

  tick(): void {
    // There is no channel.
  }

  send(frame: Buffer): void {
    this.sent.push(frame[4] ?? 0);
  }

  say(type: number, id = 0): void {
    this.sent.push(type);
    if (type === FrameType.STOP) this.stoppedWith = id;
  }

  readNotes(): Note[] {
    // The real clock's time: what a pool whose clock runs ahead was told before.
    const takenAt = monotonicMs();
    return this.isClosed ? [] : this.noted.map((id) => ({ id, takenAt, thread: "1" }));
  }

  residentBytes(): number {
    return this.rss;
  }

  askStacks(id: number, onText: (text: string) => void): void {
    onText(`stacks of ${this.pid} for ${id}`);
  }

  askLoadingStacks(onText: (text: string) => void): void {
    onText(this.loadingStacks);
  }

  forked(pid: number): void {
    this.pid = pid;
  }

  tellStacks(): void {
    assert.fail("no stacks were asked for");
  }

  signal(signal: number): void {
    if (this.isOrphan) this.signals.push(signal);
    else this.#signalByLauncher(signal);
  }

  orphan(): void {
    this.isOrphan = true;
  }

  hasExited(): boolean {
    return this.isGone;
  }

  close(): void {
    this.isClosed = true;
  }
}

export class FakeLauncher implements LauncherPort {
  readonly listener: LauncherListener;
  /** Numbers of the workers that are to be forked. */
  readonly started: number[] = [];
  readonly generations = new Map<number, number>();
  /** Generations that start no further worker. */
  readonly retired: number[] = [];
  readonly places = new Map<number, Place>();
  readonly signals: (readonly [worker: number, signal: number])[] = [];
  readonly notified: string[] = [];
  /** Calls of functions by their ids, and the ids of those that were killed. */
  readonly hooks = new Map<number, HookCall>();
  readonly endedHooks: number[] = [];
  readonly processes = new Map<number, FakeProcess>();
  isStopped = false;
  /** Whether the files of workers cannot be opened. */
  isUnreachable = false;
  readonly #ears = new Map<number, WorkerProcessListener>();

  constructor(listener: LauncherListener) {
    this.listener = listener;
  }

  start(worker: number, generation: number, place: Place): void {
    this.generations.set(worker, generation);
    this.places.set(worker, place);
    this.started.push(worker);
  }

  retire(generation: number): void {
    this.retired.push(generation);
  }

  signal(worker: number, signal: number): void {
    this.signals.push([worker, signal]);
  }

  startHook(id: number, call: HookCall): void {
    this.hooks.set(id, call);
  }

  endHook(id: number): void {
    this.endedHooks.push(id);
  }

  notify(text: string): void {
    this.notified.push(text);
  }

  stop(): void {
    this.isStopped = true;
  }

  openWorker(worker: number, pid: number, listener: WorkerProcessListener): FakeProcess {
    if (this.isUnreachable) throw new Error("no such file");
    const process = new FakeProcess(pid, (signal) => this.signal(worker, signal));
    this.processes.set(worker, process);
    this.#ears.set(worker, listener);
    return process;
  }

  processOf(worker: number): FakeProcess {
    const process = this.processes.get(worker);
    assert(process !== undefined, `worker ${worker} was not forked`);
    return process;
  }

  /** What hears the worker. */
  earsOf(worker: number): WorkerProcessListener {
    const ears = this.#ears.get(worker);
    assert(ears !== undefined, `worker ${worker} was not forked`);
    return ears;
  }

  /** Worker `worker` sends a frame. */
  say(
    worker: number,
    type: number,
    payload: string | Buffer = "",
    { id = 0, count = 0, isEnd = false } = {},
  ): void {
    this.earsOf(worker).onFrame(type, id, isEnd, count, Buffer.from(payload));
  }

  /** The process of a worker ends, by a signal or with a code; its channel has ended before, or has not. */
  end(
    worker: number,
    how: { readonly code: number } | { readonly signal: number },
    isChannelClosed = true,
  ): void {
    const process = this.processes.get(worker);
    if (process !== undefined) process.isChannelClosed = isChannelClosed;
    this.listener.onEnded({ worker, code: null, signal: null, peakRss: 1000, ...how });
  }
}
