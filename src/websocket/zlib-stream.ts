// One message on its way through zlib, in the threads of Node's pool. A few messages of all connections pass at a
// time and the others wait, because the files of temporary bodies need the same threads.

import type { DeflateRaw, InflateRaw } from "node:zlib";

import { DEFLATE_JOBS } from "./limits.ts";

type OnOutput = (piece: Buffer) => void;
/** `error`: zlib's, or that of `destroy`. */
type OnDone = (error: Error | null) => void;

/** Bytes that pass through zlib or wait for it. */
interface Pass {
  readonly bytes: Buffer;
  readonly onOutput: OnOutput;
  readonly onDone: OnDone;
}

/** All connections share it. */
const jobs: { readonly waiting: ZlibStream[]; running: number } = { waiting: [], running: 0 };

export class ZlibStream {
  readonly #zlib: DeflateRaw | InflateRaw;
  #state: "idle" | "waiting" | "running" = "idle";
  #pass: Pass | null = null;
  #inputBytes = 0;
  #outputBytes = 0;

  constructor(zlib: DeflateRaw | InflateRaw) {
    this.#zlib = zlib;
    zlib.on("data", (piece: Buffer) => {
      this.#outputBytes += piece.length;
      this.#pass?.onOutput(piece);
    });
    zlib.on("error", (error) => this.#end(error));
  }

  /** Bytes of all output so far. */
  get outputBytes(): number {
    return this.#outputBytes;
  }

  /** Bytes of the input that zlib has not taken: they came behind a final block. */
  get ignoredBytes(): number {
    return this.#inputBytes - this.#zlib.bytesWritten;
  }

  /** Passes bytes through zlib, one call after the other. `onDone` is called once, after all output. */
  pass(bytes: Buffer, onOutput: OnOutput, onDone: OnDone): void {
    this.#pass = { bytes, onOutput, onDone };
    this.#state = "waiting";
    jobs.waiting.push(this);
    startWaiting();
  }

  /** Frees zlib's memory, and ends what passes through it with an error. */
  destroy(): void {
    this.#zlib.destroy();
    this.#end(new Error("the connection needs zlib no more"));
  }

  /** Begins to pass the bytes that wait, unless `destroy` was called. */
  start(): void {
    if (this.#state !== "waiting" || this.#pass === null) return;
    const { bytes } = this.#pass;
    this.#state = "running";
    this.#inputBytes += bytes.length;
    jobs.running += 1;
    this.#zlib.write(bytes, () => this.#end(null));
  }

  #end(error: Error | null): void {
    if (this.#state === "running") jobs.running -= 1;
    this.#state = "idle";
    const pass = this.#pass;
    this.#pass = null;
    startWaiting();
    pass?.onDone(error);
  }
}

function startWaiting(): void {
  while (jobs.running < DEFLATE_JOBS) {
    const next = jobs.waiting.shift();
    if (next === undefined) return;
    next.start();
  }
}
