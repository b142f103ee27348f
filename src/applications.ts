// All Python applications of a server, which start, load their code anew and stop together. A new configuration
// may add, change and remove applications while the others serve. Knows no route and no listener.
//
//   configuration ──▶ new, changed: a new application starts ─┐ all serve
//                     unchanged: loads its code anew ─────────┴──────────▶ `onLoaded` (routes) ──▶ left out: ends

import { isDeepStrictEqual } from "node:util";

import {
  PythonApplication,
  type ApplicationStatus,
  type ApplicationContext,
} from "./application.ts";
import type { ApplicationConfiguration, Configuration } from "./config/configuration.ts";
import { OperatorError } from "./config/operator-error.ts";
import { CoarseClock } from "./net/coarse-clock.ts";

/** How often late requests and workers are looked for: a 504 may be late by one tick. */
const TICK_MS = 100;

/** Parts of the server that its applications use. */
type ServerParts = Pick<
  ApplicationContext,
  "log" | "folder" | "openFiles" | "budget" | "isTrustedProxy"
>;

export class Applications {
  /** Asked for a reload, with the reason, because an application cannot go on without one. */
  onReloadNeeded: (reason: string) => void = () => undefined;
  readonly #context: ApplicationContext;
  #all: readonly PythonApplication[];
  /** Applications that the configuration no longer has, until their last request has ended. */
  #leaving: readonly PythonApplication[] = [];
  #left: Promise<unknown> = Promise.resolve();
  readonly #clock = new CoarseClock(TICK_MS);

  constructor(
    { applications, logs, process }: Pick<Configuration, "applications" | "logs" | "process">,
    parts: ServerParts,
  ) {
    this.#context = {
      ...parts,
      tempDir: process.tempDir,
      captureOutput: logs.captureOutput,
      isDevelopment: process.reload,
    };
    this.#all = applications.map((one) => this.#make(one));
  }

  /** In the order of the configuration. */
  get all(): readonly PythonApplication[] {
    return this.#all;
  }

  /** Whether the application of a name can take requests. */
  isReady(name: string): boolean {
    return this.#all.some((application) => application.name === name && application.isReady);
  }

  /** Rejects with OperatorError if the code of one does not load. */
  async start(): Promise<void> {
    this.#clock.start(() => {
      for (const application of this.#all) application.tick();
      for (const application of this.#leaving) application.tick();
    });
    await Promise.all(this.#all.map((application) => application.start()));
  }

  /** The server listens. */
  listening(): void {
    for (const application of this.#all) application.listening();
  }

  /** Lets begun requests finish for at most `graceMs`; `lastExchange` resolves when no request can come any more. */
  async stop(graceMs: number, lastExchange: Promise<void>): Promise<void> {
    await Promise.all(this.#all.map((application) => application.stop(graceMs, lastExchange)));
    await this.#left;
    this.#clock.stop();
  }

  /**
   * Loads the code of all applications of a configuration anew. When all serve, `onLoaded` leads requests to
   * them; applications that the configuration does not have end after their last request. Resolves with null,
   * or with the reason why nothing has changed but the code of other applications that did load.
   */
  async reload(
    configurations: readonly ApplicationConfiguration[],
    onLoaded: (applications: readonly PythonApplication[]) => Promise<void>,
  ): Promise<string | null> {
    const kept = configurations.map((one) => this.#find(one));
    const all = configurations.map((one, index) => kept[index] ?? this.#make(one));
    const started = all.filter((application) => !kept.includes(application));
    const loads = all.map(async (application) =>
      kept.includes(application) ? await application.reload() : await application.start(),
    );
    const outcomes = await Promise.all(loads.map(failureOf));
    const failures = outcomes.filter((failure) => failure !== null);
    // In development an application whose code does not load shows why.
    const mayGoOn = failures.length === 0 || this.#context.isDevelopment;
    const refusal = mayGoOn ? await failureOf(onLoaded(all).then(() => null)) : null;
    if (!mayGoOn || refusal !== null) {
      await Promise.all(started.map((application) => application.stop(0)));
      return [...failures, ...(refusal === null ? [] : [refusal])].join("\n");
    }
    const leaving = this.#all.filter((application) => !all.includes(application));
    this.#all = all;
    for (const application of leaving) {
      const next = all.find(({ name }) => name === application.name);
      next?.holdAll(application.takeHeld());
      this.#leave(application);
    }
    return failures.length === 0 ? null : failures.join("\n");
  }

  /** Development: requests that come from here on wait for `resume`. */
  hold(): void {
    for (const application of this.#all) application.hold();
  }

  /** Development: the requests that waited go on. */
  resume(): void {
    for (const application of this.#all) application.resume();
  }

  status(): readonly ApplicationStatus[] {
    return this.#all.map((application) => application.status());
  }

  #make(configuration: ApplicationConfiguration): PythonApplication {
    const application = new PythonApplication(configuration, this.#context);
    application.onReloadNeeded = (reason): void => this.onReloadNeeded(reason);
    return application;
  }

  /** The application that runs with the same configuration. */
  #find(configuration: ApplicationConfiguration): PythonApplication | undefined {
    return this.#all.find((one) => isDeepStrictEqual(one.configuration, configuration));
  }

  #leave(application: PythonApplication): void {
    this.#leaving = [...this.#leaving, application];
    const left = application.stop(application.configuration.drainTimeoutMs).finally(() => {
      this.#leaving = this.#leaving.filter((one) => one !== application);
    });
    // An application that waits in `hold` for its code lets its requests go on.
    application.resume();
    this.#left = Promise.all([this.#left, left]);
  }
}

/** Null, or the text of a failure, also of a promise that rejects. */
async function failureOf(outcome: Promise<string | null>): Promise<string | null> {
  try {
    return await outcome;
  } catch (error) {
    if (error instanceof OperatorError) return error.text;
    return error instanceof Error ? (error.stack ?? error.message) : String(error);
  }
}
