// What all workers of an application share, and what outlives the launcher that made it: the queue's
// pipe, the lifeline, and the cancels (docs/worker-protocol.md, "The directory"). Three descriptors; a
// new launcher inherits them, so that workers old and new read the same pipe.

import { closeSync, constants, openSync, unlinkSync, writeSync } from "node:fs";
import { join } from "node:path";

/** Slots of the cancels: an id stands at its remainder. A later id in the same slot wins. */
const CANCEL_SLOTS = 8192;
const ID_BYTES = 8;

export class SharedFiles {
  /** The pipe, for writing pages; opened for reading too, so that it never ends. */
  readonly queue: number;
  /** Nothing is ever written: its end is everybody's end. */
  readonly lifeline: number;
  readonly cancels: number;
  readonly #id = Buffer.alloc(ID_BYTES);

  /** Opens what the launcher has made in `directory`, and unlinks it. */
  constructor(directory: string) {
    const { O_RDWR, O_WRONLY, O_NONBLOCK } = constants;
    // Read and write: the open must not wait for a reader, and the pipe must not end without one.
    this.queue = openAndUnlink(join(directory, "queue"), O_RDWR | O_NONBLOCK);
    this.lifeline = openAndUnlink(join(directory, "lifeline"), O_WRONLY | O_NONBLOCK);
    this.cancels = openAndUnlink(join(directory, "cancels"), O_RDWR);
  }

  /** Whoever takes the page with this id does not begin it. On a tmpfs: a small write that never waits. */
  cancel(id: number): void {
    this.#id.writeBigUInt64LE(BigInt(id));
    writeSync(this.cancels, this.#id, 0, ID_BYTES, (id % CANCEL_SLOTS) * ID_BYTES);
  }

  /** Ends every process of the application. */
  close(): void {
    for (const fd of [this.queue, this.lifeline, this.cancels]) closeSync(fd);
  }
}

function openAndUnlink(path: string, flags: number): number {
  const fd = openSync(path, flags);
  unlinkSync(path);
  return fd;
}
