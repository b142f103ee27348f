// A front in this process whose one worker is the test: pages come out of a real pipe, frames go both ways
// through the real books (JobTable), and nothing is said to the front but what the test says.

import assert from "node:assert/strict";

import { listen } from "../../../src/front/listener.ts";
import { AsgiHandler } from "../../../src/handlers/asgi/handler.ts";
import type { ApplicationContext } from "../../../src/handlers/python/context.ts";
import type { Exchange } from "../../../src/http/exchange.ts";
import { Http1Engine } from "../../../src/http1/engine.ts";
import { MemoryBudget } from "../../../src/net/memory-budget.ts";
import { TempFolder } from "../../../src/net/temp-folder.ts";
import { FrameDecoder, FrameType } from "../../../src/workers/frame.ts";
import type { Job } from "../../../src/workers/job.ts";
import { JobTable } from "../../../src/workers/job-table.ts";
import { PAGE_HEADER_BYTES } from "../../../src/workers/page.ts";
import { Pool } from "../../../src/workers/pool.ts";
import { RequestQueue } from "../../../src/workers/queue.ts";
import { until } from "../../support/deadline.ts";
import { makeFifo } from "../../support/fifo.ts";
import type { Scope } from "../../support/scratch.ts";

export const WORKER = 7;

/** A frame that the worker has been sent. */
export interface Told {
  readonly type: number;
  readonly id: number;
  readonly isEnd: boolean;
  readonly count: number;
  readonly payload: Buffer;
}

/** A page that the worker has taken. */
export interface Taken {
  readonly id: number;
  readonly flags: number;
  /** Values of the record. */
  readonly values: readonly string[];
}

export class HandWorker {
  readonly table: JobTable;
  readonly told: Told[] = [];
  readonly faults: string[] = [];
  readonly finished: Exchange[] = [];
  readonly handler: AsgiHandler;
  readonly connections: Http1Engine;
  port = 0;
  readonly #read: () => Buffer | null;
  readonly #decoder = new FrameDecoder({
    onFrame: (type, id, isEnd, count, payload) =>
      void this.told.push({ type, id, isEnd, count, payload: Buffer.from(payload) }),
  });

  private constructor(scope: Scope, timeout: number) {
    const fifo = makeFifo();
    const queue = new RequestQueue(fifo.fd, {
      limit: 20,
      timeout: 5,
      capacity: 20,
      workers: 1,
      pipePages: 40,
    });
    scope.after(() => {
      queue.close();
      fifo.remove();
    });
    this.#read = fifo.read;
    const send = (_: number, frames: Buffer): void => this.#decoder.push(frames);
    this.table = new JobTable({ leastTimeout: timeout, send });
    this.table.isConcurrent = true;
    this.table.use(queue, { cancel: () => undefined });
    this.handler = new AsgiHandler(this.#context(timeout), 100);
    this.connections = new Http1Engine({
      onExchange: (exchange) => {
        exchange.requestId = "id-1";
        this.handler.handle(exchange);
      },
      onFinish: (exchange) => this.finished.push(exchange),
    });
  }

  static async start(scope: Scope, timeout = 30): Promise<HandWorker> {
    const worker = new HandWorker(scope, timeout);
    const address = { kind: "tcp", host: "127.0.0.1", port: 0 } as const;
    const listener = await listen(address, (socket) => worker.connections.accept(socket));
    scope.after(() => {
      listener.close();
      worker.connections.destroyAll();
    });
    worker.port = listener.address.kind === "tcp" ? listener.address.port : 0;
    return worker;
  }

  get url(): string {
    return `ws://127.0.0.1:${this.port}/ws`;
  }

  /** Takes the next page. */
  async take(): Promise<Taken> {
    const page = await until("a page", () => this.#read());
    const id = Number(page.readBigUInt64LE(8));
    const start = PAGE_HEADER_BYTES + page.readUInt32LE(24);
    const values = page.toString("latin1", start, start + page.readUInt32LE(28)).split("\0");
    const taken = Buffer.alloc(8);
    taken.writeBigUInt64LE(BigInt(id));
    this.say(FrameType.TAKEN, 0, taken);
    return { id, flags: page.readUInt16LE(6), values };
  }

  /** Takes the next page and accepts it. */
  async accept(record = "", count = 0): Promise<number> {
    const { id } = await this.take();
    this.say(FrameType.WS_ACCEPT, id, record, { count });
    return id;
  }

  /** Sends a frame to the front. */
  say(
    type: number,
    id: number,
    payload: string | Buffer = "",
    { isEnd = false, count = 0 } = {},
  ): void {
    this.table.onFrame(WORKER, type, id, isEnd, count, Buffer.from(payload));
  }

  /** The application has read so many bytes. */
  grant(id: number, bytes: number): void {
    const payload = Buffer.alloc(4);
    payload.writeUInt32LE(bytes);
    this.say(FrameType.INPUT_CREDIT, id, payload);
  }

  /** The next frame that the worker is told, which must be of this type. */
  async hear(type: number): Promise<Told> {
    const told = await until(`a frame of type ${type}`, () => this.told.shift());
    assert.equal(told.type, type, `not a frame of type ${type}: ${told.type}`);
    return told;
  }

  /** The next message, its pieces joined; each is granted as it comes. */
  async hearMessage(): Promise<{ readonly isText: boolean; readonly bytes: Buffer }> {
    const pieces: Buffer[] = [];
    for (;;) {
      const told = await until("a message", () => this.told.shift());
      const isText = told.type === FrameType.WS_TEXT_IN;
      assert.ok(isText || told.type === FrameType.WS_BINARY_IN, `a frame of type ${told.type}`);
      pieces.push(told.payload);
      this.grant(told.id, told.payload.length);
      if (told.isEnd) return { isText, bytes: Buffer.concat(pieces) };
    }
  }

  /** The worker ends without a word. */
  die(): void {
    for (const job of this.table.takeHeld(WORKER, [])) this.table.lose(job, "worker-died");
  }

  #context(timeout: number): ApplicationContext {
    const { table } = this;
    // What a job asks of its pool.
    const pool: Pool = Object.assign(Object.create(Pool.prototype), {
      submit: (job: Job) => table.submit(job),
      cancel: (job: Job) => table.cancel(job),
      halfClose: (job: Job, isLate: boolean) => table.halfClose(job, isLate),
      credit: (job: Job, bytes: number) => table.credit(job, bytes),
    });
    return {
      pool,
      folder: new TempFolder("/nowhere"),
      budget: new MemoryBudget(1_000_000),
      timesOf: () => ({ timeout, gapTimeout: 1 }),
      mayRetry: false,
      maxResponseSpill: 0,
      onFault: (_, text) => void this.faults.push(text),
      onStoreFailure: () => undefined,
    };
  }
}
