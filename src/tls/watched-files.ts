// Files that are read again when they change on disk: certificates, keys and authorities. Programs that renew
// certificates replace files, or the links to them (certbot's live/, Kubernetes' ..data), so each look follows the
// links and compares what it finds. Looking costs a few system calls; watching by the kernel would miss a
// link somewhere in the path, and network file systems.

import { stat } from "node:fs/promises";

/** Between two looks, ms. */
export const LOOK_EVERY_MS = 5000;

export interface WatchedFilesOptions {
  readonly paths: readonly string[];
  /**
   * Reads the files and puts them in place; a rejection changes nothing. Called when the files are as they were
   * at the look before: a certificate and its key are not written in one step.
   */
  readonly load: () => Promise<void>;
  readonly onBroken: (error: unknown) => void;
}

export class WatchedFiles {
  readonly #options: WatchedFilesOptions;
  /** What the last look has found, and what has been read. */
  #found: string | null = null;
  #read: string | null = null;
  #isBusy = false;

  constructor(options: WatchedFilesOptions) {
    this.#options = options;
  }

  /** Remembers the files as they are now; they have just been read. */
  async begin(): Promise<void> {
    this.#found = await this.#look();
    this.#read = this.#found;
  }

  /** Looks at the files; to be called every LOOK_EVERY_MS. Never rejects. */
  async look(): Promise<void> {
    // A look at a slow file system may last longer than the time between two.
    if (this.#isBusy) return;
    this.#isBusy = true;
    try {
      const found = await this.#look();
      const isSettled = found === this.#found;
      this.#found = found;
      if (!isSettled || found === this.#read) return;
      this.#read = found;
      await this.#options.load();
    } catch (error) {
      this.#options.onBroken(error);
    } finally {
      this.#isBusy = false;
    }
  }

  async #look(): Promise<string> {
    const all = await Promise.all(this.#options.paths.map(identify));
    return all.join(" ");
  }
}

/** What changes when a file is written or replaced; the error's code where it cannot be seen. */
async function identify(path: string): Promise<string> {
  try {
    const { dev, ino, size, mtimeNs, ctimeNs } = await stat(path, { bigint: true });
    return [dev, ino, size, mtimeNs, ctimeNs].join();
  } catch (error) {
    return error instanceof Error && "code" in error ? String(error.code) : String(error);
  }
}
