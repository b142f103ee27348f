// The output of processes, read from pipes and cut into lines. FIFOs are read by net.Socket, not by fs
// streams: four of those block Node's thread pool.

import { constants, openSync, unlinkSync } from "node:fs";
import { Socket } from "node:net";

/** A longer line is cut into pieces of this many characters: one line may not fill the front's memory. */
const MAX_OUTPUT_LINE = 8192;

/** Cuts text that comes in pieces into lines of at most `limit` characters. */
export class LineCutter {
  readonly #onLine: (line: string) => void;
  readonly #limit: number;
  #held = "";

  constructor(onLine: (line: string) => void, limit: number = MAX_OUTPUT_LINE) {
    this.#onLine = onLine;
    this.#limit = limit;
  }

  push(text: string): void {
    const lines = (this.#held + text).split("\n");
    this.#held = lines.pop() ?? "";
    for (const line of lines) this.#give(line);
    if (this.#held.length > this.#limit) this.flush();
  }

  /** The stream has ended: the rest is a line too. */
  flush(): void {
    if (this.#held !== "") this.#give(this.#held);
    this.#held = "";
  }

  #give(line: string): void {
    for (let at = 0; at === 0 || at < line.length; at += this.#limit)
      this.#onLine(line.slice(at, at + this.#limit));
  }
}

/** Gives each line of a readable socket (without its end, UTF-8) to `onLine`. */
export function cutLines(socket: Socket, cutter: LineCutter): void {
  socket.setEncoding("utf8");
  socket.on("data", (text: string) => cutter.push(text));
  socket.on("error", () => socket.destroy());
  socket.on("close", () => cutter.flush());
}

/** Opens the FIFO at `path`, unlinks it and gives its lines to `onLine`. A writer must exist. */
export function readFifo(path: string, onLine: (line: string) => void): Socket {
  const fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  unlinkSync(path);
  const socket = new Socket({ fd, readable: true, writable: false });
  cutLines(socket, new LineCutter(onLine));
  return socket;
}
