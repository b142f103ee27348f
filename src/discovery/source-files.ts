// Reads sources of Python, each once, within limits, so that no folder keeps a start waiting: a file, and all files
// together, have a largest size; pipes and devices are not opened. What could not be read is remembered for the
// explanation.

import { closeSync, constants, fstatSync, openSync, readSync } from "node:fs";
import { relative } from "node:path";
import { TextDecoder } from "node:util";

import { isFile } from "./entries.ts";
import { readPythonModule, type PythonModule } from "./python-module.ts";

/** Bytes of one source. The parser reads 1 MiB of Python in about a second, of garbage in six. */
export const MAX_SOURCE_BYTES = 262_144;
/** Bytes of all sources, and their number. */
export const MAX_ALL_BYTES = 1_048_576;
export const MAX_SOURCES = 100;

/** One source, and what it binds. */
export interface SourceFile {
  /** Absolute. */
  readonly path: string;
  readonly module: PythonModule;
}

export class SourceFiles {
  /** A line for each file that is there and could not be read. */
  readonly faults: string[] = [];
  readonly #folder: string;
  readonly #known = new Map<string, SourceFile | null>();
  #bytes = 0;

  /** `folder`: the faults name files from here. */
  constructor(folder: string) {
    this.#folder = folder;
  }

  /** Null: there is no such file, or it cannot be read. */
  read(path: string): SourceFile | null {
    const known = this.#known.get(path);
    if (known !== undefined) return known;
    const file = isFile(path) ? this.#read(path) : null;
    this.#known.set(path, file);
    return file;
  }

  /** The path for people, from the folder. */
  nameOf(path: string): string {
    return relative(this.#folder, path) || ".";
  }

  #read(path: string): SourceFile | null {
    const read = [...this.#known.values()].filter((one) => one !== null).length;
    const source =
      read >= MAX_SOURCES || this.#bytes >= MAX_ALL_BYTES
        ? { fault: `was not looked at: ${MAX_SOURCES} files or 1 MiB were` }
        : readSource(path);
    if ("fault" in source) return this.#fail(path, source.fault);
    this.#bytes += source.text.length;
    const module = readPythonModule(source.text);
    return module === null ? this.#fail(path, "is nested too deeply") : { path, module };
  }

  #fail(path: string, fault: string): null {
    this.faults.push(`${this.nameOf(path)} ${fault}`);
    return null;
  }
}

function readSource(path: string): { readonly text: string } | { readonly fault: string } {
  let bytes: Buffer;
  try {
    bytes = readBytes(path);
  } catch (error) {
    const code = error instanceof Error && "code" in error ? String(error.code) : "";
    return { fault: `cannot be read (${code})` };
  }
  if (bytes.length > MAX_SOURCE_BYTES) return { fault: "is larger than 256 KiB" };
  if (bytes.includes(0)) return { fault: "is no text" };
  try {
    return { text: new TextDecoder("utf-8", { fatal: true }).decode(bytes) };
  } catch {
    // Another encoding of PEP 263. Names of Python that matter here are ASCII in all of them.
    return { text: bytes.toString("latin1") };
  }
}

/** At most one byte more than the limit. O_NONBLOCK: the file may have become a pipe. */
function readBytes(path: string): Buffer {
  const fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOCTTY);
  try {
    const most = MAX_SOURCE_BYTES + 1;
    const bytes = Buffer.alloc(fstatSync(fd).isFile() ? most : 0);
    let length = 0;
    for (let got = -1; got !== 0 && length < bytes.length; length += got)
      got = readSync(fd, bytes, length, bytes.length - length, null);
    return bytes.subarray(0, length);
  } finally {
    closeSync(fd);
  }
}
