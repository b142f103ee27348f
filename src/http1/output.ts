// Writes to one socket: a small response as one latin-1 string in one write, a large one in pieces. Each piece
// is written when the socket has taken the piece before it, so that the progress of a slow reader can be seen.

import type { Socket } from "node:net";

import { detachBuffer } from "../net/buffer-pool.ts";
import { STALLED_READER_MS } from "../net/connection-limits.ts";
import { type MemoryBudget, UNLIMITED } from "../net/memory-budget.ts";

/**
 * Up to this size text and bytes are joined to one string: 17 % less CPU a request than two parts in one writev
 * at 2 kB, 2 % at 8 kB, 45 % more at 10 kB (benchmarks/http1-hello.ts with BODY_BYTES).
 */
const MAX_JOINED_BYTES = 8192;
/** Bytes given to the socket at a time: its high-water mark, so "drain" comes when it has room again. */
const PIECE_BYTES = 65_536;
/** Buffers of so many bytes are freed when they are sent; smaller ones are left to the collector. */
const FREED_BYTES = 32_768;

/**
 * Responses that are too long for one string are joined in this one buffer: the kernel mostly takes all bytes
 * at once, and a buffer for each response would keep the collector busy.
 */
const SCRATCH_BYTES = PIECE_BYTES + 4096;
let scratch = Buffer.allocUnsafeSlow(SCRATCH_BYTES);

const EMPTY = Buffer.alloc(0);

/** What a slow client has not taken; most connections have none of it. */
interface Unsent {
  /** Buffers that wait for room in the socket, and bytes of the first that the socket has. */
  readonly buffers: Buffer[];
  given: number;
  /** Bytes of buffers whose last piece the socket has: a piece keeps the memory of its whole buffer. */
  ending: number;
  /** Bytes counted in the budget. */
  counted: number;
  /** Bytes that the kernel had taken at the last progress, and the time of the tick that saw it. */
  taken: number;
  takenAt: number;
}

export class Output {
  readonly #socket: Socket;
  readonly #budget: MemoryBudget;
  /** Text (a head, small chunks) that is sent in one system call at the end of the event loop's turn. */
  #soon = "";
  #unsent: Unsent | null = null;

  /** `budget` counts the memory of what the client has not taken. */
  constructor(socket: Socket, budget = UNLIMITED) {
    this.#socket = socket;
    this.#budget = budget;
  }

  /** Memory of what the client has not taken. */
  get memoryBytes(): number {
    return this.#unsent?.counted ?? 0;
  }

  /** When the client was seen to take something; Infinity if nothing waited at the last tick. */
  get waitsSince(): number {
    return this.#unsent?.takenAt ?? Infinity;
  }

  /** Whether the high-water mark of unsent bytes is reached. */
  get isFull(): boolean {
    return this.#isWaiting || this.#socket.writableLength >= PIECE_BYTES;
  }

  /** Whether the kernel has taken all bytes. */
  get isEmpty(): boolean {
    return !this.#isWaiting && this.#socket.writableLength === 0;
  }

