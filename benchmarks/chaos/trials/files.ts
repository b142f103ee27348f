// Static files under faults: a file becomes shorter while it is sent, the folder is replaced, its file system goes
// away, more files are hot than the cache holds, and clients read 100 MB slowly.

import { execFileSync } from "node:child_process";
import {
  mkdirSync,
  renameSync,
  symlinkSync,
  truncateSync,
  unlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

import { until } from "../../../test/support/deadline.ts";
import { listDescriptors, readAnonymousMemory } from "../../../test/support/processes.ts";
import { askOnce, get, tellAnswer } from "../client.ts";
import { ClosedLoad } from "../closed-load.ts";
import { expectUndisturbed, SMALL_FILE } from "../neighbours.ts";
import { SlowReader } from "../slow-reader.ts";
import type { Subject } from "../subject.ts";
import { mountTmpfs } from "../tmpfs.ts";
import { counts, makeRandom, type Stage, type Trial } from "../trial.ts";

const LARGE_BYTES = 100 << 20;
/** What a client reads before it waits: less than the sockets' buffers hold. */
const FIRST_BYTES = 65_536;
/** A file or folder is never older than this. */
const MAX_AGE_MS = 1000;
const PAGE_BYTES = 200_000;
const DISK_SIZE = "8m";
/** Read from the disk while it is sent. */
const UNCACHED_BYTES = 6 << 20;
/** A server that uses so little between two looks has nothing to do. */
const IDLE_SECONDS = 0.03;
const IDLE_LOOK_MS = 300;
/** Half as much again as the cache may hold (docs/limits.md). */
const HOT_FILES = 192;
const HOT_BYTES = 512 << 10;
const CACHE_BYTES = 64 << 20;
/** Pieces of large files together (docs/limits.md). */
const PIECES_BYTES = 64 << 20;
/** What V8 and malloc may keep besides. */
const SLACK_BYTES = 80 << 20;

const TRIALS = [
  [
    "files.truncated",
    "If a file becomes shorter while it is sent, its response is cut and no other one; the next gets the new length",
    runTruncated,
  ],
  [
    "files.replaced",
    "If the folder is replaced, each response is wholly old or wholly new, and new after a second",
    runReplaced,
  ],
  [
    "files.gone",
    "If the folder's file system goes away, its files get 404, others do not notice, and the files are back with it",
    runGone,
  ],
  [
    "files.cache",
    "If more files are hot than the cache holds, its memory stays within its limit, and others do not notice",
    runCache,
  ],
  [
    "files.slow",
    "Clients that read 100 MB slowly hold a bounded memory, others do not notice, and no descriptor is left",
    runSlow,
  ],
] as const;

export const FILES: readonly Trial[] = TRIALS.map(([name, promise, run]) => ({
  name,
  promise,
  servers: ["typhon"],
  whyNot: "the files of Typhon are tried",
  apps: ["raw"],
  short: ["raw"],
  run,
}));

async function start(stage: Stage, folder: string): Promise<Subject> {
  return await stage.start({ extras: { typhon: ["--static", `/files=${folder}`] } });
}

function makeFolder(stage: Stage, name = "files"): string {
  const folder = join(stage.folder, name);
  mkdirSync(folder);
  writeFileSync(join(folder, SMALL_FILE), "x".repeat(1000));
  return folder;
}

/** Clients that have begun to read the large file and wait. */
async function beginReaders({ port }: Subject, count: number): Promise<SlowReader[]> {
  const request = get("/files/large.bin");
  const readers = Array.from({ length: count }, () => new SlowReader(port, request, FIRST_BYTES));
  await Promise.all(readers.map((reader) => reader.begins()));
  return readers;
}

/** A large file without blocks on the disk. */
function makeLarge(folder: string): string {
  const path = join(folder, "large.bin");
  writeFileSync(path, "");
  truncateSync(path, LARGE_BYTES);
  return path;
}

/** Waits until the server does nothing. */
async function untilIdle(subject: Subject): Promise<void> {
  let before = -Infinity;
  await until("the server is idle", async () => {
    await sleep(IDLE_LOOK_MS);
    const now = subject.cpuSeconds();
    const isIdle = now - before <= IDLE_SECONDS;
    before = now;
    return isIdle;
  });
}

async function runTruncated(stage: Stage): Promise<void> {
  const { verdict } = stage;
  const folder = makeFolder(stage);
  const path = makeLarge(folder);
  const subject = await start(stage, folder);
  const readers = await beginReaders(subject, counts(stage, 8, 40));
  for (const reader of readers)
    verdict.expect(reader.declared === LARGE_BYTES, `a length of ${reader.declared}`);
  truncateSync(path, FIRST_BYTES);
  await Promise.all(readers.map((reader) => reader.readOn()));
  const whole = readers.filter(({ isWhole }) => isWhole).length;
  const most = Math.max(...readers.map(({ received }) => received));
  verdict.did = `${readers.length} readers of 100 MB; the file became 64 KiB long`;
  verdict.figure("most that was sent of it", most / 2 ** 20, "MiB");
  verdict.expect(whole === 0, `${whole} responses were filled up`);
  const next = new SlowReader(subject.port, get("/files/large.bin"), FIRST_BYTES);
  await next.readOn();
  verdict.expect(next.isWhole && next.declared === FIRST_BYTES, `then ${next.declared} bytes`);
  const page = await askOnce(subject.port, get("/quick"));
  verdict.expect(page.status === 200, `a page got ${tellAnswer(page)}`);
}

/** The folder is behind a link that is changed, as deployments do, or is renamed. */
async function runReplaced(stage: Stage): Promise<void> {
  const { verdict } = stage;
  const link = join(stage.folder, "current");
  const release = (version: number): void => {
    const folder = makeFolder(stage, `release-${version}`);
    writeFileSync(join(folder, "page.txt"), `${version % 10}`.repeat(PAGE_BYTES));
    const draft = `${link}.draft`;
    symlinkSync(folder, draft);
    renameSync(draft, link);
  };
  const releases = counts(stage, 3, 12);
  release(0);
  const subject = await start(stage, link);
  let newest = 0;
  const load = new ClosedLoad({
    port: subject.port,
    keptAlive: 6,
    fresh: 2,
    requests: Infinity,
    request: () => get("/files/page.txt"),
    isRight: ({ status, body }) =>
      status === 200 && body.length === PAGE_BYTES && body === body.charAt(0).repeat(PAGE_BYTES),
  });
  load.pauseMs = 2;
  const going = load.run();
  let slowestMs = 0;
  for (newest = 1; newest <= releases; newest += 1) {
    release(newest);
    const since = performance.now();
    const wanted = `${newest % 10}`;
    const isNew = async (): Promise<boolean> =>
      (await askOnce(subject.port, get("/files/page.txt"))).body.startsWith(wanted);
    await until(`version ${newest} is served`, isNew, subject.patienceMs);
    slowestMs = Math.max(slowestMs, performance.now() - since);
  }
  // A folder that takes the name of the old one, without a link.
  unlinkSync(link);
  renameSync(join(stage.folder, "release-0"), link);
  await until(
    "the renamed folder is served",
    async () => (await askOnce(subject.port, get("/files/page.txt"))).body.startsWith("0"),
    subject.patienceMs,
  );
  load.stop();
  await going;
  verdict.did = `${releases} folders, ${load.asked} requests`;
  verdict.figure("slowest change", slowestMs, "ms");
  // A link is away for a moment where a folder takes its name: those requests may get 404.
  const rest = [...load.failures.keys()].filter((what) => what !== "404");
  verdict.expect(rest.length === 0, `failed: ${load.tellFailures()}`);
  verdict.expectInTime(slowestMs <= MAX_AGE_MS + 250, `a change took ${slowestMs.toFixed(0)} ms`);
}

async function runGone(stage: Stage): Promise<void> {
  const { verdict } = stage;
  const folder = makeFolder(stage);
  const disk = join(stage.folder, "disk");
  mountTmpfs(stage, disk, DISK_SIZE);
  const fill = (): void => writeFileSync(join(disk, "page.txt"), Buffer.alloc(UNCACHED_BYTES));
  fill();
  const subject = await stage.start({
    extras: { typhon: ["--static", `/files=${folder}`, "--static", `/disk=${disk}`] },
  });
  const statusOf = async (): Promise<number> =>
    (await askOnce(subject.port, get("/disk/page.txt"))).status;
  verdict.expect((await statusOf()) === 200, "no file before the fault");
  const held = new SlowReader(subject.port, get("/disk/page.txt"), 1000);
  await held.begins();
  await expectUndisturbed(stage, subject, async () => {
    execFileSync("umount", ["--lazy", disk]);
    await until("the file is gone", async () => (await statusOf()) === 404, subject.patienceMs);
    const going = new ClosedLoad({
      port: subject.port,
      keptAlive: 8,
      fresh: 0,
      requests: Infinity,
      request: () => get("/disk/page.txt"),
      isRight: ({ status }) => status === 404,
    });
    going.pauseMs = 5;
    const running = going.run();
    return async () => {
      going.stop();
      await running;
      verdict.did = `${going.asked} requests for a file of an unmounted folder`;
      verdict.expect(going.failed === 0, `they got ${going.tellFailures()}`);
    };
  });
  await held.readOn();
  verdict.expect(held.isWhole, "a response that had begun was cut");
  execFileSync("mount", ["-t", "tmpfs", "-o", `size=${DISK_SIZE}`, "tmpfs", disk]);
  fill();
  await until("the file is back", async () => (await statusOf()) === 200, subject.patienceMs);
}

async function runCache(stage: Stage): Promise<void> {
  const { verdict } = stage;
  const folder = makeFolder(stage);
  for (let at = 0; at < HOT_FILES; at += 1)
    writeFileSync(join(folder, `${at}.bin`), Buffer.alloc(HOT_BYTES, at));
  const subject = await start(stage, folder);
  const before = readAnonymousMemory(subject.front.pid);
  const random = makeRandom(stage.seed);
  const load = new ClosedLoad({
    port: subject.port,
    keptAlive: 8,
    fresh: 0,
    requests: Infinity,
    request: () => get(`/files/${Math.floor(random() * HOT_FILES)}.bin`),
    isRight: ({ status, body }) =>
      status === 200 &&
      body.length === HOT_BYTES &&
      body.charCodeAt(0) === body.charCodeAt(HOT_BYTES - 1),
  });
  // Enough for every file to be asked for, and little work for this program.
  load.pauseMs = 50;
  let most = 0;
  await expectUndisturbed(stage, subject, async () => {
    const going = load.run();
    const looking = setInterval(() => {
      most = Math.max(most, readAnonymousMemory(subject.front.pid) - before);
    }, 50);
    return async () => {
      load.stop();
      await going;
      clearInterval(looking);
    };
  });
  verdict.did = `${load.asked} requests for ${HOT_FILES} files of 512 KiB`;
  verdict.figure("growth of the front's memory", most / 2 ** 20, "MiB");
  verdict.expect(load.failed === 0, `failed: ${load.tellFailures()}`);
  verdict.expect(load.asked > 0, "no file was asked for");
  // Bytes that wait in sockets belong to the load.
  verdict.expectInTime(
    most <= CACHE_BYTES + SLACK_BYTES,
    `the front's memory grew by ${(most / 2 ** 20).toFixed(0)} MiB`,
  );
}

async function runSlow(stage: Stage): Promise<void> {
  const { verdict } = stage;
  const folder = makeFolder(stage);
  makeLarge(folder);
  const subject = await start(stage, folder);
  const { pid } = subject.front;
  await askOnce(subject.port, get(`/files/${SMALL_FILE}`));
  const before = readAnonymousMemory(pid);
  const isOfFolder = (path: string): boolean => path.startsWith(folder);
  let readers: SlowReader[] = [];
  await expectUndisturbed(stage, subject, async () => {
    readers = await beginReaders(subject, counts(stage, 20, 200, 400));
    // The sockets' buffers take some megabytes of each file: until then nobody is slow.
    await untilIdle(subject);
    return async () => {};
  });
  const growth = readAnonymousMemory(pid) - before;
  verdict.did = `${readers.length} clients that wait after 64 KiB of 100 MB`;
  verdict.figure("growth of the front's memory", growth / 2 ** 20, "MiB");
  verdict.expectInTime(
    growth <= PIECES_BYTES + SLACK_BYTES,
    `the front's memory grew by ${(growth / 2 ** 20).toFixed(0)} MiB`,
  );
  const [first, ...others] = readers;
  for (const reader of others) reader.leave();
  await first?.readOn();
  verdict.expect(first?.isWhole === true, "the one that read on did not get the whole file");
  const open = (): number => listDescriptors(pid).filter(isOfFolder).length;
  await until("no file is open", () => open() === 0, subject.patienceMs).catch(() => undefined);
  verdict.expect(open() === 0, `${open()} files are still open`);
}
