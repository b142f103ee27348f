// Writes to one socket: all frames of one turn of the event loop in one write. While the socket has not taken a
// write, frames gather for the next one; DATA is cut only when it can be written, so that what a slow client has
// not taken waits in its stream, and a more urgent stream overtakes it.
//
//   frames ─▶ turn ──end of the turn, nothing being written──▶ writing ──the socket has taken it──▶ pool
//   streams ─ fill ─▲

import type { Socket } from "node:net";

import { STALLED_READER_MS } from "../net/connection-limits.ts";
import type { MemoryBudget } from "../net/memory-budget.ts";
import { HpackOutput } from "./hpack-output.ts";
import { MAX_WAITING_CONTROL_BYTES, TURN_BYTES } from "./limits.ts";

/** Buffers kept for the next turns, and the largest that is kept. A busy server uses one a connection and turn. */
const MAX_FREE = 16;
const MAX_FREE_BYTES = 4 * TURN_BYTES;

/** Writes of one connection in a turn, so that many large responses do not keep the event loop. */
const MAX_WRITES = 16;

const free: HpackOutput[] = [];

/** What the connection adds to a turn, and hears of it. */
export interface OutputSource {
  /** Memory of the bytes that wait in streams. */
  readonly queuedBytes: number;
  /** Cuts DATA of the streams that wait, as far as the turn has room. */
  fill(): void;
  /** Bytes of streams were cut, or the socket has taken bytes. */
  onRoom(): void;
}

export class Output {
  readonly #socket: Socket;
  readonly #source: OutputSource;
  readonly #budget: MemoryBudget;
  /** Turns that were written: as long as it stays the same, frames of the turn can be changed. */
  turns = 0;
  /** Frames for the next write. */
  #turn: HpackOutput | null = null;
  #isPlanned = false;
  /** Bytes that the socket reads from, and its callbacks that have not come. */
  #writing: HpackOutput | null = null;
  #callbacks = 0;
  /** Bytes counted in the budget. */
  #counted = 0;
  /** Bytes that the kernel had taken at the last progress, and the time of the tick that saw it. */
  #taken = -1;
  #takenAt = Infinity;

  /** `budget` counts the memory of what the client has not taken. */
  constructor(socket: Socket, source: OutputSource, budget: MemoryBudget) {
    this.#socket = socket;
    this.#source = source;
    this.#budget = budget;
  }

  /** The frames of this turn: the caller appends whole frames, which are written at the turn's end. */
  get turn(): HpackOutput {
    this.plan();
    return (this.#turn ??= free.pop() ?? new HpackOutput());
  }

  /** Bytes for which the turn has room; only control frames may go beyond. */
  get room(): number {
    return TURN_BYTES - (this.#turn?.length ?? 0);
  }

  /** Whether the socket has not taken the last write. */
  get isBlocked(): boolean {
    return this.#writing !== null;
  }

  /** Whether so many frames wait that the client should be read no further. */
  get isFull(): boolean {
    return this.#writing !== null && (this.#turn?.length ?? 0) > MAX_WAITING_CONTROL_BYTES;
  }

  /** Whether the socket has taken all frames. */
  get isEmpty(): boolean {
    return this.#writing === null && (this.#turn === null || this.#turn.length === 0);
  }

  get memoryBytes(): number {
    return this.#counted;
  }

  /** When the client was seen to take something; Infinity if nothing waited at the last tick. */
  get waitsSince(): number {
    return this.#takenAt;
  }

  /** Writes at the end of this turn of the event loop. */
  plan(): void {
    if (this.#isPlanned) return;
    this.#isPlanned = true;
    flushSoon(this);
  }

  /** Gives the socket all that waits, as far as it takes it. */
  flush(): void {
    this.#isPlanned = false;
    const socket = this.#socket;
    if (socket.destroyed) {
      this.release();
      return;
    }
    for (let writes = 0; this.#writing === null; writes += 1) {
      if (writes === MAX_WRITES) {
        this.#planLater();
        break;
      }
      this.#source.fill();
      const turn = this.#turn;
      if (turn === null || turn.length === 0) break;
      this.#turn = null;
      this.turns += 1;
      this.#writing = turn;
      this.#callbacks += 1;
      socket.write(turn.bytes.subarray(0, turn.length), this.#onTaken);
      if (socket.writableLength === 0) this.#recycle();
    }
    this.#count();
    this.#source.onRoom();
  }

  /** Whether the client has taken nothing for too long; called at each tick. */
  isStalled(now: number): boolean {
    if (this.isEmpty) {
      this.#takenAt = Infinity;
      return false;
    }
    const taken = this.#socket.bytesWritten - this.#socket.writableLength;
    if (taken === this.#taken && this.#takenAt !== Infinity)
      return now - this.#takenAt >= STALLED_READER_MS;
    this.#taken = taken;
    this.#takenAt = now;
    return false;
  }

  /** Gives back all memory: the socket is closed, and may still read from the bytes being written. */
  release(): void {
    this.#turn = null;
    this.#writing = null;
    this.#budget.give(this.#counted);
    this.#counted = 0;
  }

  /** Goes on after other events: a socket that takes all would keep the event loop. */
  #planLater(): void {
    if (this.#isPlanned) return;
    this.#isPlanned = true;
    setImmediate(() => this.flush());
  }

  readonly #onTaken = (error?: Error | null): void => {
    this.#callbacks -= 1;
    // After an error "close" follows.
    if (this.#callbacks > 0 || this.#writing === null || (error ?? null) !== null) return;
    this.#recycle();
    this.flush();
  };

  #recycle(): void {
    const written = this.#writing;
    this.#writing = null;
    if (written === null || free.length >= MAX_FREE || written.bytes.length > MAX_FREE_BYTES)
      return;
    written.length = 0;
    free.push(written);
  }

  /** Counts what the client has not taken. */
  #count(): void {
    const turnBytes = this.#turn?.bytes.length ?? 0;
    const bytes = turnBytes + (this.#writing?.bytes.length ?? 0) + this.#source.queuedBytes;
    if (bytes === this.#counted) return;
    const more = bytes - this.#counted;
    this.#counted = bytes;
    this.#budget.take(more);
  }
}

// Outputs with frames that are written at the end of the turn.
let planned: Output[] = [];

function flushSoon(output: Output): void {
  if (planned.length === 0) queueMicrotask(flushAll);
  planned.push(output);
}

function flushAll(): void {
  const outputs = planned;
  planned = [];
  for (const output of outputs) output.flush();
}
