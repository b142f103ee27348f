// One message or body on its way through zlib, in the threads of Node's pool. Few pieces of all connections pass at
// a time and the others wait, first come, first served: files are read and written in the same threads.

import type { BrotliCompress, DeflateRaw, Gzip, InflateRaw, ZstdCompress } from "node:zlib";

type Zlib = BrotliCompress | DeflateRaw | Gzip | InflateRaw | ZstdCompress;
type OnOutput = (piece: Buffer) => void;
/** `error`: zlib's, or that of `destroy`. */
type OnDone = (error: Error | null) => void;

/** Threads of the pool: libuv's number unless the operator has chosen another one. */
const POOL_THREADS = Number(process.env["UV_THREADPOOL_SIZE"]) || 4;
/** Passes through zlib at a time, of all connections: half of the threads, so that files have the other half. */
export const ZLIB_JOBS = Math.max(1, Math.floor(POOL_THREADS / 2));

/** Bytes that pass through zlib or wait for it. */
interface Pass {
  readonly bytes: Buffer;
  readonly isEnd: boolean;
  readonly onOutput: OnOutput;
  readonly onDone: OnDone;
}

/** All connections share it. */
const jobs: { readonly waiting: ZlibStream[]; running: number } = { waiting: [], running: 0 };

export class ZlibStream {
  readonly #zlib: Zlib;
  #state: "idle" | "waiting" | "running" = "idle";
  #pass: Pass | null = null;
  #inputBytes = 0;
  #outputBytes = 0;

  constructor(zlib: Zlib) {
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
    this.#enqueue({ bytes, isEnd: false, onOutput, onDone });
  }

  /** Passes the last bytes, and zlib writes the end of its format. */
  passLast(bytes: Buffer, onOutput: OnOutput, onDone: OnDone): void {
    this.#enqueue({ bytes, isEnd: true, onOutput, onDone });
  }

  /** Frees zlib's memory, and ends what passes through it with an error. */
  destroy(): void {
    this.#zlib.destroy();
    this.#end(new Error("the connection needs zlib no more"));
  }

  /** Begins to pass the bytes that wait, unless `destroy` was called. */
  start(): void {
    if (this.#state !== "waiting" || this.#pass === null) return;
    const { bytes, isEnd } = this.#pass;
    this.#state = "running";
    this.#inputBytes += bytes.length;
    jobs.running += 1;
    if (isEnd) this.#zlib.once("end", () => this.#end(null)).end(bytes);
    else this.#zlib.write(bytes, () => this.#end(null));
  }

  #enqueue(pass: Pass): void {
    this.#pass = pass;
    this.#state = "waiting";
    jobs.waiting.push(this);
    startWaiting();
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
  while (jobs.running < ZLIB_JOBS) {
    const next = jobs.waiting.shift();
    if (next === undefined) return;
    next.start();
  }
}
