// Responses to challenges of http-01 (RFC 8555 §8.3) and tls-alpn-01 (RFC 8737), in the state folder, so that every
// process that shares the folder responds to them: the authority may reach any of the machines behind one name.
//
// A client's bytes are only compared, and choose no file: for what is not this process's own the whole folder is
// read, which is empty nearly always, at most four times a second for all look-ups together.
// On a network file system a new file must be seen by the other machines at once (NFS: actimeo=0).

import { createHash } from "node:crypto";
import { lstat, readdir } from "node:fs/promises";
import { join } from "node:path";

import { asObject, parseObject } from "./json.ts";
import { readWhole, unlinkIfThere, writeWhole } from "./whole-file.ts";

/** Between two readings of the folder. */
const READ_EVERY_MS = 250;
/** Challenges of all machines at once; more are not looked at. */
const MAX_CHALLENGES = 1000;
/** A look-up beyond these, while the folder is read, finds nothing. */
const MAX_WAITING = 1000;
/** A folder that does not respond, such as one on a network, holds no look-up for longer. */
const MAX_LOOKUP_MS = 5000;
const ABANDONED_AFTER_MS = 24 * 3_600_000;
const FILE_NAME = /^[0-9a-f]{32}\.json$/;
/** The tokens that the client accepts (RFC 8555 §8.1). */
const TOKEN = /^[\w-]{22,256}$/;
/** Lower case, as compared; the names of addresses are ordinary names too (RFC 8738 §6). */
const HOST = /^(?=.{1,253}$)[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?)*$/;

export interface ChallengeCertificate {
  readonly certPem: string;
  readonly keyPem: string;
}

export type StoredChallenge =
  | {
      readonly type: "http-01";
      readonly madeAt: number;
      readonly token: string;
      readonly keyAuthorization: string;
    }
  | {
      readonly type: "tls-alpn-01";
      /** Milliseconds since 1970: of several for one name, left by a crash, the newest counts. */
      readonly madeAt: number;
      /** The name in the client's hello. */
      readonly name: string;
      readonly token: string;
      readonly certificate: ChallengeCertificate;
    };

export interface ChallengeStoreOptions {
  readonly folder: string;
  readonly delay: (ms: number, signal: AbortSignal) => Promise<void>;
}

export class ChallengeStore {
  readonly #folder: string;
  readonly #delay: ChallengeStoreOptions["delay"];
  readonly #own = new Map<string, StoredChallenge>();
  /** The folder's files by name. */
  #files: ReadonlyMap<string, StoredChallenge> = new Map();
  #shared: ReadonlyMap<string, StoredChallenge> = new Map();
  #next: Promise<void> | null = null;
  #reading: Promise<void> = Promise.resolve();
  #waiting = 0;
  readonly #closed = new AbortController();

  constructor({ folder, delay }: ChallengeStoreOptions) {
    this.#folder = folder;
    this.#delay = delay;
  }

