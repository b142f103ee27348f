// A FIFO as the launcher makes it, and the reading end of a worker.

import { execFileSync } from "node:child_process";
import { closeSync, constants, mkdtempSync, openSync, readSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { PAGE_BYTES } from "../../src/workers/page.ts";

export interface Fifo {
  /** Opened for reading and writing, as the front opens it. */
  readonly fd: number;
  /** The next page, or null if the pipe is empty. */
  readonly read: () => Buffer | null;
  readonly remove: () => void;
}

export function makeFifo(): Fifo {
  const folder = mkdtempSync(join(tmpdir(), "fifo-"));
  const path = join(folder, "queue");
  execFileSync("mkfifo", [path]);
  const fd = openSync(path, constants.O_RDWR | constants.O_NONBLOCK);
  return {
    fd,
    read: () => {
      const page = Buffer.alloc(PAGE_BYTES);
      try {
        return readSync(fd, page, 0, PAGE_BYTES, null) === PAGE_BYTES ? page : null;
      } catch {
        return null;
      }
    },
    remove: () => {
      closeSync(fd);
      rmSync(folder, { recursive: true });
    },
  };
}
