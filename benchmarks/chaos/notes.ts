// The notes of the chaos application (test/apps/chaos_pages.py) and its instructions: files of one folder.
// The notes show which requests were run, whatever responses the clients got.

import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** One import of the application. */
export interface Start {
  readonly pid: number;
  readonly version: string;
  /** CLOCK_MONOTONIC, ms: the clock of clockMs(). */
  readonly at: number;
  /** How long the import took. */
  readonly importMs: number;
}

export class Notes {
  readonly folder: string;

  constructor(folder: string) {
    this.folder = folder;
  }

  starts(): Start[] {
    return this.#words("starts").map(([pid = "0", version = "", at = "0", seconds = "0"]) => ({
      pid: Number(pid),
      version,
      at: Number(at) * 1000,
      importMs: Number(seconds) * 1000,
    }));
  }

  /** The processes that have run each held request, in order. */
  holds(): Map<string, number[]> {
    const held = new Map<string, number[]>();
    for (const [name = "", pid = "0"] of this.#words("holds"))
      held.set(name, [...(held.get(name) ?? []), Number(pid)]);
    return held;
  }

  /** When a process said that it was about to die, ms. */
  deaths(): { pid: number; at: number }[] {
    return this.#words("deaths").map(([pid = "0", at = "0"]) => ({
      pid: Number(pid),
      at: Number(at) * 1000,
    }));
  }

  /** The lines of a file. */
  lines(name: string): string[] {
    const path = join(this.folder, name);
    if (!existsSync(path)) return [];
    return readFileSync(path, "latin1").split("\n").slice(0, -1);
  }

  /** Releases a group of held requests. */
  release(group: string): void {
    this.#write(`${group}.go`, "");
  }

  /** Sets the version of the application that is imported from now on. */
  setVersion(version: string): void {
    this.#write("version", version);
  }

  /** Sets what imports do from now on: "raise", "exit", "exit-soon", or "" to succeed. */
  setFault(fault: string): void {
    this.#write("fault", fault);
  }

  #write(name: string, text: string): void {
    writeFileSync(join(this.folder, name), text);
  }

  #words(name: string): string[][] {
    return this.lines(name).map((line) => line.split(" "));
  }
}
