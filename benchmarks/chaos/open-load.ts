// Requests at a constant rate, however slow the server is, on as many connections as that takes. Counts
// responses by status and keeps the time of each from its sending.

import { setTimeout as sleep } from "node:timers/promises";

import { clockMs, dueAt } from "../load/arrivals.ts";
import { percentile } from "../statistics.ts";
import { Client, tellAnswer } from "./client.ts";

export interface OpenLoadOptions {
  readonly port: number;
  readonly request: string;
  readonly perSecond: number;
  readonly seconds: number;
  /** Beyond so many open requests none is sent, and counted as not offered. */
  readonly maxConnections: number;
  readonly patienceMs: number;
}

/** Between two looks at what is due, ms. */
const STEP_MS = 2;

export class OpenLoad {
  offered = 0;
  notOffered = 0;
  connections = 0;
  /** Answers, by status or what came instead, with their times in ms. */
  readonly outcomes = new Map<string, number[]>();
  /** Answers that came before the offering ended, by the same. */
  readonly inTime = new Map<string, number>();
  readonly #options: OpenLoadOptions;
  readonly #idle: Client[] = [];
  readonly #open = new Set<Promise<void>>();
  #isOffering = true;

  constructor(options: OpenLoadOptions) {
    this.#options = options;
  }

  /** Resolves when every request has had its end. */
  async run(): Promise<void> {
    const { perSecond, seconds } = this.#options;
    const begin = clockMs();
    for (let index = 0; index < perSecond * seconds;) {
      const now = clockMs() - begin;
      for (; index < perSecond * seconds && dueAt(index, perSecond) <= now; index += 1) this.#ask();
      await sleep(STEP_MS);
    }
    this.#isOffering = false;
    await Promise.all(this.#open);
    for (const client of this.#idle) client.close();
  }

  count(what: string): number {
    return this.outcomes.get(what)?.length ?? 0;
  }

  /** A percentile of the times of one outcome, ms; 0 if there is none. */
  percentile(what: string, share: number): number {
    const times = Float64Array.from(this.outcomes.get(what) ?? []).sort();
    return times.length === 0 ? 0 : percentile(times, share);
  }

  /** "2,012 × 200, 17,988 × 503". */
  tellOutcomes(): string {
    return [...this.outcomes].map(([what, times]) => `${times.length} × ${what}`).join(", ");
  }

  #ask(): void {
    const { port, request, maxConnections, patienceMs } = this.#options;
    if (this.#open.size >= maxConnections) {
      this.notOffered += 1;
      return;
    }
    this.offered += 1;
    let client = this.#idle.pop();
    if (client === undefined) {
      client = new Client(port);
      this.connections += 1;
    }
    const done = this.#await(client, client.ask(request, patienceMs)).finally(() =>
      this.#open.delete(done),
    );
    this.#open.add(done);
  }

  async #await(client: Client, asked: ReturnType<Client["ask"]>): Promise<void> {
    const answer = await asked;
    const what = tellAnswer(answer);
    const times = this.outcomes.get(what);
    if (times === undefined) this.outcomes.set(what, [answer.ms]);
    else times.push(answer.ms);
    if (this.#isOffering) this.inTime.set(what, (this.inTime.get(what) ?? 0) + 1);
    this.#idle.push(client);
  }
}
