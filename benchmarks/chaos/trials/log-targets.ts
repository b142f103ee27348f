// An access log whose target takes nothing: a pipe that nobody reads, a full file system, a file that was
// deleted. Requests are answered as if nothing was wrong, and the log goes on as soon as it can.

import { execFileSync } from "node:child_process";
import {
  closeSync,
  constants,
  existsSync,
  openSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";

import { until } from "../../../test/support/deadline.ts";
import { askOnce, get } from "../client.ts";
import { ClosedLoad } from "../closed-load.ts";
import type { Subject } from "../subject.ts";
import { mountTmpfs } from "../tmpfs.ts";
import { counts, type Stage, type Trial } from "../trial.ts";

/** A request that waits for a log waits for ever; one on a busy machine does not wait so long. */
const MAX_SLOWEST_MS = 1000;
/** A line is written within 0.1 s of its request. */
const WRITTEN_MS = 5000;
const FILLER_BYTES = 600_000;

export const LOG_TARGETS: readonly Trial[] = [
  {
    name: "machine.log-pipe",
    promise: "An access log into a pipe that nobody reads costs lines, never requests",
    servers: ["typhon"],
    apps: ["raw"],
    run: runPipe,
  },
  {
    name: "machine.log-full",
    promise:
      "An access log on a full file system costs lines, never requests, and goes on when there is room",
    servers: ["typhon"],
    apps: ["raw"],
    run: runFull,
  },
  {
    name: "machine.log-deleted",
    promise: "An access log that was deleted is made anew on SIGUSR1, no request notices",
    servers: ["typhon"],
    apps: ["raw"],
    run: runDeleted,
  },
];

async function runPipe(stage: Stage): Promise<void> {
  const path = join(stage.folder, "pipe");
  execFileSync("mkfifo", [path]);
  // Somebody holds it open, so that the server can open it, and never reads.
  const held = openSync(path, constants.O_RDWR | constants.O_NONBLOCK);
  stage.after(() => closeSync(held));
  await loadWithLog(stage, path, async () => {});
}

async function runFull(stage: Stage): Promise<void> {
  const { verdict } = stage;
  const folder = join(stage.folder, "small");
  mountTmpfs(stage, folder, "1m");
  const path = join(folder, "access.log");
  const filler = join(folder, "filler");
  writeFileSync(filler, Buffer.alloc(FILLER_BYTES));
  const subject = await loadWithLog(stage, path, async () => {});
  const full = statSync(path).size;
  verdict.figure("log when it was full", full / 1024, "KiB");
  rmSync(filler);
  verdict.expect(await isWritten(subject, path, full), "nothing was written when there was room");
}

async function runDeleted(stage: Stage): Promise<void> {
  const { verdict } = stage;
  const path = join(stage.folder, "access.log");
  const subject = await loadWithLog(stage, path, async (running) => {
    verdict.expect(existsSync(path), "there was no access log");
    rmSync(path, { force: true });
    running.signal("SIGUSR1");
  });
  verdict.expect(await isWritten(subject, path, 0), "no new file was written after SIGUSR1");
}

/** Load with an access log at `path`; `disturb` is done in the midst of it. */
async function loadWithLog(
  stage: Stage,
  path: string,
  disturb: (subject: Subject) => Promise<void>,
): Promise<Subject> {
  const { verdict } = stage;
  const subject = await stage.start({ extras: { typhon: ["--access-log", path] } });
  // More lines than the small file system and the sink's memory take together.
  const requests = counts(stage, 12_000, 30_000);
  const load = new ClosedLoad({ port: subject.port, keptAlive: 12, fresh: 0, requests });
  const going = load.run();
  await until("half of the load", () => load.asked > requests / 2, 60_000);
  await disturb(subject);
  await going;
  verdict.did = `${load.asked} requests`;
  verdict.figure("slowest request", load.slowestMs, "ms");
  verdict.expect(load.failed === 0, `${load.failed} failed: ${load.tellFailures()}`);
  verdict.expect(
    load.slowestMs <= MAX_SLOWEST_MS,
    `a request took ${load.slowestMs.toFixed(0)} ms`,
  );
  return subject;
}

/** Asks once and sees whether the log has grown beyond `bytes`. */
async function isWritten(subject: Subject, path: string, bytes: number): Promise<boolean> {
  await askOnce(subject.port, get("/quick"));
  const hasGrown = (): boolean => existsSync(path) && statSync(path).size > bytes;
  return await until("the log grows", hasGrown, WRITTEN_MS).catch(() => false);
}
