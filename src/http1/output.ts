// Bytes to one socket: small responses as one latin-1 string in one write, large ones in pieces, each given
// to the socket when the piece before has been taken. So a slow reader is seen to make progress, and one
// large Buffer does not become one endless write.

import type { Socket } from "node:net";

import { detachBuffer } from "../net/buffer-pool.ts";
import { STALLED_READER_MS } from "./limits.ts";

/**
 * Up to here text and bytes are joined to one string: 17 % less CPU a request than two parts in one writev
 * at 2 kB, 2 % at 8 kB, 45 % more at 10 kB (benchmarks/http1-hello.ts with BODY_BYTES).
 */
const MAX_JOINED_BYTES = 8192;
/** Bytes given to the socket at a time: its own high-water mark, so that "drain" tells when it has room. */
const PIECE_BYTES = 65_536;
/** Memory of so many bytes is given back as soon as they are sent; less is left to the collector. */
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
  /** Text that waits for the end of the turn, so that it goes in one system call: a head, small chunks. */
  #soon = "";
  /** Buffers that wait for room in the socket, null = none; and bytes of the first that are given to it. */
  #waiting: Buffer[] | null = null;
  #given = 0;
  /** Bytes that the kernel had taken at a tick while others waited, -1 = none; and the time of that tick. */
  #taken = -1;
  #takenAt = 0;

  constructor(socket: Socket) {
    this.#socket = socket;
  }

  /** Whether as many bytes wait as should. */
  get isFull(): boolean {
    return this.#waiting !== null || this.#socket.writableLength >= PIECE_BYTES;
  }

  /** Whether the kernel has taken all bytes. */
  get isEmpty(): boolean {
    return this.#waiting === null && this.#socket.writableLength === 0;
  }

  /**
   * Sends text and bytes; text is latin-1. More than PIECE_BYTES of bytes are kept, and freed when they are
   * sent; fewer are the caller's again afterwards.
   */
  send(text: string, bytes: Buffer = EMPTY): void {
    this.#send(text, bytes, "");
  }

  /**
   * Sends text, bytes and text at the end of the turn, or at once where they are many. The bytes are the
   * output's: their memory is freed as soon as it is not needed.
   */
  append(before: string, bytes: Buffer, after: string): void {
    if (this.#soon.length + bytes.length <= MAX_JOINED_BYTES) {
      if (this.#soon === "") flushSoon(this);
      this.#soon += before + bytes.toString("latin1") + after;
    } else this.#send(before, bytes, after);
    if (bytes.length <= PIECE_BYTES) detachBuffer(bytes);
  }

  /** Sends the text that waits for the end of the turn; on a socket that is gone, drops it. */
  flush(): void {
    if (this.#soon === "") return;
    if (this.#socket.destroyed) this.#soon = "";
    else this.#send("", EMPTY, "");
  }

  /** Whether the client has taken nothing for too long; asked at each tick. */
  isStalled(now: number): boolean {
    const socket = this.#socket;
    // Bytes that have been given to the socket and do not wait there any more.
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
      if (text !== "") socket.write(text, "latin1");
      this.#waiting = [bytes];
      if (tail !== "") this.#waiting.push(Buffer.from(tail, "latin1"));
      this.drain();
    }
  }

  #writeJoined(text: string, bytes: Buffer, tail: string): void {
    if (text.length + bytes.length + tail.length > SCRATCH_BYTES) {
      this.#write(joined(text, bytes, tail));
      return;
    }
    this.#socket.write(joinInto(scratch, text, bytes, tail));
    // Bytes that the kernel has not taken at once still lie in the buffer.
    if (this.#socket.writableLength > 0) scratch = Buffer.allocUnsafeSlow(SCRATCH_BYTES);
  }

  /** Gives the socket the next piece of the first waiting buffer; with the last piece goes the memory. */
  #writePiece(bytes: Buffer): void {
    const start = this.#given;
    const end = Math.min(start + PIECE_BYTES, bytes.length);
    this.#given = end;
    if (start === 0 && end === bytes.length) this.#write(bytes);
    else this.#write(bytes.subarray(start, end), end === bytes.length ? bytes : null);
  }

  /** `whole`: the buffer to free with this piece. After an error the kernel may still use the memory. */
  #write(piece: Buffer, whole: Buffer | null = piece): void {
    if (whole === null || whole.length < FREED_BYTES) this.#socket.write(piece);
    else
      this.#socket.write(piece, (error) => {
        if (error === null || error === undefined) detachBuffer(whole);
      });
  }
}

// Outputs with text that goes out at the end of the turn.
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

/** Writes all three one behind the other into `room`; returns the part that they fill. */
function joinInto(room: Buffer, text: string, bytes: Buffer, tail: string): Buffer {
  const end = text.length + bytes.length;
  room.write(text, 0, "latin1");
  bytes.copy(room, text.length);
  room.write(tail, end, "latin1");
  return room.subarray(0, end + tail.length);
}
