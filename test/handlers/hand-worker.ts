// A front in this process whose one worker is the test: pages come out of a real pipe, frames go both ways
// through the real table of jobs, and nothing is said to the front but what the test says.

import assert from "node:assert/strict";
import { connect, createServer, type Socket } from "node:net";
import { join } from "node:path";

import { listen } from "../../src/front/listener.ts";
import { AsgiHandler } from "../../src/handlers/asgi/handler.ts";
import type { ApplicationContext } from "../../src/handlers/python/context.ts";
import { HandedFiles, type FileRoot } from "../../src/handlers/python/handed-files.ts";
import { WsgiHandler } from "../../src/handlers/wsgi/handler.ts";
import type { FileCount } from "../../src/net/file-tree.ts";
import type { Exchange } from "../../src/http/exchange.ts";
import { ConnectionMemory, memoryLimits } from "../../src/net/connection-memory.ts";
import { Http1Engine } from "../../src/http1/engine.ts";
import { MemoryBudget } from "../../src/net/memory-budget.ts";
import type { OpenFiles } from "../../src/net/open-files.ts";
import { canonicalPath } from "../../src/routing/canonical-path.ts";
import { msToWireTime, monotonicMs } from "../../src/workers/clock.ts";
import { FrameDecoder, FrameType } from "../../src/workers/frame.ts";
import type { FilePart } from "../../src/workers/job.ts";
import { JobTable } from "../../src/workers/job-table.ts";
import { PAGE_HEADER_BYTES } from "../../src/workers/page.ts";
import { RequestQueue } from "../../src/workers/queue.ts";
import { until } from "../support/deadline.ts";
import { makeFifo } from "../support/fifo.ts";
import { makeScratch, type Scope } from "../support/scratch.ts";
import { makeOpenFiles, makeTempFolder } from "../support/temp-files.ts";

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
  /** The body, where it is in the page. */
  readonly body: string;
}

interface HandWorkerOptions {
  readonly openFiles?: OpenFiles;
  /** Of all temporary files. */
  readonly maxTempBytes?: number;
  /** The clock of their folder. */
  readonly tempNow?: () => number;
  readonly interface?: "asgi" | "wsgi";
  /** From taking to the head. */
  readonly timeoutMs?: number;
  readonly mayRetry?: boolean;
  /** Bytes of responses that may wait for their clients. */
  readonly outputBytes?: number;
  readonly webSocketLimit?: number;
  /** Folders of files that the application may hand over. */
  readonly roots?: readonly FileRoot[];
  readonly isTrustedProxy?: (address: string) => boolean;
}

class CountedFiles implements FileCount {
  limit = 10;
  open = 0;
  mayOpen(): boolean {
    return this.open < this.limit;
  }
  opening(): void {
    this.open += 1;
  }
  opened(): void {
    // Counted since `opening`.
  }
  closing(): void {
    // Counted until `closed`.
  }
  closed(): void {
    this.open -= 1;
  }
}

