// How many files may be open for clients at the same moment: a client that reads slowly keeps the file that it
// gets open.

import type { FileCount } from "./file-tree.ts";

export class OpenFileLimit implements FileCount {
  readonly #limit: number;
  #open = 0;

  constructor(limit: number) {
    this.#limit = limit;
  }

  mayOpen(): boolean {
    return this.#open < this.#limit;
  }

  opened(): void {
    this.#open += 1;
  }

  closed(): void {
    this.#open -= 1;
  }
}
