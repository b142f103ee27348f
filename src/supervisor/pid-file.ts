// The PID file (--pid): written completely or not at all. It replaces the file of a server that has ended, and
// no other file. A process with the old number does not prove that the server runs, because numbers are reused;
// so the server's control socket is asked as well.

import { lstatSync, readFileSync, renameSync, rmSync, unlinkSync, writeFileSync } from "node:fs";

import { OperatorError, quote } from "../config/operator-error.ts";
import { isControlled } from "./control-client.ts";
import { controlPath } from "./control-protocol.ts";

/** A PID file holds a number and a line end; a larger file is something else. */
const MAX_FILE_BYTES = 64;

export class PidFile {
  readonly #path: string;

  private constructor(path: string) {
    this.#path = path;
  }

  /** Checks that `path` may be written; writes nothing yet. Throws OperatorError if another server owns it. */
  static async claim(path: string): Promise<PidFile> {
    const pid = readOwner(path);
    if (pid !== null && isAlive(pid) && (await isControlled(controlPath(path))))
      throw refusal(
        path,
        `belongs to Typhon with process id ${pid}, which still runs; stop it first`,
      );
    return new PidFile(path);
  }

  /** Writes our process id. Throws OperatorError if that fails. */
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

  /** Removes the file, unless it holds the number of another process by now. */
  remove(): void {
    try {
      if (readFileSync(this.#path, "latin1").trim() === String(process.pid)) unlinkSync(this.#path);
    } catch {
      // The file or its folder is gone already.
    }
  }
}

/** The process id in a file; null without a file, for an empty file and for our own id. Throws OperatorError if the file is no PID file. */
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
  return refusal(path, "exists and holds no process id; name another file");
}

function refusal(path: string, what: string): OperatorError {
  return new OperatorError(`--pid ${quote(path)} ${what}`);
}

function codeOf(error: unknown): string {
  return error instanceof Error && "code" in error ? String(error.code) : String(error);
}
