// The load generator of the mixed benchmark, a process of its own. Argument: a LoadOrder as JSON;
// prints a LoadReport as JSON.
//
// Open loop: requests are due at a constant rate, whatever the server does, and each latency counts
// from the moment its request was due. The figures of a server that stalls so include every request
// that had to wait, also the requests that a client in a closed loop would not have sent meanwhile
// ("coordinated omission"). Closed loop (rate 0): every connection sends its next request as soon as the
// last one has its response, which finds the capacity of a server.

import { writeFileSync } from "node:fs";
import { setPriority } from "node:os";
import { Worker } from "node:worker_threads";
import { readNumbers } from "../program.ts";
import { clockMs, makeSlowChooser } from "./arrivals.ts";
import { Connection } from "./connection.ts";
import { LoadRecord, type LoadReport, type Request } from "./record.ts";
import type { TickerOrder } from "./ticker.ts";

/** Which requests to send, and where. */
export interface LoadOrder {
  readonly port: number;
  /** Path of the slow tenth. */
  readonly slowPath: string;
  /** 0 = closed loop. */
  readonly requestsPerSecond: number;
  readonly connections: number;
  /** Unrecorded seconds, then recorded ones. */
  readonly warmUpSeconds: number;
  readonly seconds: number;
  readonly seed: number;
}

/** A request without a response so long after the last request was due has failed. */
const DRAIN_MS = 10_000;
/** Broken connections for each open one: a server that breaks more has failed. */
const MAX_RECONNECTS_EACH = 4;
const TICKER_START_MS = 200;
const SHORT_PATH = "/short";
/** The delay of the server is measured, so the generator should not wait for a processor behind workers. */
const PRIORITY = -10;

class Generator {
  readonly #order: LoadOrder;
  readonly #finish: (report: LoadReport) => void;
  readonly #record: LoadRecord;
  readonly #endOfArrivals: number;
  readonly #nextIsSlow: () => boolean;
  /** Connections take turns, as the connections of many clients do. */
  readonly #idle = new Set<Connection>();
  readonly #waiting: Request[] = [];
  readonly #running = new Map<Connection, Request>();
  #phase: "opening" | "arrivals" | "draining" = "opening";
  #begin = 0;
  #reconnects = 0;

  constructor(order: LoadOrder, finish: (report: LoadReport) => void) {
    const from = order.warmUpSeconds * 1000;
    this.#order = order;
    this.#finish = finish;
    this.#endOfArrivals = from + order.seconds * 1000;
    this.#record = new LoadRecord(from, this.#endOfArrivals);
    this.#nextIsSlow = makeSlowChooser(order.seed);
    for (let count = 0; count < order.connections; count++) this.#connect();
  }

  #now(): number {
    return clockMs() - this.#begin;
  }

  #connect(): void {
    new Connection(this.#order.port, {
      onIdle: (connection) => this.#onIdle(connection),
      onResponse: (connection, status) => {
        this.#end(connection, status === 200);
        this.#onIdle(connection);
      },
      onClosed: (connection, hadResponse) => this.#onClosed(connection, hadResponse),
    });
  }

  #onIdle(connection: Connection): void {
    this.#idle.add(connection);
    if (this.#phase === "opening") return this.#startWhenOpen();
    if (this.#phase === "arrivals" && this.#order.requestsPerSecond === 0) this.#arriveClosed();
    this.#sendWaiting();
    this.#finishWhenDrained();
  }

  #onClosed(connection: Connection, hadResponse: boolean): void {
    this.#idle.delete(connection);
    const request = this.#running.get(connection);
    // A server may close an idle connection just as a request is sent: any client sends it again.
    if (request !== undefined && !hadResponse) {
      this.#running.delete(connection);
      this.#waiting.unshift(request);
    }
    this.#end(connection, false);
    this.#reconnects++;
    if (this.#reconnects > this.#order.connections * MAX_RECONNECTS_EACH) {
      throw new Error(`the server broke ${this.#reconnects} connections`);
    }
    this.#connect();
  }

  #startWhenOpen(): void {
    if (this.#idle.size < this.#order.connections) return;
    this.#phase = "arrivals";
    // The ticker's thread takes about 50 ms to start; nothing is due before it runs.
    const head = this.#order.requestsPerSecond > 0 ? TICKER_START_MS : 0;
    this.#begin = clockMs() + head;
    setTimeout(() => this.#stopWaiting(), head + this.#endOfArrivals + DRAIN_MS).unref();
    if (this.#order.requestsPerSecond > 0) return this.#arriveByTicker();
    for (const _ of this.#idle) this.#arriveClosed();
    this.#sendWaiting();
  }

  /** Open loop: the ticker's thread says when a request is due, and ends after the last. */
  #arriveByTicker(): void {
    const { requestsPerSecond } = this.#order;
    const order: TickerOrder = { begin: this.#begin, requestsPerSecond, end: this.#endOfArrivals };
    const ticker = new Worker(new URL("ticker.ts", import.meta.url), { workerData: order });
    ticker.on("message", (due: number) => {
      this.#arriveAt(due, this.#now());
      this.#sendWaiting();
    });
    ticker.on("exit", () => {
      this.#phase = "draining";
      this.#finishWhenDrained();
    });
  }

  /** Closed loop: the next request is due as soon as a connection is free. */
  #arriveClosed(): void {
    const now = this.#now();
    if (now < this.#endOfArrivals) this.#arriveAt(now, now);
    else this.#phase = "draining";
  }

  #arriveAt(due: number, now: number): void {
    const request = { due, isSlow: this.#nextIsSlow() };
    this.#record.arrived(request, now);
    this.#waiting.push(request);
  }

  #sendWaiting(): void {
    for (const connection of this.#idle) {
      const request = this.#waiting.shift();
      if (request === undefined) return;
      this.#idle.delete(connection);
      this.#running.set(connection, request);
      const path = request.isSlow ? this.#order.slowPath : SHORT_PATH;
      connection.send(`GET ${path} HTTP/1.1\r\nHost: bench\r\n\r\n`);
    }
  }

  #end(connection: Connection, isSuccess: boolean): void {
    const request = this.#running.get(connection);
    if (request === undefined) return;
    this.#running.delete(connection);
    this.#record.ended(request, this.#now(), isSuccess);
  }

  #finishWhenDrained(): void {
    if (this.#phase !== "draining" || this.#running.size + this.#waiting.length > 0) return;
    this.#finish(this.#record.report());
  }

  #stopWaiting(): void {
    const now = this.#now();
    for (const request of [...this.#running.values(), ...this.#waiting]) {
      this.#record.ended(request, now, false);
    }
    this.#finish(this.#record.report());
  }
}

/** Reads the argument that mixed.ts wrote; throws where a number is missing. */
function readOrder(json = "null"): LoadOrder {
  const rates = ["requestsPerSecond", "connections", "warmUpSeconds", "seconds"] as const;
  const numbers = readNumbers(json, ["port", "seed", ...rates]);
  return { ...numbers, slowPath: String(Reflect.get(Object(JSON.parse(json)), "slowPath")) };
}

/** Only root may raise it. Without it all servers are measured alike. */
function raisePriority(): void {
  try {
    setPriority(PRIORITY);
    // Where the kernel groups processes by session, niceness counts inside a group only.
    writeFileSync("/proc/self/autogroup", String(PRIORITY));
  } catch {
    process.stderr.write("the generator runs at normal priority\n");
  }
}

raisePriority();
new Generator(readOrder(process.argv[2]), (report) => {
  process.stdout.write(`${JSON.stringify(report)}\n`, () => process.exit(0));
});
