// The record of one load run, and the report made of it. Pure. Latencies count from the moment a request
// was due; a request that never gets a response stays in the figures with the time it has waited.

import { percentile } from "../statistics.ts";

/** One request of a run. Times are milliseconds after the start of the run. */
export interface Request {
  readonly due: number;
  readonly isSlow: boolean;
}

/** Milliseconds; percentiles of the short requests only, 0 where none were recorded. */
export interface LoadReport {
  readonly sent: number;
  /** Requests with a wrong status, a broken response, or none. */
  readonly failed: number;
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
  /** 99th percentile of how late the generator itself woke, in milliseconds. */
  readonly lateness: number;
  /** Responses a second in the recorded time, of short and slow requests. */
  readonly responsesPerSecond: number;
}

export class LoadRecord {
  /** Recording begins at `from`, after the warm-up, and ends at `to`. */
  readonly #from: number;
  readonly #to: number;
  readonly #latencies: number[] = [];
  readonly #lateness: number[] = [];
  #sent = 0;
  #failed = 0;
  #responses = 0;

  constructor(from: number, to: number) {
    this.#from = from;
    this.#to = to;
  }

  /** A request has become due; the generator saw it at `now`. */
  arrived(request: Request, now: number): void {
    if (request.due < this.#from) return;
    this.#sent++;
    this.#lateness.push(now - request.due);
  }

  /** The response to a request has come, or never will. */
  ended(request: Request, now: number, isSuccess: boolean): void {
    if (!isSuccess) this.#failed++;
    else if (now >= this.#from && now < this.#to) this.#responses++;
    if (request.due >= this.#from && !request.isSlow) this.#latencies.push(now - request.due);
  }

  report(): LoadReport {
    const latencies = Float64Array.from(this.#latencies).sort();
    const at = (share: number): number => (latencies.length > 0 ? percentile(latencies, share) : 0);
    const lateness = Float64Array.from(this.#lateness).sort();
    return {
      sent: this.#sent,
      failed: this.#failed,
      p50: at(0.5),
      p99: at(0.99),
      max: at(1),
      lateness: lateness.length > 0 ? percentile(lateness, 0.99) : 0,
      responsesPerSecond: (this.#responses * 1000) / (this.#to - this.#from),
    };
  }
}
