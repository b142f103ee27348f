// Which program a path names, and what of the path is left for it (PATH_INFO). The file system decides, name by name
// from the route's folder on: the first name that is a file is the program, whatever the names behind it look like.
// A name with a dot in front hides what it names; a symbolic link leads below the folder only. Nothing is kept: each
// request looks anew.

import { stat } from "node:fs/promises";
import { dirname, basename } from "node:path";

import type { ProgramLocation } from "../../cgi/variables.ts";
import { FileTree, type FileCount, type Place } from "../../net/file-tree.ts";

export interface ProgramFinderOptions {
  /** The route's canonical path: "" or "/prefix". */
  readonly prefix: string;
  /** Absolute: a folder of programs, or one program. */
  readonly place: string;
  /** The interpreter for `.py` files without the executable bit; "" = such files are not run. */
  readonly python: string;
  readonly count: FileCount;
  /** There is something that may not be looked at. `path`: latin-1. */
  readonly onDenied: (path: string) => void;
}

/** All texts are bytes, one character (latin-1) a byte. */
export interface FoundProgram extends ProgramLocation {
  /** The interpreter that runs the file; "" = the file is executed itself. */
  readonly python: string;
  /** Absolute: the folder of the file. */
  readonly folder: string;
}

export class ProgramFinder {
  readonly #options: ProgramFinderOptions;
  readonly #tree: FileTree;
  /** The route's one program; null: the place is a folder. */
  readonly #only: string | null;

  private constructor(options: ProgramFinderOptions, isProgram: boolean) {
    const { place, count, onDenied } = options;
    this.#options = options;
    this.#only = isProgram ? basename(place) : null;
    // The operator has named the one program: a link leads where the operator wants.
    const root = isProgram ? dirname(place) : place;
    this.#tree = new FileTree({ root, followLinks: isProgram, count, onDenied });
  }

  /** A place that is not there is taken for a folder: nothing is found in it until it is there. */
  static async open(options: ProgramFinderOptions): Promise<ProgramFinder> {
    const found = await stat(options.place).catch(() => null);
    return new ProgramFinder(options, found?.isFile() === true);
  }

  /**
   * "missing": nothing that could be run. "denied": a file that is no program. Rejects with the system's errors.
   * `path`: canonical, below the prefix.
   */
  async find(path: string): Promise<FoundProgram | "missing" | "denied"> {
    const { prefix } = this.#options;
    if (this.#only !== null) {
      const only = await this.#look([bytesOf(this.#only)], prefix, path);
      return only === "folder" ? "missing" : only;
    }
    const names: string[] = [];
    const parts = path.slice(prefix.length).split("/").slice(1);
    let end = prefix.length;
    for (const name of parts) {
      if (name === "" || name.startsWith(".")) return "missing";
      names.push(name);
      end += 1 + name.length;
      const found = await this.#look(names, path.slice(0, end), path);
      if (found !== "folder") return found;
    }
    return "missing";
  }

  /** "folder": the names lead to a folder, in which the walk may go on. */
  async #look(
    names: readonly string[],
    scriptName: string,
    path: string,
  ): Promise<FoundProgram | "folder" | "missing" | "denied"> {
    const place = await this.#tree.find(names);
    if (place === null) return "missing";
    try {
      if (place.kind === "folder") return "folder";
      const python = await this.#interpreterOf(place, names.at(-1) ?? "");
      if (python === null) return "denied";
      const root = bytesOf(this.#tree.root);
      const folder = [root === "/" ? "" : root, ...names.slice(0, -1)].join("/") || "/";
      const file = `${folder === "/" ? "" : folder}/${names.at(-1) ?? ""}`;
      return { file, root, folder, python, scriptName, pathInfo: path.slice(scriptName.length) };
    } finally {
      place.release();
    }
  }

  /** Null: the file may not be run. */
  async #interpreterOf(place: Place, name: string): Promise<string | null> {
    if (await place.isExecutable()) return "";
    const { python } = this.#options;
    return python !== "" && name.endsWith(".py") ? bytesOf(python) : null;
  }
}

function bytesOf(text: string): string {
  return Buffer.from(text).toString("latin1");
}
