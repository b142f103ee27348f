// The output of processes, read from pipes as bytes and given on in whole lines. FIFOs are read by net.Socket,
// not by fs streams: four of those block Node's thread pool.

import type { Socket } from "node:net";

import { Pieces } from "../net/pieces.ts";

/** Bytes of a line that are held until its end comes. A longer line is given in pieces. */
const MAX_OUTPUT_LINE = 1_048_576;
const LINE_END = 10;
/** How long a stream is not read before its reader is asked again. */
const PAUSE_MS = 10;
const NOTHING = Buffer.alloc(0);

/** Gives bytes that come in pieces as whole lines: any number of lines at a time, each with its "\n". */
export class LineGatherer {
  readonly #onLines: (lines: Buffer) => void;
  readonly #limit: number;
  /** A line whose end has not come. */
  readonly #held = new Pieces();

  constructor(onLines: (lines: Buffer) => void, limit: number = MAX_OUTPUT_LINE) {
    this.#onLines = onLines;
    this.#limit = limit;
  }

  push(bytes: Buffer): void {
    const end = bytes.lastIndexOf(LINE_END) + 1;
    if (end > 0) {
      this.#held.push(bytes.subarray(0, end));
      this.#give();
    }
    if (end < bytes.length) this.#held.push(bytes.subarray(end));
    // The piece of a line that is too long has no "\n".
    if (this.#held.bytes >= this.#limit) this.#give();
  }

  /** The stream has ended: an unfinished line is finished. */
  flush(): void {
    if (this.#held.bytes === 0) return;
    this.#held.push(Buffer.from("\n"));
    this.#give();
  }

  #give(): void {
    if (this.#held.bytes > 0) this.#onLines(this.#held.takeJoined());
  }
}

/** Calls `onLine` with each line, without its end, as text (UTF-8). */
export function eachLine(lines: Buffer, onLine: (line: string) => void): void {
  const texts = lines.toString("utf8").split("\n");
  // A "\n" at the end begins no further line.
  if (texts.at(-1) === "") texts.pop();
  for (const text of texts) onLine(text);
}

/**
 * Takes whole lines, with their ends; a very long line comes in pieces. False: the writer has to wait. The
 * question is repeated with no lines until the answer is true.
 */
export type TakeLines = (lines: Buffer) => boolean;

/** Gives the lines of a readable socket to `onLines`, until the socket ends. */
export function gatherLines(socket: Socket, onLines: TakeLines): void {
  const resumeWhenTaken = (): void => {
    if (onLines(NOTHING)) socket.resume();
    else setTimeout(resumeWhenTaken, PAUSE_MS).unref();
  };
  const gatherer = new LineGatherer((lines) => {
    if (onLines(lines) || socket.destroyed) return;
    socket.pause();
    setTimeout(resumeWhenTaken, PAUSE_MS).unref();
  });
  socket.on("data", (bytes: Buffer) => gatherer.push(bytes));
  socket.on("error", () => socket.destroy());
  socket.on("close", () => gatherer.flush());
}
