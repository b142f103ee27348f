// The PID file (--pid): written completely or not at all. It replaces the file of a server that has ended, and
// no other file. A process with the old number does not prove that the server runs, because numbers are reused;
// so the server's control socket is asked as well. Other users may write to the folder: no link is followed, no
// file that somebody else has made is written to, and no FIFO is waited for.

import { randomBytes } from "node:crypto";
import {
  closeSync,
  constants,
  fstatSync,
  openSync,
  readSync,
  renameSync,
  rmSync,
  unlinkSync,
  writeSync,
} from "node:fs";

import { OperatorError, quote } from "../config/operator-error.ts";
import { isControlled } from "./control-client.ts";
import { controlPath } from "./control-protocol.ts";

/** A PID file holds a number and a line end; a larger file is something else. */
const MAX_FILE_BYTES = 64;

const { O_CREAT, O_EXCL, O_NOCTTY, O_NOFOLLOW, O_NONBLOCK, O_RDONLY, O_WRONLY } = constants;
/** O_NONBLOCK: a FIFO must not make the server wait. */
const READ = O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY;
/** A new file, and no link to one. */
const CREATE = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW;

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

  /** Writes our process id. A link at the path is replaced, never followed. Throws OperatorError if that fails. */
  write(): void {
    const draft = `${this.#path}.${randomBytes(8).toString("hex")}`;
    try {
      const fd = openSync(draft, CREATE, 0o644);
      try {
        writeSync(fd, `${process.pid}\n`);
        renameSync(draft, this.#path);
      } catch (error) {
        rmSync(draft, { force: true });
        throw error;
      } finally {
        closeSync(fd);
      }
    } catch (error) {
      throw refusal(this.#path, `cannot be written (${codeOf(error)}); name another file`);
    }
  }

  /** Removes the file, unless it holds the number of another process by now. */
  remove(): void {
    try {
      if (readPid(this.#path) === process.pid) unlinkSync(this.#path);
    } catch {
      // The file or its folder is gone already, or the path is no PID file any more.
    }
  }
}

/** The process id of another process in a file; null if there is none. Throws OperatorError if the file is no PID file. */
function readOwner(path: string): number | null {
  try {
    const pid = readPid(path);
    return pid === process.pid ? null : pid;
  } catch (error) {
    if (error instanceof OperatorError) throw error;
    const code = codeOf(error);
    if (code === "ENOENT" || code === "ENOTDIR") return null;
    // A link, or a socket.
    if (code === "ELOOP" || code === "ENXIO") throw noPidFile(path);
    throw refusal(path, `cannot be read (${code}); name another file`);
  }
}

/** The number in a file; null for an empty file. Throws OperatorError if the file is no PID file, or the system's error. */
function readPid(path: string): number | null {
  const fd = openSync(path, READ);
  try {
    const found = fstatSync(fd);
    if (!found.isFile() || found.size > MAX_FILE_BYTES) throw noPidFile(path);
    const bytes = Buffer.alloc(MAX_FILE_BYTES);
    const text = bytes.toString("latin1", 0, readSync(fd, bytes)).trim();
    if (text === "") return null;
    if (!/^[1-9]\d{0,9}$/.test(text)) throw noPidFile(path);
    return Number(text);
  } finally {
    closeSync(fd);
  }
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
