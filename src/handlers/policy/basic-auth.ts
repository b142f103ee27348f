// The Basic scheme (RFC 7617): user and password of a request against a password file. Hashes are slow on purpose, so
// a right password is remembered, by an HMAC under a key of this process and never as text, for all routes and
// beyond a reload. One hash is computed at a time; requests with the same password, such as those of one page, share
// the computation, and a bounded number of passwords waits for it.

import { createHmac, randomBytes } from "node:crypto";

import type { RequestHead } from "../../http/message.ts";
import type { PasswordFile } from "./password-file.ts";
import { verifyPassword } from "./password-hash.ts";

/** Right passwords that are remembered; the oldest is forgotten when there are more. */
const MAX_REMEMBERED = 10_000;
/** Passwords of all routes together that wait for the computation of a hash. */
const MAX_WAITING = 16;
/** Longest user and password together, in characters of the field. */
const MAX_CREDENTIALS = 1024;
/** The same in bytes, with the colon between them: base64 has four characters for three bytes. */
export const MAX_CREDENTIAL_BYTES = (MAX_CREDENTIALS / 4) * 3;
/** What an unknown user's password is compared with, so that the time does not tell who is known. */
const NOBODY = `$scrypt$ln=15,r=8,p=1$${"A".repeat(22)}$${"A".repeat(43)}`;

/** A user whose password is right. */
interface KnownUser {
  readonly user: string;
}
export type Verdict = KnownUser | "wrong" | "busy";

// A mark is the HMAC of a user, a password and the hash that the file has for the user: a password whose hash the
// file has changed is no longer remembered.
const KEY = randomBytes(32);
const remembered = new Set<string>();
/** By mark. One computation after the other: each takes a thread of the pool and 32 MiB. */
const computing = new Map<string, Promise<boolean>>();
let last: Promise<unknown> = Promise.resolve();

export class BasicAuth {
  readonly #file: PasswordFile;

  constructor(file: PasswordFile) {
    this.#file = file;
  }

  /** Whether the request has the name and password of a user. */
  async check({ names, values }: RequestHead): Promise<Verdict> {
    const credentials = readCredentials(values[names.indexOf("authorization")] ?? "");
    if (credentials === null) return "wrong";
    const { user, password } = credentials;
    const hash = await this.#file.hashOf(user);
    const mark = createHmac("sha256", KEY)
      .update(JSON.stringify([user, password, hash]))
      .digest("base64");
    if (remembered.has(mark)) return { user };
    const known = computing.get(mark);
    if (known === undefined && computing.size >= MAX_WAITING) return "busy";
    const isRight = await (known ?? compute(mark, password, hash));
    return isRight ? { user } : "wrong";
  }
}

/** Whether a password has a hash, in turn; null: of nobody. A right one is remembered. */
async function compute(mark: string, password: string, hash: string | null): Promise<boolean> {
  const verify = async (): Promise<boolean> =>
    (await verifyPassword(password, hash ?? NOBODY)) && hash !== null;
  const mine = last.then(verify, verify);
  last = mine;
  computing.set(mark, mine);
  try {
    const isRight = await mine;
    if (isRight) remember(mark);
    return isRight;
  } finally {
    computing.delete(mark);
  }
}

function remember(mark: string): void {
  const [oldest] = remembered;
  if (oldest !== undefined && remembered.size >= MAX_REMEMBERED) remembered.delete(oldest);
  remembered.add(mark);
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
