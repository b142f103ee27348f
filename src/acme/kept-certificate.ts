// One certificate that gets and renews itself: loads it from the state folder, adopts what other processes have
// written there, asks the authority when to renew, orders, and tries again.
//
//     load ─▶ look at the folder ─▶ ask for the window ─▶ due? ── lock ─▶ order ─▶ check ─▶ use ─▶ write
//                    ▲                                      │no                                  │
//                    └───────────── every minute ───────────┴────────────────────────────────────┘
//
// The certificate in use stays until another one has passed all checks. What is written to the record is written
// by the holder of the lock only.

import { makeCsr } from "../x509/csr.ts";
import { makeKey } from "./account-store.ts";
import { AcmeError } from "./acme-error.ts";
import type { Authority } from "./authority.ts";
import {
  formatRecord,
  newRecord,
  parseRecord,
  type CertificateRecord,
} from "./certificate-record.ts";
import type { ChallengeResponder } from "./authorization.ts";
import { readIdentifier } from "./certificate-names.ts";
import { FolderLock, type HeldLock } from "./folder-lock.ts";
import type { Identifier } from "./identifier.ts";
import { printable } from "./json.ts";
import type { KeeperEvent, Names } from "./keeper-event.ts";
import { certificateId, type RenewalWindow } from "./renewal-info.ts";
import {
  isValidAt,
  isWindowDue,
  issuerOf,
  nextTryAt,
  planRenewal,
  renewalAt,
  windowAskedAt,
  withFailure,
  withSuccess,
  withTry,
} from "./schedule.ts";
import type { Slots } from "./slots.ts";
import type { CertificatePaths } from "./state-folder.ts";
import { CertificateFault, readCertificate, type StoredCertificate } from "./stored-certificate.ts";
import { readWhole, writeWhole } from "./whole-file.ts";

/** Between two looks at the folder; also what a clock that was set may cost. */
const LOOK_EVERY_MS = 60_000;
/** Up to so much of it is left out, so that a thousand certificates do not look at once. */
const LOOK_JITTER = 0.25;
/** While another process orders what is missing here. */
const LOCKED_LOOK_MS = 2000;
/** Hook programs may take 5 minutes each. */
const MAX_ORDER_MS = 1_800_000;

export interface KeeperTime {
  /** Milliseconds since 1970. */
  readonly now: () => number;
  /** Milliseconds of a clock that nobody sets. */
  readonly monotonic: () => number;
  /** Rejects when the signal aborts. */
  readonly delay: (ms: number, signal: AbortSignal) => Promise<void>;
  /** 0 ≤ random < 1. */
  readonly random: () => number;
}

export interface KeptCertificateOptions {
  readonly names: Names;
  readonly paths: CertificatePaths;
  /** The first one, then its fallbacks. */
  readonly authorities: readonly Authority[];
  readonly responderFor: (names: Names, failures: number) => ChallengeResponder;
  /** Of orders, and of questions for windows. */
  readonly slots: Slots;
  /** Of looks at the folder. */
  readonly looks: Slots;
  readonly time: KeeperTime;
  readonly onCertificate: (certificate: StoredCertificate) => void;
  readonly onEvent: (event: KeeperEvent) => void;
}

/** A certificate as the operator sees it. */
export interface CertificateStatus {
  readonly names: Names;
  /** Null: there is no certificate. */
  readonly notAfter: number | null;
  readonly isValid: boolean;
  /** The directory of the authority that issued it. */
  readonly issuer: string;
  /** When it is ordered again. */
  readonly nextOrderAt: number;
  /** Failures in a row, and why the last one failed. */
  readonly failures: number;
  readonly reason: string;
}

/** How a look at a certificate ended. */
type Outcome = "kept" | "failed" | "locked";

export class KeptCertificate {
  readonly #options: KeptCertificateOptions;
  readonly #lock: FolderLock;
  readonly #identifiers: readonly Identifier[];
  readonly #settled = Promise.withResolvers<void>();
  #current: StoredCertificate | null = null;
  #record: CertificateRecord;
  /** The texts of the files as last read or written. */
  readonly #seen: { pem: string | null; record: string | null } = { pem: null, record: null };
  /** Files that could not be written: path → text. */
  readonly #unsaved = new Map<string, string>();
  /** Files that could not be read, which was told. */
  readonly #unreadable = new Set<string>();
  /** Who was told to hold the lock. */
  #holder = "";

