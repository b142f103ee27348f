// What the machine, or the container, allows: cores, memory, open files, the kernel's limits, shared memory, folders,
// the clock. The facts are read from Node and from /proc; the checks are pure.

import { readFileSync, statfsSync } from "node:fs";
import { cpus, platform, release } from "node:os";

import type { Configuration } from "../config/configuration.ts";
import { usableCores } from "../config/cores.ts";
import { mayWriteIn } from "../config/paths.ts";
import { machineMemoryBytes } from "../net/memory-budget.ts";
import { finding, type Finding } from "./finding.ts";

const MIB = 1_048_576;
/** An interpreter with a framework takes about so much. */
const WORKER_BYTES = 64 * MIB;
/** Notes of a worker, at least (docs/limits.md). */
const NOTES_BYTES = 266_240;
/** Descriptors that workers take at their start (net/open-files.ts). */
const DESCRIPTORS_A_WORKER = 5;
/** Fewer connections than this are soon used up. */
const FEW_CONNECTIONS = 1000;
/** The queue's pipe, as Linux has it. */
const USUAL_PIPE_BYTES = MIB;
/** A user's pipes have room for eight such queues; Linux's own limit is 16,384 pages. */
const FEW_PIPE_PAGES = 2048;
/** The backlog that Typhon asks for (front/listener.ts). */
const BACKLOG = 2048;
/** A project with its packages may have so many folders. */
const FEW_WATCHES = 8192;
/** Free space for temporary files below which large bodies are soon refused. */
const FEW_TEMP_BYTES = 256 * MIB;
/** This build was made later. */
const BUILT_AFTER = Date.UTC(2026, 10, 1);
/** A file system in memory (statfs(2)). */
const TMPFS = 0x0102_1994;

export interface FolderFacts {
  readonly path: string;
  readonly freeBytes: number;
  readonly isMemory: boolean;
  readonly mayWrite: boolean;
}

export interface MachineFacts {
  readonly platform: string;
  readonly kernel: string;
  readonly online: number;
  readonly usable: number;
  readonly memoryBytes: number;
  readonly availableBytes: number;
  /** Infinity: no limit; null: not known, as below. */
  readonly openFiles: number | null;
  readonly pipeBytes: number | null;
  /** Pages of all pipes of a user without rights; 0: no limit. */
  readonly pipePages: number | null;
  readonly somaxconn: number | null;
  readonly watches: number | null;
  /** Null: there is none. */
  readonly sharedMemory: FolderFacts | null;
  readonly isRoot: boolean;
  /** Milliseconds since 1970. */
  readonly now: number;
}

export function readMachine(now: number): MachineFacts {
  return {
    platform: platform(),
    kernel: release(),
    online: cpus().length,
    usable: usableCores(),
    memoryBytes: machineMemoryBytes(),
    availableBytes: process.availableMemory(),
    openFiles: openFilesIn(readText("/proc/self/limits") ?? ""),
    pipeBytes: numberIn("/proc/sys/fs/pipe-max-size"),
    pipePages: numberIn("/proc/sys/fs/pipe-user-pages-soft"),
    somaxconn: numberIn("/proc/sys/net/core/somaxconn"),
    watches: numberIn("/proc/sys/fs/inotify/max_user_watches"),
    sharedMemory: readFolder("/dev/shm"),
    isRoot: process.geteuid?.() === 0,
    now,
  };
}

/** Null: it is not there. */
export function readFolder(path: string): FolderFacts | null {
  try {
    const { bavail, bsize, type } = statfsSync(path);
    const isMemory = type === TMPFS;
    return { path, freeBytes: bavail * bsize, isMemory, mayWrite: mayWriteIn(path) };
  } catch {
    return null;
  }
}

/** The soft limit of open files in the text of /proc/self/limits; null: none is found. */
export function openFilesIn(limits: string): number | null {
  const [, soft] = /^Max open files\s+(\d+|unlimited)/m.exec(limits) ?? [];
  if (soft === undefined) return null;
  return soft === "unlimited" ? Infinity : Number(soft);
}

function numberIn(path: string): number | null {
  const text = readText(path)?.trim() ?? "";
  return /^\d+$/.test(text) ? Number(text) : null;
}

function readText(path: string): string | null {
  try {
    return readFileSync(path, "utf8");
  } catch {
    // Not Linux, or a container that hides it.
    return null;
  }
}

/** Workers of all applications: chosen ones, else a worker for each core. */
export function checkMachine(facts: MachineFacts, workers: number): readonly Finding[] {
  return [
    checkKernel(facts),
    checkCores(facts, workers),
    checkMemory(facts, workers),
    ...checkOpenFiles(facts.openFiles, workers),
    ...checkKernelLimits(facts),
    ...checkSharedMemory(facts, workers),
    checkClock(facts.now),
  ];
}

function checkKernel({ platform: system, kernel }: MachineFacts): Finding {
  if (system === "linux") return finding("ok", "system", `Linux ${kernel}`);
  return finding("note", "system", `${system} ${kernel}`, "for development; serve from Linux");
}

function checkCores({ online, usable }: MachineFacts, workers: number): Finding {
  const of =
    usable < online
      ? `${usable} of ${online} cores, by affinity or CPU quota`
      : count(usable, "core");
  const fact = `${of}; ${count(workers, "worker")}`;
  if (workers <= 4 * usable) return finding("ok", "cores", fact);
  return finding(
    "note",
    "cores",
    fact,
    "for applications that wait, more --threads need less memory than --workers",
  );
}

