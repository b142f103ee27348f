// A count of open files with a limit, in place of the process's table (net/open-files.ts).

import assert from "node:assert/strict";

import type { FileCount } from "../../src/net/file-tree.ts";

export class FileLimit implements FileCount {
  readonly #limit: number;
  #open = 0;
  #moving = 0;

  constructor(limit: number) {
    this.#limit = limit;
  }

  mayOpen(): boolean {
    return this.#open < this.#limit;
  }

  opening(): void {
    this.#open += 1;
    this.#moving += 1;
  }

  opened(): void {
    this.#moving -= 1;
    assert(this.#moving >= 0);
  }

  closing(): void {
    this.#moving += 1;
  }

  closed(): void {
    this.#open -= 1;
    this.#moving -= 1;
    assert(this.#open >= 0 && this.#moving >= 0);
  }
}
