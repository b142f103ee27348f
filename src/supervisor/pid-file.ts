// The file with our process id (--pid): written whole or not at all, and only in the place of nothing or
// of a file whose server is gone. A process with that number alone says nothing, since numbers are
// used again; its control socket has to live as well.

import { lstatSync, readFileSync, renameSync, rmSync, unlinkSync, writeFileSync } from "node:fs";

import { OperatorError, quote } from "../config/operator-error.ts";
import { isControlled } from "./control-client.ts";
import { controlPath } from "./control-protocol.ts";

/** A process id, a line end and some room. */
const MAX_FILE_BYTES = 64;

export class PidFile {
  readonly #path: string;

  private constructor(path: string) {
    this.#path = path;
  }

  /** Looks whether `path` may become ours; writes nothing yet. Throws OperatorError if not. */
  static async claim(path: string): Promise<PidFile> {
    const pid = readOwner(path);
    if (pid !== null && isAlive(pid) && (await isControlled(controlPath(path))))
      throw refusal(path, `belongs to Typhon with process id ${pid}, which runs; stop that first`);
    return new PidFile(path);
  }

  /** Puts our process id there. Throws OperatorError if it cannot. */
  write(): void {
    const draft = `${this.#path}.${process.pid}`;
    try {
      writeFileSync(draft, `${process.pid}\n`, { mode: 0o644 });
      renameSync(draft, this.#path);
    } catch (error) {
      rmSync(draft, { force: true });
      throw refusal(this.#path, `cannot be written (${codeOf(error)}); name another file`);
    }
  }

  /** Takes it away, unless somebody else has put theirs there. */
  remove(): void {
    try {
      if (readFileSync(this.#path, "latin1").trim() === String(process.pid)) unlinkSync(this.#path);
    } catch {
      // Gone already, or its folder is; at the end nobody is left to mind.
    }
  }
}

/** The process id in a file; null where there is none. Throws OperatorError for what is no PID file. */
function readOwner(path: string): number | null {
  const found = lstatSync(path, { throwIfNoEntry: false });
  if (found === undefined) return null;
  if (!found.isFile() || found.size > MAX_FILE_BYTES) throw noPidFile(path);
  let text: string;
  try {
    text = readFileSync(path, "latin1").trim();
  } catch (error) {
    throw refusal(path, `cannot be read (${codeOf(error)}); name another file`);
  }
  if (text === "") return null;
  if (!/^[1-9]\d{0,9}$/.test(text)) throw noPidFile(path);
  return Number(text) === process.pid ? null : Number(text);
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return codeOf(error) === "EPERM";
  }
}

function noPidFile(path: string): OperatorError {
  return refusal(path, "is there and holds no process id; name another file");
}

function refusal(path: string, what: string): OperatorError {
  return new OperatorError(`--pid ${quote(path)} ${what}`);
}

function codeOf(error: unknown): string {
  return error instanceof Error && "code" in error ? String(error.code) : String(error);
}
