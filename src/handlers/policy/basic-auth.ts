// The Basic scheme (RFC 7617): user and password of a request against a password file. Hashes are slow on purpose, so
// a right password is remembered for a while, by an HMAC under a key of this process and never as text; one hash
// is computed at a time, and a bounded number of requests waits for it.

import { createHmac, randomBytes } from "node:crypto";

import type { RequestHead } from "../../http/message.ts";
import type { PasswordFile } from "./password-file.ts";
import { verifyPassword } from "./password-hash.ts";

/** Right passwords that are remembered; all are forgotten when there are more. */
const MAX_REMEMBERED = 1000;
/** Requests of all routes together that wait for the computation of a hash. */
const MAX_WAITING = 16;
/** Longest user and password together, in characters of the field. */
const MAX_CREDENTIALS = 1024;
/** What an unknown user's password is compared with, so that the time does not tell who is known. */
const NOBODY = `$scrypt$ln=15,r=8,p=1$${"A".repeat(22)}$${"A".repeat(43)}`;

export type Verdict = "right" | "wrong" | "busy";

// One computation after the other, for all routes together: each takes a thread of the pool and 32 MiB.
let waiting = 0;
let last: Promise<unknown> = Promise.resolve();

export class BasicAuth {
  readonly #file: PasswordFile;
  readonly #key = randomBytes(32);
  readonly #remembered = new Set<string>();

  constructor(file: PasswordFile) {
    this.#file = file;
  }

  /** Whether the request has the name and password of a user. */
  async check({ names, values }: RequestHead): Promise<Verdict> {
    const credentials = readCredentials(values[names.indexOf("authorization")] ?? "");
    if (credentials === null) return "wrong";
    const { user, password } = credentials;
    const hash = await this.#file.hashOf(user);
    const mark = this.#markOf(user, password, hash ?? "");
    if (this.#remembered.has(mark)) return "right";
    if (waiting >= MAX_WAITING) return "busy";
    const isRight = (await inTurn(() => verifyPassword(password, hash ?? NOBODY))) && hash !== null;
    if (!isRight) return "wrong";
    if (this.#remembered.size >= MAX_REMEMBERED) this.#remembered.clear();
    this.#remembered.add(mark);
    return "right";
  }

  // With the hash in it, a changed password of the file is no longer remembered.
  #markOf(user: string, password: string, hash: string): string {
    const text = JSON.stringify([user, password, hash]);
    return createHmac("sha256", this.#key).update(text).digest("base64");
  }
}

async function inTurn(work: () => Promise<boolean>): Promise<boolean> {
  waiting += 1;
  const mine = last.then(work, work);
  last = mine;
  try {
    return await mine;
  } finally {
    waiting -= 1;
  }
}

/** "Basic dXNlcjpwYXNz" → user and password in UTF-8; null for anything else. */
function readCredentials(
  value: string,
): { readonly user: string; readonly password: string } | null {
  const [, encoded = ""] = /^basic +([A-Za-z0-9+/]+={0,2})$/i.exec(value) ?? [];
  if (encoded === "" || encoded.length > MAX_CREDENTIALS) return null;
  const text = Buffer.from(encoded, "base64").toString("utf8");
  const colon = text.indexOf(":");
  return colon === -1 ? null : { user: text.slice(0, colon), password: text.slice(colon + 1) };
}