function checkMemory({ memoryBytes, availableBytes }: MachineFacts, workers: number): Finding {
  const fact = `${size(availableBytes)} of ${size(memoryBytes)} available`;
  const needed = workers * WORKER_BYTES;
  if (availableBytes >= needed) return finding("ok", "memory", fact);
  return finding(
    "warn",
    "memory",
    `${fact}; ${count(workers, "worker")} may need ${size(needed)} or more`,
    "fewer --workers, or more memory",
  );
}

function checkOpenFiles(limit: number | null, workers: number): readonly Finding[] {
  if (limit === null) return [];
  if (limit === Infinity) return [finding("ok", "open files", "no limit")];
  // A tenth is kept for logs, reloads and new workers.
  const connections = Math.max(0, Math.floor(limit * 0.9) - workers * DESCRIPTORS_A_WORKER);
  const fact = `limit ${limit}: about ${connections} connections at once`;
  if (connections >= FEW_CONNECTIONS) return [finding("ok", "open files", fact)];
  return [finding("warn", "open files", fact, "ulimit -n 65536, or LimitNOFILE=65536 in a unit")];
}

function checkKernelLimits({
  pipeBytes,
  pipePages,
  somaxconn,
  watches,
  isRoot,
}: MachineFacts): readonly Finding[] {
  const findings: Finding[] = [];
  if (pipeBytes !== null && pipeBytes < USUAL_PIPE_BYTES)
    findings.push(
      finding(
        "note",
        "pipes",
        `fs.pipe-max-size is ${size(pipeBytes)}: fewer requests wait in the kernel's queue, the others in the main process`,
        `sysctl fs.pipe-max-size=${USUAL_PIPE_BYTES}`,
      ),
    );
  if (pipePages !== null && pipePages > 0 && pipePages < FEW_PIPE_PAGES && !isRoot)
    findings.push(
      finding(
        "note",
        "pipes",
        `fs.pipe-user-pages-soft is ${pipePages}: this user's pipes become small when together they have more pages`,
        "sysctl fs.pipe-user-pages-soft=16384",
      ),
    );
  if (somaxconn !== null && somaxconn < BACKLOG)
    findings.push(
      finding(
        "note",
        "backlog",
        `net.core.somaxconn is ${somaxconn}: a burst of new connections may be refused`,
        `sysctl net.core.somaxconn=4096`,
      ),
    );
  if (watches !== null && watches < FEW_WATCHES)
    findings.push(
      finding(
        "note",
        "watches",
        `fs.inotify.max_user_watches is ${watches}: --reload may not see every folder`,
        "sysctl fs.inotify.max_user_watches=65536",
      ),
    );
  if (findings.length > 0) return findings;
  return [finding("ok", "kernel limits", "pipes, backlog and watches are large enough")];
}

function checkSharedMemory(
  { platform: system, sharedMemory }: MachineFacts,
  workers: number,
): readonly Finding[] {
  if (system !== "linux") return [];
  const elsewhere = "workers start in the folder for temporary files instead, on a disk";
  if (sharedMemory === null || !sharedMemory.mayWrite)
    return [
      finding(
        "note",
        "/dev/shm",
        `is not there, or not writable; ${elsewhere}`,
        "mount a tmpfs there",
      ),
    ];
  const { freeBytes } = sharedMemory;
  const fact = `${size(freeBytes)} free`;
  if (freeBytes >= 2 * workers * NOTES_BYTES) return [finding("ok", "/dev/shm", fact)];
  return [
    finding(
      "warn",
      "/dev/shm",
      `${fact}; ${count(workers, "worker")} and a reload need ${size(2 * workers * NOTES_BYTES)}`,
      "give it more: --shm-size in Docker, sizeLimit of an emptyDir in Kubernetes",
    ),
  ];
}

function checkClock(now: number): Finding {
  const time = new Date(now).toISOString().replace(/\.\d+Z$/, "Z");
  if (now >= BUILT_AFTER) return finding("ok", "clock", time);
  return finding(
    "fail",
    "clock",
    `${time} is before this Typhon was built: certificates seem not valid yet`,
    "set the clock",
  );
}

/** The folder of --temp-dir, and what all files in it may have. */
export function checkTempFolder(
  facts: FolderFacts | null,
  { tempDir, maxTempSize }: Configuration["process"],
): Finding {
  if (facts === null)
    return finding("fail", "temp folder", `${tempDir} is not there`, "name another by --temp-dir");
  const fact = `${tempDir}, ${size(facts.freeBytes)} free${facts.isMemory ? ", in memory" : ""}`;
  if (facts.freeBytes < Math.min(maxTempSize, FEW_TEMP_BYTES))
    return finding(
      "warn",
      "temp folder",
      `${fact}: large bodies get 507 when it is full`,
      "free some, or name another folder by --temp-dir",
    );
  if (facts.isMemory)
    return finding(
      "note",
      "temp folder",
      fact,
      "bodies count as memory there; --temp-dir names a folder on a disk, --max-temp-size limits them",
    );
  return finding("ok", "temp folder", fact);
}

function size(bytes: number): string {
  for (const [unit, name] of [
    [1024 ** 3, "GiB"],
    [MIB, "MiB"],
  ] as const)
    if (bytes >= unit) return `${(bytes / unit).toFixed(bytes < 10 * unit ? 1 : 0)} ${name}`;
  return `${Math.ceil(bytes / 1024)} KiB`;
}

function count(number: number, what: string): string {
  return `${number} ${what}${number === 1 ? "" : "s"}`;
}
