// Writes to one socket: a small response as one latin-1 string in one write, a large one in pieces. Each piece
// is written when the socket has taken the piece before it, so that the progress of a slow reader can be seen.

import type { Socket } from "node:net";

import { detachBuffer } from "../net/buffer-pool.ts";
import { STALLED_READER_MS } from "./limits.ts";

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

export class Output {
  readonly #socket: Socket;
  /** Text (a head, small chunks) that is sent in one system call at the end of the event loop's turn. */
  #soon = "";
  /** Buffers that wait for room in the socket, null = none; and bytes of the first that the socket has. */
  #waiting: Buffer[] | null = null;
  #given = 0;
  /** Bytes that the kernel had taken at the last progress, -1 = none waited; and the tick's time. */
  #taken = -1;
  #takenAt = 0;

  constructor(socket: Socket) {
    this.#socket = socket;
  }

  /** Whether the high-water mark of unsent bytes is reached. */
  get isFull(): boolean {
    return this.#waiting !== null || this.#socket.writableLength >= PIECE_BYTES;
  }

  /** Whether the kernel has taken all bytes. */
  get isEmpty(): boolean {
    return this.#waiting === null && this.#socket.writableLength === 0;
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
    else this.#send("", EMPTY, "");
  }

  /** Whether the client has taken nothing for too long; called at each tick. */
  isStalled(now: number): boolean {
    const socket = this.#socket;
    // Bytes that the socket has passed on to the kernel.
    const taken = this.isEmpty ? -1 : socket.bytesWritten - socket.writableLength;
    if (taken !== -1 && taken === this.#taken) return now - this.#takenAt >= STALLED_READER_MS;
    this.#taken = taken;
    this.#takenAt = now;
    return false;
  }

  /** The socket has room: gives it the next pieces of the waiting buffers. */
  drain(): void {
    const buffers = this.#waiting;
    if (buffers === null) return;
    for (let [first] = buffers; first !== undefined; [first] = buffers) {
      while (this.#given < first.length) {
        if (this.#socket.writableLength >= PIECE_BYTES) return;
        this.#writePiece(first);
      }
      buffers.shift();
      this.#given = 0;
    }
    this.#waiting = null;
  }

  #send(start: string, bytes: Buffer, tail: string): void {
    const socket = this.#socket;
    const text = this.#soon + start;
    this.#soon = "";
    if (this.#waiting !== null) {
      const parts =
        bytes.length <= PIECE_BYTES
          ? [joined(text, bytes, tail)]
          : [Buffer.from(text, "latin1"), bytes, Buffer.from(tail, "latin1")];
      this.#waiting.push(...parts);
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
      this.#waiting = [bytes];
      if (tail !== "") this.#waiting.push(Buffer.from(tail, "latin1"));
      this.drain();
      socket.uncork();
    }
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
  #writePiece(bytes: Buffer): void {
    const start = this.#given;
    const end = Math.min(start + PIECE_BYTES, bytes.length);
    this.#given = end;
    if (start === 0 && end === bytes.length) this.#write(bytes);
    else this.#write(bytes.subarray(start, end), end === bytes.length ? bytes : null);
  }

  /** `whole`: freed when the piece is sent; not after an error: the kernel may still use the memory. */
  #write(piece: Buffer, whole: Buffer | null = piece): void {
    if (whole === null || whole.length < FREED_BYTES) this.#socket.write(piece);
    else
      this.#socket.write(piece, (error) => {
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
