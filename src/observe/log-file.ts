// Opens the descriptors that log lines are written to. A pipe, a terminal or a socket gets O_NONBLOCK, so that no
// write to one can hold a thread. O_NONBLOCK has no effect on a file of a disk: writes to one belong into Node's
// thread pool. libuv adds O_CLOEXEC to each open().

import {
  close,
  constants,
  fstat,
  fstatSync,
  open,
  openSync,
  readFileSync,
  type Stats,
} from "node:fs";
import { Socket } from "node:net";
import { promisify } from "node:util";

/** An open descriptor for log lines. */
export interface LogFile {
  readonly fd: number;
  /** Whether a write may block: to a disk, or to a stream that could not be made non-blocking. */
  readonly mayBlock: boolean;
}

const { O_APPEND, O_CREAT, O_NOCTTY, O_NONBLOCK, O_WRONLY } = constants;
/** A FIFO without a reader is an error (ENXIO), and a terminal does not become this process's own. */
const STREAM_FLAGS = O_WRONLY | O_APPEND | O_NONBLOCK | O_NOCTTY;
const FILE_FLAGS = STREAM_FLAGS | O_CREAT;
const FILE_MODE = 0o666;

/** Sockets that hold O_NONBLOCK of a standard stream: Node closes the descriptor of one that is collected. */
const held: Socket[] = [];

/** Opens (and creates) a file at once. Throws the system's error. */
export function openLogFileSync(path: string): LogFile {
  const fd = openSync(path, FILE_FLAGS, FILE_MODE);
  return { fd, mayBlock: isOnDisk(fstatSync(fd)) };
}

/** Opens (and creates) a file in Node's thread pool. Rejects with the system's error. */
export async function openLogFile(path: string): Promise<LogFile> {
  const fd = await promisify(open)(path, FILE_FLAGS, FILE_MODE);
  return { fd, mayBlock: isOnDisk(await promisify(fstat)(fd)) };
}

/** Closes a file in Node's thread pool. */
export const closeLogFile: (fd: number) => Promise<void> = promisify(close);

/**
 * Standard output or standard error. O_NONBLOCK belongs to an open file, which other processes may share; so a
 * pipe or a terminal is opened once more. A socket, or a pipe of another user, cannot be: it gets O_NONBLOCK itself.
 */
export function openStandardStream(stream: 1 | 2): LogFile {
  if (isOnDisk(fstatSync(stream))) return { fd: stream, mayBlock: true };
  try {
    return { fd: openSync(`/proc/self/fd/${stream}`, STREAM_FLAGS), mayBlock: false };
  } catch {
    return { fd: stream, mayBlock: !setNonBlocking(stream) };
  }
}

/** Whether the descriptor is non-blocking afterwards; false for a terminal. */
function setNonBlocking(fd: number): boolean {
  try {
    held.push(new Socket({ fd, readable: false, writable: true }));
    const flags = /^flags:\s+([0-7]+)/m.exec(readFileSync(`/proc/self/fdinfo/${fd}`, "latin1"));
    return (Number.parseInt(flags?.[1] ?? "", 8) & O_NONBLOCK) !== 0;
  } catch {
    return false;
  }
}

function isOnDisk(file: Stats): boolean {
  return file.isFile() || file.isBlockDevice();
}
