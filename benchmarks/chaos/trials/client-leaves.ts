// Many clients that leave half way through a download or an upload, by a reset or by closing. Afterwards
// the server may hold no thread, descriptor, file or memory for any of them.

import { mkdirSync, readdirSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

import { until } from "../../../test/support/deadline.ts";
import { INSPECTABLE, readLiveHeap } from "../../../test/support/front-heap.ts";
import { listDescriptors } from "../../../test/support/processes.ts";
import { expectWhole } from "../aftermath.ts";
import type { Subject } from "../subject.ts";
import { APP_NAMES, counts, isPlain, SERVER_NAMES, type Stage, type Trial } from "../trial.ts";
import { readVitals, type Vitals } from "../vitals.ts";

const CLIENTS = 32;
/** Share of the clients that leave before memory is read for the first time. */
const WARM_UP_SHARE = 0.3;
/** Four clients in so many move more than Typhon keeps in memory (256 KiB up, 1 MiB down), and stay a while. */
const LARGE_EVERY = 40;
const LARGE_STAY_MS = 30;
const SMALL_BYTES = 4096;
const LARGE_BYTES = 400_000;
const DECLARED_BYTES = 1_000_000;
const SMALL_PAGE = "/download?chunks=40&pause=0.002";
const LARGE_PAGE = "/download?chunks=100&pause=0";
/** Between a FIN and the close, ms. */
const FIN_STAY_MS = 5;
/** Memory that V8 and malloc may keep for later, all processes together. */
const MAX_GROWTH_BYTES = 64 << 20;
/** Growth of the live heap of Typhon's front: 60 bytes a client of the long run. */
const MAX_LIVE_GROWTH_BYTES = 4 << 20;
const SETTLE_MS = 20_000;
/** A client that receives nothing leaves after this. */
const BORED_MS = 5000;
const LOOK_EVERY_MS = 20;

const KINDS = [
  ["download", "reset"],
  ["download", "end"],
  ["upload", "reset"],
  ["upload", "end"],
] as const;
type Kind = (typeof KINDS)[number];

export const CLIENT_LEAVES: readonly Trial[] = [
  {
    name: "client-leaves",
    promise:
      "Clients that leave half way leave nothing behind: no thread, descriptor, file or memory",
    servers: SERVER_NAMES,
    whyNot: "",
    apps: APP_NAMES,
    short: ["raw", "asgi"],
    isSlow: true,
    run,
  },
];

async function run(stage: Stage): Promise<void> {
  const { verdict } = stage;
  const isThorough = stage.server === "typhon" && isPlain(stage.app);
  const total = isThorough ? counts(stage, 400, 20_000, 100_000) : 2_000;
  const spool = join(stage.folder, "spool");
  mkdirSync(spool);
  const subject = await stage.start({
    extras: { typhon: ["--temp-dir", spool] },
    environment: { TMPDIR: spool, ...(stage.server === "typhon" ? INSPECTABLE : {}) },
  });
  const warmUp = Math.ceil(total * WARM_UP_SHARE);
  await leaveMany(subject, warmUp);
  const settleMs = counts(stage, 300, 1500);
  const before = await settle(subject, null, settleMs);
  const filesBefore = countFiles(subject, spool);
  const mostFiles = await watchFiles(subject, spool, leaveMany(subject, total - warmUp));
  const after = await settle(subject, before, settleMs);
  verdict.did = `${total} clients: downloads and uploads, half by reset, half by FIN`;
  const growth = after.rssBytes - before.rssBytes;
  verdict.figure("growth of memory", growth / 2 ** 20, "MiB");
  verdict.expectInTime(
    growth <= MAX_GROWTH_BYTES,
    `memory grew by ${(growth / 2 ** 20).toFixed(0)} MiB`,
  );
  verdict.expect(
    after.descriptors <= before.descriptors,
    `descriptors: ${before.descriptors} before, ${after.descriptors} after`,
  );
  const files = countFiles(subject, spool) - filesBefore;
  verdict.expect(files <= 0, `${files} temporary files were left`);
  if (stage.server === "typhon") {
    const live = after.liveBytes - before.liveBytes;
    verdict.figure("growth of what is in use in the front", live / 2 ** 20, "MiB");
    verdict.expectInTime(
      live <= MAX_LIVE_GROWTH_BYTES,
      `${(live / 2 ** 20).toFixed(1)} MiB more are in use in the front`,
    );
    verdict.figure("temporary files at once", mostFiles, "");
    // Under ASGI bodies stream both ways: there are no temporary files.
    if (!subject.isAsync) verdict.expectInTime(mostFiles > 0, "no temporary file was seen");
  }
  expectClosed(stage, subject);
  await expectWhole(subject, verdict, counts(stage, 50, 1000));
}

/** Each download that began has ended: its iterable was closed. */
function expectClosed({ verdict }: Stage, subject: Subject): void {
  const { begun, ended } = countDownloads(subject);
  verdict.figure("downloads begun", begun, "");
  verdict.expect(begun > 0, "no download was begun");
  verdict.expect(ended === begun, `${begun} downloads were begun, ${ended} ended`);
}

function countDownloads(subject: Subject): { begun: number; ended: number } {
  const notes = subject.notes.lines("downloads");
  const begun = notes.filter((line) => line === "begun").length;
  return { begun, ended: notes.length - begun };
}

async function leaveMany(subject: Subject, count: number): Promise<void> {
  let next = 0;
  const leaveAll = async (): Promise<void> => {
    while (next < count) {
      const index = next;
      next += 1;
      const kind = KINDS[index % KINDS.length];
      if (kind !== undefined) await leaveOnce(subject.port, kind, index % LARGE_EVERY < 4);
    }
  };
  await Promise.all(Array.from({ length: CLIENTS }, leaveAll));
}

/** Downloads until the first bytes have come, or uploads a part; then goes. */
function leaveOnce(port: number, [what, how]: Kind, isLarge: boolean): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const socket = connect({ port, host: "127.0.0.1", noDelay: true });
  const leave = (): void => {
    if (how === "reset") {
      socket.resetAndDestroy();
      return;
    }
    // A FIN by itself first: closing a socket with unread bytes sends a reset.
    socket.end();
    setTimeout(() => socket.destroy(), FIN_STAY_MS);
  };
  const leaveWhenDue = (): void => {
    // Reads no more, so that the server has to keep the rest of its response.
    socket.pause();
    if (isLarge) setTimeout(leave, LARGE_STAY_MS);
    else leave();
  };
  const bored = setTimeout(leave, BORED_MS);
  socket.on("error", () => undefined); // Whatever the server does to it, it is over.
  socket.on("close", () => {
    clearTimeout(bored);
    resolve();
  });
  if (what === "download") {
    socket.once("data", leaveWhenDue);
    const page = isLarge ? LARGE_PAGE : SMALL_PAGE;
    socket.write(`GET ${page} HTTP/1.1\r\nHost: chaos\r\n\r\n`);
    return promise;
  }
  socket.write(`POST /upload HTTP/1.1\r\nHost: chaos\r\nContent-Length: ${DECLARED_BYTES}\r\n\r\n`);
  socket.write(Buffer.alloc(isLarge ? LARGE_BYTES : SMALL_BYTES, "x"), leaveWhenDue);
  return promise;
}

