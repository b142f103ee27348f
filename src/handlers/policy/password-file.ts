// A file of users and hashes of their passwords: "user:hash" lines, "#" begins a comment. The file is read again
// when it has changed; a file that cannot be read or has a mistake then leaves the users as they were.

import { constants } from "node:fs";
import { open } from "node:fs/promises";

import { OperatorError } from "../../config/operator-error.ts";
import { isPasswordHash } from "./password-hash.ts";

const MAX_FILE_BYTES = 1_048_576;
/** Time between two looks at the file, ms. */
const MAX_AGE_MS = 1000;

interface Version {
  readonly users: ReadonlyMap<string, string>;
  /** Tells one version of the file from another. */
  readonly mark: string;
}

export class PasswordFile {
  readonly #path: string;
  readonly #onFailure: (text: string) => void;
  #version: Version;
  #checkedAt = performance.now();
  #check: Promise<void> | null = null;

  private constructor(path: string, version: Version, onFailure: (text: string) => void) {
    this.#path = path;
    this.#version = version;
    this.#onFailure = onFailure;
  }

  /** Reads the file. Rejects with OperatorError. `onFailure`: of later reads. */
  static async open(path: string, onFailure: (text: string) => void): Promise<PasswordFile> {
    return new PasswordFile(path, await readVersion(path, null), onFailure);
  }

  /** The hash of a user's password; null = there is no such user. At most a second old. */
  async hashOf(user: string): Promise<string | null> {
    if (performance.now() - this.#checkedAt >= MAX_AGE_MS) {
      this.#check ??= this.#refresh();
      await this.#check;
    }
    return this.#version.users.get(user) ?? null;
  }

  async #refresh(): Promise<void> {
    try {
      this.#version = await readVersion(this.#path, this.#version);
    } catch (error) {
      const text = error instanceof Error ? error.message : String(error);
      this.#onFailure(`${text}; the users stay as they were`);
    }
    this.#checkedAt = performance.now();
    this.#check = null;
  }
}

/** Reads the file unless it is the known version. */
async function readVersion(path: string, known: Version | null): Promise<Version> {
  // O_NONBLOCK: a FIFO in its place would hold a thread.
  const flags = constants.O_RDONLY | constants.O_NONBLOCK;
  const file = await open(path, flags).catch((error: NodeJS.ErrnoException) => {
    throw new OperatorError(
      `password file ${path}: cannot be read (${error.code ?? error.message})`,
    );
  });
  try {
    const found = await file.stat({ bigint: true });
    const { ino, size, mtimeNs, ctimeNs } = found;
    if (!found.isFile()) throw new OperatorError(`password file ${path}: is no file`);
    const mark = `${ino} ${size} ${mtimeNs} ${ctimeNs}`;
    if (mark === known?.mark) return known;
    if (size > MAX_FILE_BYTES)
      throw new OperatorError(`password file ${path}: larger than ${MAX_FILE_BYTES} bytes`);
    return { users: parseUsers(path, await file.readFile("utf8")), mark };
  } finally {
    await file.close();
  }
}

/** Throws for a line that is not "user:hash". */
function parseUsers(path: string, text: string): ReadonlyMap<string, string> {
  const users = new Map<string, string>();
  for (const [index, raw] of text.split("\n").entries()) {
    const line = raw.trim();
    if (line === "" || line.startsWith("#")) continue;
    const colon = line.indexOf(":");
    const hash = line.slice(colon + 1);
    if (colon <= 0 || !isPasswordHash(hash))
      throw new OperatorError(
        `password file ${path}:${index + 1}: must be user:hash with a scrypt or bcrypt hash (typhon hash-password makes such a line)`,
      );
    users.set(line.slice(0, colon), hash);
  }
  return users;
}
