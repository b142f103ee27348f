// The folder of all state (--acme-dir): accounts, certificates with their keys, and challenges that are responded to by
// every process that shares the folder.
//
//     accounts/      one JSON file an authority: the account's key and its URL
//     certificates/  NAME.pem: private key and chain; NAME.json: its issuer, renewal and failed tries
//     challenges/    one JSON file each, for the minutes of an order
//     locks/         NAME.lock: who orders a certificate
//
// Only its user may write to it, and files are readable by that user alone. It may be shared by machines; see
// folder-lock.ts for what is assumed of a network file system. Parent folders are the operator's matter.

import { createHash } from "node:crypto";
import { chmod, mkdir, stat } from "node:fs/promises";
import { join } from "node:path";

import { codeOf, removeUnfinished } from "./whole-file.ts";

const FOLDERS = ["accounts", "certificates", "challenges", "locks"] as const;
const OTHERS_WRITE = 0o022;
/** Of the first name, so that people find a file; the digest tells sets of names apart. */
const MAX_NAME_CHARS = 80;

/** The folder cannot be used; the message is one line that names the remedy. */
export class StateFolderError extends Error {}

/** Where the files of one certificate are. */
export interface CertificatePaths {
  readonly pem: string;
  readonly record: string;
  readonly lock: string;
}

export class StateFolder {
  readonly #path: string;

  private constructor(path: string) {
    this.#path = path;
  }

  /** Makes the folder where it is missing, and removes what crashed writers left. Rejects with StateFolderError. */
  static async open(path: string, now: number): Promise<StateFolder> {
    try {
      await makePrivate(path);
      for (const name of FOLDERS) {
        await makePrivate(join(path, name));
        await removeUnfinished(join(path, name), now);
      }
    } catch (error) {
      if (error instanceof StateFolderError || codeOf(error) === "") throw error;
      throw new StateFolderError(
        `${path} cannot be used for certificates: ${codeOf(error)}; give a folder that this user can write to`,
        { cause: error },
      );
    }
    return new StateFolder(path);
  }

  /** The folder of challenges. */
  get challenges(): string {
    return join(this.#path, "challenges");
  }

  /** The file of an authority's account. Several directories of one authority are several accounts. */
  account(directoryUrl: string): string {
    return join(this.#path, "accounts", `${digest(directoryUrl)}.json`);
  }

  /** The files of the certificate for a set of names, whatever their order. */
  certificate(names: readonly string[]): CertificatePaths {
    const name = fileNameOf(names);
    return {
      pem: join(this.#path, "certificates", `${name}.pem`),
      record: join(this.#path, "certificates", `${name}.json`),
      lock: join(this.#path, "locks", `${name}.lock`),
    };
  }
}

/** "example.com-0123456789abcdef", of the operator's names. */
function fileNameOf(names: readonly string[]): string {
  const sorted = [...names].sort();
  const readable = (names[0] ?? "").replaceAll(/[^a-z0-9.-]/gi, "_").replace(/^\./, "_");
  return `${readable.slice(0, MAX_NAME_CHARS)}-${digest(sorted.join("\n"))}`;
}

function digest(text: string): string {
  return createHash("sha256").update(text).digest("hex").slice(0, 16);
}

async function makePrivate(path: string): Promise<void> {
  const made = await mkdir(path, { recursive: true, mode: 0o700 });
  // The umask may have taken rights away, never given some.
  if (made !== undefined) await chmod(path, 0o700);
  const found = await stat(path);
  const owner = process.geteuid?.();
  if (!found.isDirectory()) throw new StateFolderError(`${path} is no folder`);
  if (owner !== undefined && found.uid !== owner)
    throw new StateFolderError(
      `${path} belongs to user ${found.uid}, and this process is user ${owner}: chown ${owner} ${path}`,
    );
  if ((found.mode & OTHERS_WRITE) !== 0)
    throw new StateFolderError(
      `other users may write to ${path}, which is to contain private keys: chmod 700 ${path}`,
    );
}