interface Settled extends Vitals {
  /** Live heap of Typhon's front after a garbage collection; 0 for other servers. */
  readonly liveBytes: number;
}

/** Reads as soon as the server holds no more than before, or when it has had time to see that the clients left. */
async function settle(subject: Subject, before: Vitals | null, settleMs: number): Promise<Settled> {
  const read = (): Vitals => readVitals(subject.processes().map(({ pid }) => pid));
  const isAsBefore = (): boolean => {
    const { begun, ended } = countDownloads(subject);
    return begun === ended && (before === null || read().descriptors <= before.descriptors);
  };
  await until("all is as before", isAsBefore, SETTLE_MS).catch(() => undefined);
  const liveBytes = subject.server === "typhon" ? await readLiveHeap(subject) : 0;
  // Freed pages go back to the kernel a moment later.
  await sleep(settleMs);
  return { ...read(), liveBytes };
}

/** Files below `folder`: those with a name, and deleted ones that the server still has open. */
function countFiles(subject: Subject, folder: string): number {
  const named = readdirSync(folder, { recursive: true, withFileTypes: true });
  const open = subject
    .processes()
    .flatMap(({ pid }) => listDescriptors(pid))
    .filter((target) => target.startsWith(folder) && target.endsWith(" (deleted)"));
  return named.filter((entry) => entry.isFile()).length + open.length;
}

/** The most temporary files that were seen at once while `work` was done. */
async function watchFiles(subject: Subject, folder: string, work: Promise<void>): Promise<number> {
  let most = 0;
  const timer = setInterval(() => {
    const own = listDescriptors(subject.front.pid).filter((target) => target.startsWith(folder));
    most = Math.max(most, own.length);
  }, LOOK_EVERY_MS);
  await work.finally(() => clearInterval(timer));
  return most;
}
