// A trial: a promise, the servers and applications that it is asked of, and the program that finds out. Its
// verdict gathers what was done, figures, and every way in which the promise was broken.

import type { Subject, SubjectOptions } from "./subject.ts";

export const SERVER_NAMES = [
  "typhon",
  "gunicorn-gthread",
  "granian",
  "nginx-gunicorn",
  "uvicorn",
] as const;
export type ServerName = (typeof SERVER_NAMES)[number];

/** raw and flask are WSGI, asgi (without a framework) and fastapi are ASGI. */
export const APP_NAMES = ["raw", "flask", "asgi", "fastapi"] as const;
export type AppName = (typeof APP_NAMES)[number];

/** How much is done: by npm test and npm run test:all, by npm run chaos, or with all counts that are promised. */
export type Size = "short" | "whole" | "full";

export interface Trial {
  /** "group.what"; --only takes either. */
  readonly name: string;
  /** One sentence that is true or not. */
  readonly promise: string;
  /** The servers that it can be asked of. */
  readonly servers: readonly ServerName[];
  /** The servers with an ASGI application, where they are fewer. */
  readonly asgiServers?: readonly ServerName[];
  /** Why it is not asked of the other servers; "" where all are asked. */
  readonly whyNot: string;
  readonly apps: readonly AppName[];
  /** Applications with which npm test does the trial; default: none, an end-to-end test shows the promise. */
  readonly short?: readonly AppName[];
  /** Takes longer than most; begun first where several run side by side. */
  readonly isSlow?: boolean;
  readonly run: (stage: Stage) => Promise<void>;
}

/** What a trial works with. */
export interface Stage {
  readonly server: ServerName;
  readonly app: AppName;
  readonly size: Size;
  /** Requests of the trial that counts them (--requests), or null for its own number. */
  readonly requests: number | null;
  readonly seed: number;
  /** Of this trial alone; the application's notes are there. Removed afterwards. */
  readonly folder: string;
  readonly verdict: Verdict;
  /** Starts the server; it is ended after the trial. */
  start(options?: SubjectOptions): Promise<Subject>;
  /** Undone when the servers of the trial have been ended. */
  after(undo: () => void): void;
}

export interface Figure {
  readonly label: string;
  readonly value: number;
  readonly unit: string;
}

/** The outcome of a trial, while it runs. */
export class Verdict {
  /** Whether milliseconds are judged: not in the short form, which may run on a slow and busy machine. */
  readonly isTimed: boolean;
  /** What was done, with counts. */
  did = "";
  readonly figures: Figure[] = [];
  /** How the promise was broken; none = held. */
  readonly faults: string[] = [];

  constructor(isTimed: boolean) {
    this.isTimed = isTimed;
  }

  figure(label: string, value: number, unit: string): void {
    this.figures.push({ label, value, unit });
  }

  /** A part of the promise: `fault` says what was found instead if it is not kept. */
  expect(isKept: boolean, fault: string): void {
    if (!isKept) this.faults.push(fault);
  }

  /** A part of the promise that depends on the machine's speed or free resources. */
  expectInTime(isKept: boolean, fault: string): void {
    if (this.isTimed) this.expect(isKept, fault);
  }
}

/** The command does not know an option that the trial needs. */
export class NotBuilt extends Error {}

/** The machine does not allow it, such as mounting. */
export class NotPossible extends Error {}

/** 4 in a short run, 20 in a whole one, 100 in a full one: `counts(stage, 4, 20, 100)`. */
export function counts(stage: Stage, short: number, whole: number, full = whole): number {
  return { short, whole, full }[stage.size];
}

/** Whether an application is ASGI. */
export function isAsync(app: AppName): boolean {
  return app === "asgi" || app === "fastapi";
}

/** Whether the application is the plain one of its interface, without a framework before it. */
export function isPlain(app: AppName): boolean {
  return app === "raw" || app === "asgi";
}

/** The servers that a trial is done to with this application. */
export function serversOf(trial: Trial, app: AppName): readonly ServerName[] {
  const asked = isAsync(app) ? (trial.asgiServers ?? trial.servers) : trial.servers;
  // Frameworks are tried with Typhon only: the peers are there to compare servers.
  return asked.filter((one) => speaks(one, app) && (one === "typhon" || isPlain(app)));
}

/** Whether a server speaks the interface of an application. */
export function speaks(server: ServerName, app: AppName): boolean {
  if (server === "uvicorn") return isAsync(app);
  return !isAsync(app) || server === "typhon" || server === "granian";
}

/** Numbers 0 … 1 by a 32-bit linear congruential generator; the same seed gives the same. */
export function makeRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}