  /** Removes challenges that no order removed: their process crashed. */
  async removeAbandoned(now: number): Promise<void> {
    for (const name of await readdir(this.#folder)) {
      const path = join(this.#folder, name);
      const found = FILE_NAME.test(name) ? await lstat(path).catch(() => null) : null;
      if (found !== null && now - found.mtimeMs > ABANDONED_AFTER_MS) await unlinkIfThere(path);
    }
  }

  /** Resolves when this process and all others respond. */
  async add(challenge: StoredChallenge): Promise<void> {
    this.#own.set(keyOf(challenge), challenge);
    await writeWhole(this.#pathOf(challenge), `${JSON.stringify(challenge)}\n`);
  }

  async remove(challenge: Pick<StoredChallenge, "type" | "token">, name: string): Promise<void> {
    const key = challenge.type === "http-01" ? `http ${challenge.token}` : `alpn ${name}`;
    if (this.#own.get(key)?.token === challenge.token) this.#own.delete(key);
    await unlinkIfThere(this.#pathOf(challenge));
  }

  /** The body of the response to http-01; null: there is no such token. Never rejects. */
  async keyAuthorization(token: string): Promise<string | null> {
    if (!TOKEN.test(token)) return null;
    const found = await this.#find(`http ${token}`);
    return found?.type === "http-01" ? found.keyAuthorization : null;
  }

  /** The certificate for a client of tls-alpn-01 that names `name`; null: there is none. Never rejects. */
  async certificate(name: string): Promise<ChallengeCertificate | null> {
    const lower = name.toLowerCase();
    if (!HOST.test(lower)) return null;
    const found = await this.#find(`alpn ${lower}`);
    return found?.type === "tls-alpn-01" ? found.certificate : null;
  }

  /** Ends waiting look-ups, which find nothing. */
  close(): void {
    this.#closed.abort();
  }

  async #find(key: string): Promise<StoredChallenge | null> {
    // What others have written may have been replaced since: it is always read anew.
    const known = this.#own.get(key) ?? null;
    if (known !== null || this.#closed.signal.aborted || this.#waiting >= MAX_WAITING) return known;
    this.#waiting += 1;
    const late = AbortSignal.any([this.#closed.signal, AbortSignal.timeout(MAX_LOOKUP_MS)]);
    const { promise, resolve } = Promise.withResolvers<void>();
    const end = (): void => resolve();
    late.addEventListener("abort", end, { once: true });
    try {
      await Promise.race([this.#read(), promise]);
    } finally {
      late.removeEventListener("abort", end);
      this.#waiting -= 1;
    }
    return this.#shared.get(key) ?? null;
  }

  /** Reads the folder once, beginning after this call; calls until then share it. */
  async #read(): Promise<void> {
    this.#next ??= this.#readNext();
    await this.#next;
  }

  async #readNext(): Promise<void> {
    await this.#reading;
    this.#next = null;
    const read = this.#readFolder();
    this.#reading = this.#pauseAfter(read);
    await read;
  }

  // The next reading begins when this one has ended, and the pause is over.
  async #pauseAfter(read: Promise<void>): Promise<void> {
    await read;
    await this.#delay(READ_EVERY_MS, this.#closed.signal).catch(ignore);
  }

  async #readFolder(): Promise<void> {
    const files = new Map<string, StoredChallenge>();
    const names = await readdir(this.#folder).catch(() => []);
    for (const name of names.filter((one) => FILE_NAME.test(one)).slice(0, MAX_CHALLENGES)) {
      // A challenge's file is never changed: its name has the token.
      const challenge = this.#files.get(name) ?? (await this.#readFile(name));
      if (challenge !== null) files.set(name, challenge);
    }
    this.#files = files;
    const oldestFirst = [...files.values()].sort((one, other) => one.madeAt - other.madeAt);
    this.#shared = new Map(oldestFirst.map((one) => [keyOf(one), one]));
  }

  async #readFile(name: string): Promise<StoredChallenge | null> {
    const text = await readWhole(join(this.#folder, name)).catch(() => null);
    return text === null ? null : parseChallenge(text);
  }

  #pathOf({ type, token }: Pick<StoredChallenge, "type" | "token">): string {
    const digest = createHash("sha256").update(`${type} ${token}`).digest("hex").slice(0, 32);
    return join(this.#folder, `${digest}.json`);
  }
}

function keyOf(challenge: StoredChallenge): string {
  return challenge.type === "http-01" ? `http ${challenge.token}` : `alpn ${challenge.name}`;
}

function parseChallenge(text: string): StoredChallenge | null {
  const { type, madeAt, token, keyAuthorization, name, certificate } = parseObject(text) ?? {};
  if (typeof token !== "string" || typeof madeAt !== "number") return null;
  if (type === "http-01" && typeof keyAuthorization === "string")
    return { type, madeAt, token, keyAuthorization };
  const { certPem, keyPem } = asObject(certificate) ?? {};
  if (type !== "tls-alpn-01" || typeof name !== "string") return null;
  if (typeof certPem !== "string" || typeof keyPem !== "string") return null;
  return { type, madeAt, name, token, certificate: { certPem, keyPem } };
}

function ignore(): void {
  // The store was closed.
}
