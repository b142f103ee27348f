// One trial of one server, from an empty folder to no process left; the outcome is a row. Its servers are
// ended whatever the trial does; after each trial Typhon has to end well.

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { within } from "../../test/support/deadline.ts";
import { readCommand } from "../../test/support/processes.ts";
import { stopLoads } from "./closed-load.ts";
import type { Row, RowOutcome } from "./outcomes.ts";
import { Subject } from "./subject.ts";
import {
  NotBuilt,
  NotPossible,
  Verdict,
  type AppName,
  type ServerName,
  type Size,
  type Stage,
  type Trial,
} from "./trial.ts";

/** A trial that hangs is given up, ms. The longest takes 2 minutes, in a short run 10 seconds. */
const MAX_MS: Readonly<Record<Size, number>> = {
  short: 120_000,
  whole: 360_000,
  full: 3_600_000,
};
const GONE_MS = 20_000;
/** Characters of the log's end that are shown. */
const LAST_WORDS = 1500;

export interface TrialRun {
  readonly server: ServerName;
  readonly app: AppName;
  readonly size: Size;
  /** Whether milliseconds are judged. */
  readonly isTimed: boolean;
  readonly requests: number | null;
  readonly seed: number;
}

/** Does the trial and returns its outcome. Never throws. */
export async function runTrial(trial: Trial, run: TrialRun): Promise<Row> {
  const since = performance.now();
  const folder = mkdtempSync(join(tmpdir(), "typhon-chaos-"));
  // A run that is broken off leaves no folder either.
  const removeFolder = (): void => rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
  process.on("exit", removeFolder);
  const verdict = new Verdict(run.isTimed);
  const subjects: Subject[] = [];
  const undoing: (() => void)[] = [];
  const stage: Stage = {
    ...run,
    folder,
    verdict,
    after: (undo) => void undoing.push(undo),
    start: async (options = {}) => {
      const subject = await Subject.start(run.server, run.app, folder, options, (begun) =>
        subjects.push(begun),
      );
      return subject;
    },
  };
  const obstacle = await attempt(trial, stage);
  stopLoads(subjects.map(({ port }) => port));
  if (obstacle === null && run.server === "typhon")
    for (const subject of subjects) await expectGoodEnd(subject, verdict);
  for (const subject of subjects) subject.kill();
  for (const undo of undoing.toReversed()) undo();
  process.off("exit", removeFolder);
  removeFolder();
  return {
    trial: trial.name,
    promise: trial.promise,
    server: run.server,
    app: run.app,
    size: run.size,
    outcome: obstacle ?? (verdict.faults.length === 0 ? "held" : "broken"),
    did: verdict.did,
    figures: verdict.figures,
    faults: verdict.faults,
    seconds: (performance.now() - since) / 1000,
  };
}

/** Runs the trial; null if it could be done, whatever the verdict. */
async function attempt(trial: Trial, stage: Stage): Promise<RowOutcome | null> {
  const { verdict, size } = stage;
  const running = trial.run(stage);
  try {
    await within(MAX_MS[size], running, "the end of the trial");
    return null;
  } catch (error) {
    running.catch(() => undefined); // It was given up; its servers end under it.
    verdict.faults.push(error instanceof Error ? error.message : String(error));
    if (error instanceof NotBuilt) return "not built";
    return error instanceof NotPossible ? "not possible here" : null;
  }
}

/** After any fault SIGTERM ends the server with exit code 0, and no process is left. */
async function expectGoodEnd(subject: Subject, verdict: Verdict): Promise<void> {
  if (subject.isKilled || subject.main.hasExited) return;
  const exit = await subject.stop();
  const code = exit?.code ?? exit?.signal ?? "nothing: it ran on";
  // The end of its log is all that is left of a trial that may not repeat.
  const words = subject.log.trim().slice(-LAST_WORDS);
  verdict.expect(code === 0, `SIGTERM afterwards ended it with ${code}; its log ends in\n${words}`);
  const isGone = await subject.isGone(GONE_MS);
  const left = subject.processes().map(({ pid }) => `${pid} ${readCommand(pid).slice(0, 80)}`);
  verdict.expect(isGone, `processes were left afterwards: ${left.join(", ")}`);
}