  constructor(options: KeptCertificateOptions) {
    this.#options = options;
    this.#lock = new FolderLock(options.paths.lock, options.time);
    this.#identifiers = options.names.map(readIdentifier).filter((one) => one !== null);
    this.#record = newRecord(options.names);
  }

  /** Resolves when there is a valid certificate, or a try has failed. */
  get settled(): Promise<void> {
    return this.#settled.promise;
  }

  get status(): CertificateStatus {
    const { now } = this.#options.time;
    return {
      names: this.#options.names,
      notAfter: this.#current?.notAfter ?? null,
      isValid: this.#hasValid(),
      issuer: this.#record.issuer,
      nextOrderAt: Math.max(this.#dueAt(), nextTryAt(this.#record.attempts, now())),
      failures: this.#record.attempts.failures,
      reason: this.#record.reason,
    };
  }

  /**
   * Uses what the folder has. An expired certificate too, and one that begins in the future: the clock of this
   * machine may be wrong, and clients judge by theirs.
   */
  async load(): Promise<void> {
    await this.#look(true);
  }

  /** Keeps the certificate until the signal aborts. Never rejects. */
  async run(signal: AbortSignal): Promise<void> {
    let isFirst = true;
    while (!signal.aborted) {
      const outcome = await this.#step(signal).catch((error: unknown) => this.#fail(error, signal));
      if (isFirst && outcome === "kept" && !this.#hasValid() && !signal.aborted) this.#tellPause();
      isFirst = false;
      if (outcome !== "locked" || this.#hasValid()) this.#settled.resolve();
      await this.#options.time.delay(this.#pauseAfter(outcome), signal).catch(ignore);
    }
    this.#settled.resolve();
  }

  async #step(signal: AbortSignal): Promise<Outcome> {
    await this.#flush();
    await this.#look(false);
    if (this.#authorityToAsk() === null && !this.#isDue()) return "kept";
    return await this.#options.slots.run(async () => await this.#stepLocked(signal));
  }

  async #stepLocked(signal: AbortSignal): Promise<Outcome> {
    if (signal.aborted) return "kept";
    const lock = await this.#lock.take();
    if (typeof lock === "string") return this.#waitFor(lock);
    this.#holder = "";
    try {
      // Another process may have ordered just before.
      await this.#look(false);
      await this.#askWindow(AbortSignal.any([signal, lock.lost]));
      return this.#isDue() ? await this.#try(signal, lock) : "kept";
    } finally {
      await lock.release();
    }
  }

  #waitFor(holder: string): Outcome {
    if (!this.#isDue()) return "kept";
    if (holder !== this.#holder)
      this.#options.onEvent({ kind: "locked", names: this.#options.names, holder });
    this.#holder = holder;
    return "locked";
  }

  /** One try, from its entry in the record to its end. */
  async #try(signal: AbortSignal, lock: HeldLock): Promise<Outcome> {
    const { time, authorities } = this.#options;
    const attempts = withTry(this.#record.attempts, time.now());
    // Before the order: a process that is killed in the middle of it has tried, too.
    await this.#saveRecord({ ...this.#record, attempts });
    const authority = authorities[issuerOf(attempts, authorities.length)];
    if (authority === undefined) return "kept";
    const late = AbortSignal.timeout(MAX_ORDER_MS);
    const ends = AbortSignal.any([signal, lock.lost, late]);
    try {
      const pem = await this.#order(authority, ends);
      await this.#use(pem, authority.issuer.directoryUrl);
      return "kept";
    } catch (error) {
      const reason = late.aborted ? new Error(`not done within ${MAX_ORDER_MS} ms`) : error;
      return await this.#fail(reason, signal);
    }
  }

  /** Orders with a new key → key and chain in PEM. */
  async #order(authority: Authority, signal: AbortSignal): Promise<string> {
    const { names, responderFor } = this.#options;
    const { issuer, attempts } = this.#record;
    const isSame = issuer === authority.issuer.directoryUrl;
    const replaces = isSame && this.#current !== null ? certificateId(this.#current.leaf) : "";
    const key = await makeKey();
    const csr = makeCsr(
      this.#identifiers.map(({ value }) => value),
      key,
    );
    const responder = responderFor(names, attempts.failures);
    const request = { identifiers: this.#identifiers, csr, replaces };
    const { chain } = await authority.order(request, responder, signal);
    return `${String(key.export({ type: "pkcs8", format: "pem" }))}${chain}`;
  }

  /** Checks a new certificate, and takes it into use. */
  async #use(pem: string, issuer: string): Promise<void> {
    const { paths, time, names, onEvent } = this.#options;
    const now = time.now();
    const certificate = this.#read(pem);
    if (!isValidAt(certificate, now)) {
      const from = new Date(certificate.notBefore).toISOString();
      const to = new Date(certificate.notAfter).toISOString();
      throw new CertificateFault(
        `the authority's certificate is valid from ${from} to ${to}, and it is ${new Date(now).toISOString()} here: is this machine's clock right?`,
      );
    }
    const kind = this.#current === null ? "ordered" : "renewed";
    const attempts = withSuccess(this.#record.attempts);
    const record = { ...newRecord(names), issuer, orderedAt: now, attempts };
    this.#current = certificate;
    this.#options.onCertificate(certificate);
    // The record first: a crash in between leaves an old certificate that is due, and the hour's tries.
    await this.#saveRecord(record);
    await this.#save(paths.pem, pem);
    this.#seen.pem = pem;
    const { notAfter } = certificate;
    onEvent({ kind, names, issuer, notAfter, renewAt: this.#dueAt() });
  }

  async #fail(error: unknown, signal: AbortSignal): Promise<Outcome> {
    if (signal.aborted) return "failed";
    const { time, authorities, names, onEvent } = this.#options;
    const before = this.#record.attempts;
    const attempts = withFailure(before, {
      now: time.now(),
      random: time.random(),
      retryAfterMs: error instanceof AcmeError ? error.retryAfterMs : 0,
      issuers: authorities.length,
    });
    const reason = printable(error instanceof Error ? error.message : String(error));
    await this.#saveRecord({ ...this.#record, attempts, reason });
    onEvent({
      kind: "failed",
      names,
      issuer: authorities[issuerOf(before, authorities.length)]?.issuer.directoryUrl ?? "",
      reason,
      retryAt: nextTryAt(attempts, time.now()),
      notAfter: this.#current?.notAfter ?? null,
    });
    return "failed";
  }

  /** The authority that issued the certificate, where it is time to ask it for the window. */
  #authorityToAsk(): Authority | null {
    const { issuer, askAt } = this.#record;
    if (this.#current === null || !isWindowDue(askAt, this.#options.time.now())) return null;
    return this.#options.authorities.find((one) => one.issuer.directoryUrl === issuer) ?? null;
  }

  /** Asks when to renew. A failure changes nothing but the time of the next question. */
  async #askWindow(signal: AbortSignal): Promise<void> {
    const { time, names, onEvent } = this.#options;
    const authority = this.#authorityToAsk();
    if (authority === null || this.#current === null) return;
    const { plan: before } = this.#record;
    let plan = before;
    let window: RenewalWindow | null = null;
    try {
      window = await authority.renewalInfo(this.#current.leaf, signal);
      plan = window === null ? null : planRenewal(window, before, time.random());
    } catch {
      // The window that is known holds; orders tell what is wrong with the authority.
      if (signal.aborted) return;
    }
    const dueBefore = this.#dueAt();
    const askAt = windowAskedAt(time.now(), window?.retryAfterMs ?? null);
    await this.#saveRecord({ ...this.#record, plan, askAt });
    const renewAt = this.#dueAt();
    if (window !== null && renewAt < dueBefore)
      onEvent({ kind: "moved", names, renewAt, explanationUrl: window.explanationUrl });
  }

  /** Reads the files, and uses what they have if they have changed. */
  async #look(isFirst: boolean): Promise<void> {
    await this.#options.looks.run(async () => await this.#lookNow(isFirst));
  }

  async #lookNow(isFirst: boolean): Promise<void> {
    // What is not written yet is newer than the folder.
    if (this.#unsaved.size > 0) return;
    const { paths, names, onEvent } = this.#options;
    const record = await this.#readFile(paths.record);
    if (record !== null && record !== this.#seen.record) {
      this.#seen.record = record;
      const read = parseRecord(record, names);
      if (read === null) onEvent({ kind: "damaged", path: paths.record, reason: "not a record" });
      this.#record = read ?? this.#record;
    }
    const pem = await this.#readFile(paths.pem);
    if (pem === null || pem === this.#seen.pem) return;
    this.#seen.pem = pem;
    try {
      const found = this.#read(pem);
      const mayUse = isFirst || !this.#hasValid() || isValidAt(found, this.#options.time.now());
      if (!mayUse) return;
      this.#current = found;
      this.#options.onCertificate(found);
      onEvent({ kind: isFirst ? "loaded" : "adopted", names, notAfter: found.notAfter });
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      onEvent({ kind: "damaged", path: paths.pem, reason });
    }
  }

  /** Null: there is no file, or none that can be read, which is told. */
  async #readFile(path: string): Promise<string | null> {
    try {
      const text = await readWhole(path);
      this.#unreadable.delete(path);
      return text;
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      if (!this.#unreadable.has(path))
        this.#options.onEvent({ kind: "damaged", path, reason: printable(reason) });
      this.#unreadable.add(path);
      return null;
    }
  }

  #read(pem: string): StoredCertificate {
    return readCertificate(
      pem,
      this.#identifiers.map(({ value }) => value),
    );
  }

  async #saveRecord(record: CertificateRecord): Promise<void> {
    this.#record = record;
    const text = formatRecord(record);
    this.#seen.record = text;
    await this.#save(this.#options.paths.record, text);
  }

  /** Writes a file, or keeps its text until that is possible. Never rejects. */
  async #save(path: string, text: string): Promise<void> {
    const isKnown = this.#unsaved.has(path);
    try {
      await writeWhole(path, text);
      this.#unsaved.delete(path);
    } catch (error) {
      this.#unsaved.set(path, text);
      const reason = printable(error instanceof Error ? error.message : String(error));
      if (!isKnown) this.#options.onEvent({ kind: "unsaved", path, reason });
    }
  }

  async #flush(): Promise<void> {
    for (const [path, text] of this.#unsaved) await this.#save(path, text);
  }

  #hasValid(): boolean {
    return this.#current !== null && isValidAt(this.#current, this.#options.time.now());
  }

  /** When the certificate is to be ordered, whatever has failed before; 0: it is missing, or of no use. */
  #dueAt(): number {
    if (this.#current === null || !this.#hasValid()) return 0;
    const { issuer, plan, orderedAt } = this.#record;
    // The operator has changed the authority, such as from a staging one.
    const isOurs = this.#options.authorities.some((one) => one.issuer.directoryUrl === issuer);
    return isOurs ? renewalAt(this.#current, plan, orderedAt) : 0;
  }

  #isDue(): boolean {
    const now = this.#options.time.now();
    return now >= Math.max(this.#dueAt(), nextTryAt(this.#record.attempts, now));
  }

  #tellPause(): void {
    const { names, onEvent, time } = this.#options;
    const { attempts, reason } = this.#record;
    onEvent({ kind: "waiting", names, reason, retryAt: nextTryAt(attempts, time.now()) });
  }

  #pauseAfter(outcome: Outcome): number {
    if (outcome === "locked" && !this.#hasValid()) return LOCKED_LOOK_MS;
    const { now, random } = this.#options.time;
    const wait = Math.max(this.#dueAt(), nextTryAt(this.#record.attempts, now())) - now();
    const look = LOOK_EVERY_MS * (1 - LOOK_JITTER * random());
    return Math.min(look, Math.max(wait, LOCKED_LOOK_MS));
  }
}

function ignore(): void {
  // The keeper stops.
}
