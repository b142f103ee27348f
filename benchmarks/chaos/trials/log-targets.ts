// An access log whose target takes nothing, or little: a pipe that nobody reads, one that is read slowly,
// one whose reader has gone, a full file system, a file that was deleted. Requests are not affected,
// lost lines are counted, and the log goes on as soon as its target takes lines again.

import { execFileSync } from "node:child_process";
import {
  closeSync,
  constants,
  existsSync,
  openSync,
  readSync,
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

/** A request that waited for the log would wait for ever; a busy machine alone delays it by less than this. */
const MAX_SLOWEST_MS = 1000;
const FILLER_BYTES = 900_000;
/** Fields of a request's target make a line long, so that few requests fill a target. */
const LONG_PAGE = `/quick?${"x".repeat(1500)}`;
/** A reader that takes a page so often is slower than any load. */
const SLOW_READ_BYTES = 4096;
const SLOW_READ_EVERY_MS = 50;

const TRIALS = [
  [
    "machine.log-pipe",
    "If no program reads the pipe of the access log, lines are lost and counted, but no request suffers",
    runPipe,
    ["raw"],
  ],
  [
    "machine.log-slow",
    "If the access log is read slowly, lines are lost and counted, but no request suffers",
    runSlow,
    [],
  ],
  [
    "machine.log-gone",
    "If the reader of the access log ends, lines are lost but no request suffers, and the log goes on with the next reader",
    runGone,
    [],
  ],
  [
    "machine.log-full",
    "If the file system of the access log is full, lines are lost but no request suffers, and the log goes on when there is room",
    runFull,
    [],
  ],
  [
    "machine.log-deleted",
    "An access log that was deleted is created again on SIGUSR1, and no request suffers",
    runDeleted,
    [],
  ],
] as const;

export const LOG_TARGETS: readonly Trial[] = TRIALS.map(([name, promise, run, short]) => ({
  name,
  promise,
  servers: ["typhon"],
  whyNot: "the other servers write no access log with the settings of the benchmarks",
  apps: ["raw"],
  short,
  run,
}));

async function runPipe(stage: Stage): Promise<void> {
  const path = makePipe(stage);
  // A reader holds the pipe open, so that the server can open it, and never reads.
  const held = openSync(path, constants.O_RDWR | constants.O_NONBLOCK);
  stage.after(() => closeSync(held));
  const subject = await loadWithLog(stage, path);
  // Lines that wait are counted as lost when there is room: read it empty.
  const reading = setInterval(() => readSome(held, 65_536), 10);
  await expectCounted(stage, subject);
  clearInterval(reading);
}

async function runSlow(stage: Stage): Promise<void> {
  const path = makePipe(stage);
  const held = openSync(path, constants.O_RDWR | constants.O_NONBLOCK);
  stage.after(() => closeSync(held));
  let step = SLOW_READ_BYTES;
  const reading = setInterval(() => readSome(held, step), SLOW_READ_EVERY_MS);
  const subject = await loadWithLog(stage, path);
  step = 1 << 20;
  await expectCounted(stage, subject);
  clearInterval(reading);
}

async function runGone(stage: Stage): Promise<void> {
  const path = makePipe(stage);
  const first = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  const subject = await loadWithLog(stage, path, async () => closeSync(first));
  const second = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  stage.after(() => closeSync(second));
  let bytes = 0;
  await askUntil(subject, () => {
    bytes += readSome(second, 65_536);
    return bytes > 0;
  });
  stage.verdict.expect(bytes > 0, "nothing was written when somebody read again");
  stage.verdict.expect(subject.events("log.failed").length > 0, "the log does not tell of it");
}

async function runFull(stage: Stage): Promise<void> {
  const { verdict } = stage;
  const folder = join(stage.folder, "small");
  mountTmpfs(stage, folder, "1m");
  const path = join(folder, "access.log");
  const filler = join(folder, "filler");
  writeFileSync(filler, Buffer.alloc(FILLER_BYTES));
  const subject = await loadWithLog(stage, path);
  const full = statSync(path).size;
  verdict.figure("log when it was full", full / 1024, "KiB");
  verdict.expect(subject.events("log.failed").length > 0, "the log does not tell that it is full");
  rmSync(filler);
  const isWritten = await askUntil(subject, () => statSync(path).size > full);
  verdict.expect(isWritten, "nothing was written when there was room");
}

async function runDeleted(stage: Stage): Promise<void> {
  const { verdict } = stage;
  const path = join(stage.folder, "access.log");
  const subject = await loadWithLog(stage, path, async (running) => {
    await until("there is an access log", () => existsSync(path), running.patienceMs);
    rmSync(path, { force: true });
    running.signal("SIGUSR1");
  });
  const isWritten = await askUntil(subject, () => existsSync(path) && statSync(path).size > 0);
  verdict.expect(isWritten, "no new file was written after SIGUSR1");
}

function makePipe(stage: Stage): string {
  const path = join(stage.folder, "pipe");
  execFileSync("mkfifo", [path]);
  return path;
}

/** Reads the bytes that are there; 0 if there are none. */
function readSome(fd: number, most: number): number {
  try {
    return readSync(fd, Buffer.alloc(most));
  } catch {
    return 0; // EAGAIN: it is empty.
  }
}

/** Load with an access log at `path`; `disturb` is done in the midst of it. */
async function loadWithLog(
  stage: Stage,
  path: string,
  disturb: (subject: Subject) => Promise<void> = async () => {},
): Promise<Subject> {
  const { verdict } = stage;
  const subject = await stage.start({ extras: { typhon: ["--access-log", path] } });
  // More bytes than the small file system, a pipe and the sink's memory take together.
  const requests = counts(stage, 4_500, 20_000);
  const load = new ClosedLoad({
    port: subject.port,
    keptAlive: 12,
    fresh: 0,
    requests,
    request: () => get(LONG_PAGE),
  });
  const going = load.run();
  await until("a part of the load", () => load.asked > requests / 4, subject.patienceMs);
  await disturb(subject);
  await going;
  verdict.did = `${load.asked} requests`;
  verdict.figure("slowest request", load.slowestMs, "ms");
  verdict.expect(load.failed === 0, `${load.failed} failed: ${load.tellFailures()}`);
  verdict.expectInTime(
    load.slowestMs <= MAX_SLOWEST_MS,
    `a request took ${load.slowestMs.toFixed(0)} ms`,
  );
  return subject;
}

/** The server's own log tells how many lines of the other one were lost. */
async function expectCounted({ verdict }: Stage, subject: Subject): Promise<void> {
  const lost = (): number =>
    subject.events("log.dropped").reduce((sum, { lines }) => sum + Number(lines), 0);
  const isTold = await askUntil(subject, () => lost() > 0);
  verdict.expect(isTold, "the log does not tell how many lines were lost");
  verdict.figure("lines lost", lost(), "");
}

/** Sends requests until `isSo` holds; false if it never does. */
async function askUntil(subject: Subject, isSo: () => boolean): Promise<boolean> {
  const askAndLook = async (): Promise<boolean> => {
    await askOnce(subject.port, get(LONG_PAGE), subject.patienceMs);
    return isSo();
  };
  return await until("the log goes on", askAndLook, subject.patienceMs).catch(() => false);
}
