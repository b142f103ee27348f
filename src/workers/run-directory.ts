// The private directory (mode 0700) of the front, one launcher and its workers, and the three files in it that
// all workers share (docs/worker-protocol.md, "The directory"). The directory is removed with its launcher. The
// shared files belong to the application: a new launcher inherits their descriptors, so that old and new
// workers read the same pipe.

import {
  closeSync,
  constants,
  mkdtempSync,
  openSync,
  rmSync,
  unlinkSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";

/** Slots of the file of cancelled ids: id N is in slot N modulo this number, and replaces an earlier id. */
const CANCEL_SLOTS = 8192;
const ID_BYTES = 8;

export class RunDirectory {
  readonly path: string;

  /** Makes a new directory in `folder`, a tmpfs, so that reading a note never waits for a disk. */
  constructor(folder: string) {
    this.path = mkdtempSync(join(folder, "typhon-"));
  }

  /** Path of one of a worker's files, such as `notes` → `…/w3.notes`. */
  workerFile(worker: number, name: string): string {
    return join(this.path, `w${worker}.${name}`);
  }

  remove(): void {
    rmSync(this.path, { recursive: true, force: true });
  }
}

/** The descriptors that all workers of an application share. */
export class SharedFiles {
  /** The request pipe, opened for writing pages, and for reading so that the pipe never ends. */
  readonly queue: number;
  /** A pipe without data: launcher and workers end when this descriptor is closed. */
  readonly lifeline: number;
  readonly cancels: number;
  readonly #id = Buffer.alloc(ID_BYTES);

  /** Opens and unlinks the files that the launcher has made in `directory`. */
  constructor(directory: RunDirectory) {
    const { O_RDWR, O_WRONLY, O_NONBLOCK } = constants;
    // Read and write: open() must not wait for a reader, and the pipe must not end when it has none.
    this.queue = openAndUnlink(join(directory.path, "queue"), O_RDWR | O_NONBLOCK);
    this.lifeline = openAndUnlink(join(directory.path, "lifeline"), O_WRONLY | O_NONBLOCK);
    this.cancels = openAndUnlink(join(directory.path, "cancels"), O_RDWR);
  }

  /** Tells workers not to begin the request with this id. A small write to a tmpfs never waits. */
  cancel(id: number): void {
    this.#id.writeBigUInt64LE(BigInt(id));
    writeSync(this.cancels, this.#id, 0, ID_BYTES, (id % CANCEL_SLOTS) * ID_BYTES);
  }

  /** Closes the files, which ends every process of the application (lifeline). */
  close(): void {
    for (const fd of [this.queue, this.lifeline, this.cancels]) closeSync(fd);
  }
}

function openAndUnlink(path: string, flags: number): number {
  const fd = openSync(path, flags);
  unlinkSync(path);
  return fd;
}
