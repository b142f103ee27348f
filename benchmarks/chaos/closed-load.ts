// Clients that ask one request after the other, some on kept-alive connections, some on a fresh one each
// time, and the outcomes of all requests. Goes on until it has sent a number of requests, or is stopped.

import { setTimeout as sleep } from "node:timers/promises";

import { Client, get, PATIENCE_MS, post, tellAnswer, type Answer } from "./client.ts";

/** Pause after a refused connection, so that a closed port is not asked in a busy loop, ms. */
const REFUSED_PAUSE_MS = 10;

export interface ClosedLoadOptions {
  readonly port: number;
  readonly keptAlive: number;
  readonly fresh: number;
  /** Infinity: until stop(). */
  readonly requests: number;
  /** Default: GET /quick. */
  readonly request?: (index: number) => string;
  /** Default: any 200. */
  readonly isRight?: (answer: Answer, index: number) => boolean;
  readonly patienceMs?: number;
}

/** One in so many of `mixedRequest` is a POST that runs for a while: it is never run again. */
const LASTING_EVERY = 8;
const LASTING_SECONDS = 0.005;

/** Short GETs, and now and then a longer POST: a worker that is ended too soon would lose it. */
export function mixedRequest(index: number): string {
  if (index % LASTING_EVERY !== 0) return get("/quick");
  return post(`/token?t=${index}&s=${LASTING_SECONDS}`, String(index));
}

/** Loads that run: one that a broken trial has left would disturb the next. */
const running = new Set<ClosedLoad>();

/** Stops every load on these ports that still runs. */
export function stopLoads(ports: readonly number[]): void {
  for (const load of running) if (ports.includes(load.port)) load.stop();
}

export class ClosedLoad {
  /** Between two requests of one client; may be changed while it runs. */
  pauseMs = 0;
  asked = 0;
  right = 0;
  failed = 0;
  /** Failures where a kept-alive connection ended as the request left: a browser would ask again. */
  stale = 0;
  slowestMs = 0;
  /** Failures by what came instead. */
  readonly failures = new Map<string, number>();
  readonly port: number;
  readonly #options: ClosedLoadOptions;
  #isStopped = false;

  constructor(options: ClosedLoadOptions) {
    this.#options = options;
    this.port = options.port;
  }

  /** Resolves when every request has had its end. */
  async run(): Promise<void> {
    const { keptAlive, fresh } = this.#options;
    running.add(this);
    const clients = Array.from({ length: keptAlive + fresh }, (_, at) =>
      this.#askOn(at >= keptAlive),
    );
    await Promise.all(clients);
    running.delete(this);
  }

  stop(): void {
    this.#isStopped = true;
  }

  /** "3 unanswered, 1 × 502", or "none". */
  tellFailures(): string {
    const parts = [...this.failures].map(([what, count]) => `${count} × ${what}`);
    return parts.length === 0 ? "none" : parts.join(", ");
  }

  async #askOn(isFresh: boolean): Promise<void> {
    const { port, requests, request = () => get("/quick"), patienceMs } = this.#options;
    const client = new Client(port);
    while (!this.#isStopped && this.asked < requests) {
      const index = this.asked;
      this.asked += 1;
      const answer = await client.ask(request(index), patienceMs ?? PATIENCE_MS);
      this.#count(answer, index);
      if (isFresh) client.close();
      if (answer.end === "refused") await sleep(REFUSED_PAUSE_MS);
      if (this.pauseMs > 0) await sleep(this.pauseMs);
    }
    client.close();
  }

  #count(answer: Answer, index: number): void {
    const isRight = this.#options.isRight?.(answer, index) ?? answer.status === 200;
    this.slowestMs = Math.max(this.slowestMs, answer.ms);
    if (isRight) {
      this.right += 1;
      return;
    }
    this.failed += 1;
    if (answer.end === "unanswered" && answer.isReused) this.stale += 1;
    const what = answer.status === 200 ? "a wrong answer" : tellAnswer(answer);
    this.failures.set(what, (this.failures.get(what) ?? 0) + 1);
  }
}
