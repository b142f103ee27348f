// All Python applications of a server, which start, load their code anew and stop together. Knows no
// route and no listener.

import {
  PythonApplication,
  type ApplicationStatus,
  type ApplicationSurroundings,
} from "./application.ts";
import type { ApplicationConfiguration } from "./config/configuration.ts";
import { CoarseClock } from "./net/coarse-clock.ts";

/** How often late requests and workers are looked for: a 504 may be late by one tick. */
const TICK_MS = 100;

export class Applications {
  /** In the order of the configuration. */
  readonly all: readonly PythonApplication[];
  readonly #clock = new CoarseClock(TICK_MS);

  constructor(
    configurations: readonly ApplicationConfiguration[],
    surroundings: ApplicationSurroundings,
  ) {
    this.all = configurations.map((one) => new PythonApplication(one, surroundings));
  }

  /** Whether every application can take requests. */
  get isReady(): boolean {
    return this.all.every((application) => application.isReady);
  }

  /** Rejects with OperatorError if the code of one does not load. */
  async start(): Promise<void> {
    this.#clock.start(() => {
      for (const application of this.all) application.tick();
    });
    await Promise.all(this.all.map((application) => application.start()));
  }

  /** Lets begun requests finish for at most `graceMs`; `lastExchange` resolves when no request can come any more. */
  async stop(graceMs: number, lastExchange: Promise<void>): Promise<void> {
    await Promise.all(this.all.map((application) => application.stop(graceMs, lastExchange)));
    this.#clock.stop();
  }

  /** Loads the code of every application anew. Null, or why the old code of some of them goes on. */
  async reload(): Promise<string | null> {
    const outcomes = await Promise.all(this.all.map((application) => application.reload()));
    const failures = outcomes.filter((failure) => failure !== null);
    return failures.length === 0 ? null : failures.join("\n");
  }

  /** Development: requests that come from here on wait for `resume`. */
  hold(): void {
    for (const application of this.all) application.hold();
  }

  /** Development: the requests that waited go on. */
  resume(): void {
    for (const application of this.all) application.resume();
  }

  status(): readonly ApplicationStatus[] {
    return this.all.map((application) => application.status());
  }
}
