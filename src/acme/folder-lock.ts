// A lock of the state folder: at most one process, of all machines that share the folder, orders a certificate.
//
//     free ── file created, O_EXCL ──▶ held ── beat every 15 s ──▶ held ── file removed ──▶ free
//                                        └── no beat for 90 s, or its process is gone ──▶ taken over
//
// Whether a holder is alive is judged by changes of the file that this process has seen, never by comparing clocks
// of two machines. Assumed of a network file system: link, exclusive creation and rename are atomic (NFS from
// version 3). A holder that was stopped for longer than 90 s (a suspended machine) sees at its next beat that the
// lock is lost; until then two may order. State stays whole even then: files are never written in part.

import { randomUUID } from "node:crypto";
import { readFile, readlink, rename } from "node:fs/promises";
import { hostname } from "node:os";
import { dirname, join } from "node:path";

import { codeOf, createWhole, readWhole, unlinkIfThere, writeWhole } from "./whole-file.ts";

/** Between two beats. Also the longest pause for which a holder that works is silent, with much to spare. */
const BEAT_MS = 15_000;
const STALE_AFTER_MS = 90_000;

export interface LockTime {
  /** Milliseconds of a clock that nobody sets. */
  readonly monotonic: () => number;
  readonly delay: (ms: number, signal: AbortSignal) => Promise<void>;
}

/** What the file says: its holder, and a number that each beat changes. */
interface Holder {
  readonly id: string;
  readonly host: string;
  readonly pid: number;
  readonly place: string;
  readonly beat: number;
}

export class FolderLock {
  readonly #path: string;
  readonly #time: LockTime;
  /** The last text seen of another holder, and when it was new. */
  #seen: { readonly text: string; readonly at: number } | null = null;

  constructor(path: string, time: LockTime) {
    this.#path = path;
    this.#time = time;
  }

  /** Takes the lock, or tells who holds it, as "process 12 on a.example". Rejects with the file system's error. */
  async take(): Promise<HeldLock | string> {
    const holder: Holder = {
      id: randomUUID(),
      host: hostname(),
      pid: process.pid,
      place: await PLACE,
      beat: 0,
    };
    if (await createWhole(this.#path, textOf(holder))) return this.#held(holder);
    const text = await readWhole(this.#path);
    if (text !== null && !(await this.#isAbandoned(text))) return nameOf(text);
    if (text !== null && !(await this.#remove(text))) return nameOf(text);
    if (await createWhole(this.#path, textOf(holder))) return this.#held(holder);
    return "another process";
  }

  #held(holder: Holder): HeldLock {
    this.#seen = null;
    return new HeldLock(this.#path, holder, this.#time);
  }

  async #isAbandoned(text: string): Promise<boolean> {
    const now = this.#time.monotonic();
    if (this.#seen?.text !== text) this.#seen = { text, at: now };
    const holder = parse(text);
    if (holder !== null && holder.place !== "" && holder.place === (await PLACE))
      if (!isRunning(holder.pid)) return true;
    return now - this.#seen.at > STALE_AFTER_MS;
  }

  /** Removes an abandoned lock; false: another process was quicker, and its lock is put back. */
  async #remove(text: string): Promise<boolean> {
    const aside = join(dirname(this.#path), `.${randomUUID()}.unfinished`);
    try {
      await rename(this.#path, aside);
    } catch (error) {
      if (codeOf(error) === "ENOENT") return true;
      throw error;
    }
    const removed = await readWhole(aside);
    if (removed !== null && removed !== text) await createWhole(this.#path, removed);
    await unlinkIfThere(aside);
    return removed === text;
  }
}

/** A lock that this process holds. */
export class HeldLock {
  readonly #path: string;
  readonly #time: LockTime;
  readonly #lost = new AbortController();
  readonly #end = new AbortController();
  #holder: Holder;
  readonly #beating: Promise<void>;

  constructor(path: string, holder: Holder, time: LockTime) {
    this.#path = path;
    this.#holder = holder;
    this.#time = time;
    this.#beating = this.#beat();
  }

  /** Aborts when another process may have taken the lock over. */
  get lost(): AbortSignal {
    return this.#lost.signal;
  }

  /** Never rejects: a file that stays is taken over by the others after 90 s. */
  async release(): Promise<void> {
    this.#end.abort();
    await this.#beating;
    const isOurs = await this.#isOurs().catch(() => false);
    if (isOurs) await unlinkIfThere(this.#path).catch(leave);
  }

  async #beat(): Promise<void> {
    let lastAt = this.#time.monotonic();
    for (;;) {
      await this.#time.delay(BEAT_MS, this.#end.signal).catch(leave);
      if (this.#end.signal.aborted) return;
      const isKept = await this.#renew();
      const now = this.#time.monotonic();
      if (isKept === true) lastAt = now;
      if (isKept === false || now - lastAt > STALE_AFTER_MS) {
        this.#lost.abort(new Error("the lock of the state folder is lost"));
        return;
      }
    }
  }

  /** Writes a beat; false: the lock is another's; null: the file system fails. */
  async #renew(): Promise<boolean | null> {
    try {
      if (!(await this.#isOurs())) return false;
      this.#holder = { ...this.#holder, beat: this.#holder.beat + 1 };
      await writeWhole(this.#path, textOf(this.#holder));
      return true;
    } catch {
      return null;
    }
  }

  async #isOurs(): Promise<boolean> {
    const text = await readWhole(this.#path);
    return text !== null && parse(text)?.id === this.#holder.id;
  }
}

/**
 * Where process numbers mean the same: this boot of this kernel, and this namespace of processes (a container has
 * its own). "": unknown.
 */
const PLACE: Promise<string> = Promise.all([
  readFile("/proc/sys/kernel/random/boot_id", "utf8"),
  readlink("/proc/self/ns/pid"),
]).then(
  ([boot, namespace]) => `${boot.trim()} ${namespace}`,
  () => "",
);

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // EPERM: another user's process runs.
    return codeOf(error) !== "ESRCH";
  }
}

function textOf(holder: Holder): string {
  return `${JSON.stringify(holder)}\n`;
}

/** Null for a damaged file: its holder is unknown, and it is taken over when it has not changed for 90 s. */
function parse(text: string): Holder | null {
  try {
    const read: unknown = JSON.parse(text);
    if (typeof read !== "object" || read === null) return null;
    const { id, host, pid, place, beat } = read as Partial<Record<keyof Holder, unknown>>;
    if (typeof id !== "string" || typeof host !== "string" || typeof place !== "string")
      return null;
    if (!Number.isSafeInteger(pid) || Number(pid) < 1 || !Number.isSafeInteger(beat)) return null;
    return { id, host, pid: Number(pid), place, beat: Number(beat) };
  } catch {
    return null;
  }
}

function nameOf(text: string): string {
  const holder = parse(text);
  if (holder === null) return "another process";
  return `process ${holder.pid} on ${holder.host.replaceAll(/[^\w.-]/g, "?").slice(0, 64)}`;
}

function leave(): void {
  // The wait was ended, or the file stays and becomes stale.
}
