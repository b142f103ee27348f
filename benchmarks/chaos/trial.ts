// What a trial is: a promise, whom it is held against, and what is done to find out. Its verdict gathers
// what was done, figures, and every way in which the promise was broken. Knows no server and no table.

import type { Subject, SubjectOptions } from "./subject.ts";

export const SERVER_NAMES = ["typhon", "gunicorn-gthread", "granian", "nginx-gunicorn"] as const;
export type ServerName = (typeof SERVER_NAMES)[number];

export const APP_NAMES = ["raw", "flask"] as const;
export type AppName = (typeof APP_NAMES)[number];

export interface Trial {
  /** "group.what"; --only takes either. */
  readonly name: string;
  /** One sentence that is true or not. */
  readonly promise: string;
  /** Whom it can be asked of. */
  readonly servers: readonly ServerName[];
  readonly apps: readonly AppName[];
  readonly run: (stage: Stage) => Promise<void>;
}

/** What a trial works with. */
export interface Stage {
  readonly server: ServerName;
  readonly app: AppName;
  readonly isShort: boolean;
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

/** What came of a trial, while it is found out. */
export class Verdict {
  /** What was done, with counts. */
  did = "";
  readonly figures: Figure[] = [];
  /** How the promise was broken; none = held. */
  readonly faults: string[] = [];

  figure(label: string, value: number, unit: string): void {
    this.figures.push({ label, value, unit });
  }

  /** A part of the promise: `fault` says what was found instead if it is not kept. */
  expect(isKept: boolean, fault: string): void {
    if (!isKept) this.faults.push(fault);
  }
}

/** The command does not know an option that the trial needs. */
export class NotBuilt extends Error {}

/** The machine does not allow it, such as mounting. */
export class NotPossible extends Error {}

/** 4 in a short run, 20 in a whole one: `counts(stage, 4, 20)`. */
export function counts(stage: Stage, short: number, whole: number): number {
  return stage.isShort ? short : whole;
}

/** Numbers 0 … 1 by a 32-bit linear congruential generator; the same seed gives the same. */
export function makeRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}