export class HandWorker {
  readonly table: JobTable;
  readonly told: Told[] = [];
  /** Accepted WebSockets, as the table tells them. */
  webSockets = 0;
  /** What the log is told of the application, and which worker had the request. */
  readonly faults: string[] = [];
  readonly faultyWorkers: number[] = [];
  readonly finished: Exchange[] = [];
  readonly context: ApplicationContext;
  /** Files that are open for clients, and how many may be. */
  readonly fileCount = new CountedFiles();
  readonly handler: AsgiHandler | WsgiHandler;
  /** Gets each exchange. */
  handle = (exchange: Exchange): void => this.handler.handle(exchange);
  readonly connections: Http1Engine;
  port = 0;
  /** For sockets and bodies. */
  readonly folder: string;
  /** The next page of the pipe; null: there is none. */
  readonly readPage: () => Buffer | null;
  readonly #decoder = new FrameDecoder({
    onFrame: (type, id, isEnd, count, payload) =>
      void this.told.push({ type, id, isEnd, count, payload: Buffer.from(payload) }),
  });

  private constructor(scope: Scope, options: HandWorkerOptions) {
    const { timeoutMs = 30_000 } = options;
    const fifo = makeFifo();
    const queue = new RequestQueue(fifo.fd, {
      limit: 20,
      timeoutMs: 5000,
      capacity: 20,
      workers: 1,
      pipePages: 40,
    });
    scope.after(() => {
      queue.close();
      fifo.remove();
    });
    this.readPage = fifo.read;
    const send = (_: number, frames: Buffer): void => this.#decoder.push(frames);
    this.table = new JobTable({
      leastTimeoutMs: timeoutMs,
      webSocketLimit: options.webSocketLimit ?? 20,
      send,
      onWebSocket: (_, change) => void (this.webSockets += change),
    });
    const isAsgi = options.interface !== "wsgi";
    this.table.isConcurrent = isAsgi;
    this.table.use(queue, { cancel: () => undefined });
    this.folder = makeScratch(scope);
    this.context = this.#context(options, timeoutMs, isAsgi);
    this.handler = isAsgi ? new AsgiHandler(this.context, 100) : new WsgiHandler(this.context, 100);
    this.connections = new Http1Engine({
      memory: new ConnectionMemory({
        ...memoryLimits(0),
        output: options.outputBytes ?? 2 ** 30,
      }),
      onExchange: (exchange) => {
        exchange.requestId = "id-1";
        this.handle(exchange);
      },
      onFinish: (exchange) => this.finished.push(exchange),
    });
  }

  static async start(scope: Scope, options: HandWorkerOptions = {}): Promise<HandWorker> {
    const worker = new HandWorker(scope, options);
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
    const page = await until("a page", () => this.readPage());
    const id = Number(page.readBigUInt64LE(8));
    const names = page.readUInt32LE(24);
    const record = names + page.readUInt32LE(28);
    const used = page.readUInt16LE(4);
    const values = page
      .toString("latin1", PAGE_HEADER_BYTES + names, PAGE_HEADER_BYTES + record)
      .split("\0");
    const body = page.toString("latin1", PAGE_HEADER_BYTES + record, PAGE_HEADER_BYTES + used);
    const taken = Buffer.alloc(8);
    taken.writeBigUInt64LE(BigInt(id));
    this.say(FrameType.TAKEN, 0, taken);
    return { id, flags: page.readUInt16LE(6), values, body };
  }

  /** Takes the next page and accepts it. */
  async accept(record = "", count = 0): Promise<number> {
    const { id } = await this.take();
    this.say(FrameType.WS_ACCEPT, id, record, { count });
    return id;
  }

  /** Offers the application a socket, as WS_SOCKET does; returns the application's end. */
  async offer(id: number): Promise<Socket> {
    const accepted = Promise.withResolvers<Socket>();
    const server = createServer({ allowHalfOpen: true }, accepted.resolve);
    const path = join(this.folder, `${id}.socket`);
    await new Promise<void>((resolve) => server.listen(path, resolve));
    const socket = connect({ path, allowHalfOpen: true });
    socket.on("error", () => undefined);
    this.table.get(id)?.listener.onSocket?.(socket);
    const application = await accepted.promise;
    application.on("error", () => undefined);
    server.close();
    return application;
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

  /** Sends the head of a response; it took the request at this moment. */
  head(
    id: number,
    record: string,
    body: string | Buffer = "",
    { isEnd = false, count = 0 } = {},
  ): void {
    const prefix = Buffer.alloc(12);
    prefix.writeDoubleLE(msToWireTime(monotonicMs()));
    prefix.writeUInt32LE(record.length, 8);
    const payload = Buffer.concat([prefix, Buffer.from(record, "latin1"), Buffer.from(body)]);
    this.say(FrameType.HEAD, id, payload, { isEnd, count });
  }

  /** Offers a response with a part of a file. */
  file(id: number, record: string, count: number, part: FilePart): void {
    const prefix = Buffer.alloc(12);
    prefix.writeDoubleLE(msToWireTime(monotonicMs()));
    prefix.writeUInt32LE(record.length, 8);
    const range = Buffer.alloc(16);
    range.writeBigUInt64LE(BigInt(part.offset));
    range.writeBigUInt64LE(BigInt(part.length), 8);
    const bytes = [prefix, Buffer.from(record, "latin1"), range, Buffer.from(part.path)];
    this.say(FrameType.FILE, id, Buffer.concat(bytes), { count });
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

  /** The worker ends, and nobody runs its requests once more. */
  die(): void {
    for (const job of this.table.takeHeld(WORKER, [])) this.table.lose(job, "worker-died");
  }

  #context(options: HandWorkerOptions, timeoutMs: number, isAsgi: boolean): ApplicationContext {
    const { table } = this;
    const { mayRetry = false, openFiles = makeOpenFiles(), maxTempBytes, tempNow } = options;
    const { roots = [], isTrustedProxy = () => false } = options;
    return {
      pool: table,
      folder: makeTempFolder(this.folder, maxTempBytes, openFiles, tempNow),
      openFiles,
      budget: new MemoryBudget(4_000_000),
      timesOf: () => ({ timeoutMs, gapTimeoutMs: 1000 }),
      abandonTimeoutMs: isAsgi ? 120_000 : null,
      mayRetry,
      maxResponseSpill: 64_000_000,
      files: new HandedFiles({ roots, count: this.fileCount, canonicalPath, isTrustedProxy }),
      onFault: (exchange, text) => {
        this.faults.push(text);
        this.faultyWorkers.push(exchange.handling.worker);
      },
      onStoreFailure: (_, error) => void this.faults.push(error.message),
    };
  }
}