  get #isWaiting(): boolean {
    return this.#unsent !== null && this.#unsent.buffers.length > 0;
  }

  /**
   * Sends latin-1 text and bytes. A buffer of more than PIECE_BYTES is kept, and freed when it is sent; a
   * smaller one belongs to the caller again afterwards.
   */
  send(text: string, bytes: Buffer = EMPTY): void {
    this.#send(text, bytes, "");
  }

  /**
   * Sends text, bytes and text: few bytes at the end of the event loop's turn, many at once. The buffer belongs
   * to the output, which frees its memory early.
   */
  append(before: string, bytes: Buffer, after: string): void {
    if (this.#soon.length + bytes.length <= MAX_JOINED_BYTES) {
      if (this.#soon === "") flushSoon(this);
      this.#soon += before + bytes.toString("latin1") + after;
    } else this.#send(before, bytes, after);
    if (bytes.length <= PIECE_BYTES) detachBuffer(bytes);
  }

  /** Sends the text that waits for the end of the turn, or drops it if the socket is closed. */
  flush(): void {
    if (this.#soon === "") return;
    if (this.#socket.destroyed) this.#soon = "";
    // Many small writes would wait as many objects, so the text grows up to MAX_JOINED_BYTES until "drain".
    else if (this.isFull) this.#count();
    else this.#send("", EMPTY, "");
  }

  /** Whether the client has taken nothing for too long; called at each tick. */
  isStalled(now: number): boolean {
    if (this.isEmpty) {
      this.release();
      return false;
    }
    const socket = this.#socket;
    const unsent = this.#count();
    // Bytes that the socket has passed on to the kernel.
    const taken = socket.bytesWritten - socket.writableLength;
    if (taken === unsent.taken) return now - unsent.takenAt >= STALLED_READER_MS;
    unsent.taken = taken;
    unsent.takenAt = now;
    return false;
  }

  /** The socket has room: gives it the next pieces of the waiting buffers, and the text behind them. */
  drain(): void {
    const unsent = this.#unsent;
    if (unsent !== null) {
      const { buffers } = unsent;
      for (let [first] = buffers; first !== undefined; [first] = buffers) {
        while (unsent.given < first.length) {
          if (this.#socket.writableLength >= PIECE_BYTES) {
            this.#count();
            return;
          }
          this.#writePiece(unsent, first);
        }
        buffers.shift();
        unsent.given = 0;
      }
    }
    this.flush();
    if (this.isEmpty) this.release();
    else this.#count();
  }

  /** Gives back the memory in the budget: the client has taken all, or the socket is no longer ours. */
  release(): void {
    if (this.#unsent === null) return;
    this.#budget.give(this.#unsent.counted);
    this.#unsent = null;
  }

  /** Counts what the client has not taken. */
  #count(): Unsent {
    const unsent = this.#waitingState();
    let bytes = this.#socket.writableLength + this.#soon.length + unsent.ending;
    for (const buffer of unsent.buffers) bytes += buffer.length;
    const more = bytes - unsent.counted;
    unsent.counted = bytes;
    this.#budget.take(more);
    return unsent;
  }

  #waitingState(): Unsent {
    return (this.#unsent ??= {
      buffers: [],
      given: 0,
      ending: 0,
      counted: 0,
      taken: -1,
      takenAt: Infinity,
    });
  }

  #send(start: string, bytes: Buffer, tail: string): void {
    const socket = this.#socket;
    const text = this.#soon + start;
    this.#soon = "";
    if (this.#isWaiting) {
      const parts =
        bytes.length <= PIECE_BYTES
          ? [joined(text, bytes, tail)]
          : [Buffer.from(text, "latin1"), bytes, Buffer.from(tail, "latin1")];
      this.#waitingState().buffers.push(...parts);
    } else if (bytes.length === 0) {
      socket.write(text + tail, "latin1");
    } else if (bytes.length <= MAX_JOINED_BYTES) {
      socket.write(text + bytes.toString("latin1") + tail, "latin1");
    } else if (bytes.length <= PIECE_BYTES) {
      // One buffer: a writev of strings and buffers costs a quarter more (raw-10k).
      this.#writeJoined(text, bytes, tail);
    } else {
      // Text and the first piece in one system call: 13 % less CPU for a file of 100 KB.
      socket.cork();
      if (text !== "") socket.write(text, "latin1");
      const { buffers } = this.#waitingState();
      buffers.push(bytes);
      if (tail !== "") buffers.push(Buffer.from(tail, "latin1"));
      this.drain();
      socket.uncork();
    }
    if (this.isEmpty) this.release();
    else this.#count();
  }

  #writeJoined(text: string, bytes: Buffer, tail: string): void {
    if (text.length + bytes.length + tail.length > SCRATCH_BYTES) {
      this.#write(joined(text, bytes, tail));
      return;
    }
    this.#socket.write(joinInto(scratch, text, bytes, tail));
    // If the kernel has not taken all bytes, the socket still reads from the buffer.
    if (this.#socket.writableLength > 0) scratch = Buffer.allocUnsafeSlow(SCRATCH_BYTES);
  }

  /** Gives the socket the next piece of the first waiting buffer; the last piece frees the buffer. */
  #writePiece(unsent: Unsent, bytes: Buffer): void {
    const start = unsent.given;
    const end = Math.min(start + PIECE_BYTES, bytes.length);
    unsent.given = end;
    if (start === 0 && end === bytes.length) this.#write(bytes);
    else this.#write(bytes.subarray(start, end), end === bytes.length ? bytes : null);
  }

  /** `whole`: freed when the piece is sent; not after an error: the kernel may still use the memory. */
  #write(piece: Buffer, whole: Buffer | null = piece): void {
    if (whole === null || whole.length < FREED_BYTES) {
      this.#socket.write(piece);
      return;
    }
    const unsent = this.#waitingState();
    unsent.ending += whole.length;
    this.#socket.write(piece, (error) => {
      unsent.ending -= whole.length;
      if (error === null || error === undefined) detachBuffer(whole);
    });
  }
}

// Outputs with text that is sent at the end of the turn.
let unsent: Output[] = [];

function flushSoon(output: Output): void {
  if (unsent.length === 0) queueMicrotask(flushAll);
  unsent.push(output);
}

function flushAll(): void {
  const outputs = unsent;
  unsent = [];
  for (const output of outputs) output.flush();
}

function joined(text: string, bytes: Buffer, tail: string): Buffer {
  return joinInto(Buffer.allocUnsafe(text.length + bytes.length + tail.length), text, bytes, tail);
}

/** Writes text, bytes and tail into `room`; returns the part that they fill. */
function joinInto(room: Buffer, text: string, bytes: Buffer, tail: string): Buffer {
  const end = text.length + bytes.length;
  room.write(text, 0, "latin1");
  bytes.copy(room, text.length);
  room.write(tail, end, "latin1");
  return room.subarray(0, end + tail.length);
}
