// What goes to one socket: small answers as one latin-1 string in one write, large ones in pieces, each
// given to the socket when the one before has been taken. So a slow reader is seen to make progress, and
// one large Buffer does not become one endless write.

import type { Socket } from "node:net";

import { detachBuffer } from "../net/buffer-pool.ts";
import { STALLED_READER_MS } from "./limits.ts";

/**
 * Up to here head and body are joined to one string: 17 % less CPU a request than two parts in one writev
 * at 2 kB, 2 % at 8 kB, 45 % more at 10 kB (benchmarks/http1-hello.ts with BODY_BYTES).
 */
export const MAX_JOINED_BYTES = 8192;
/** Bytes given to the socket at a time; the socket's own high-water mark, so that it tells when it has room. */
export const PIECE_BYTES = 65_536;
/** Memory of so many bytes is given back as soon as they are sent; less is left to the collector. */
const FREED_BYTES = 32_768;

/**
 * Where answers are put together that the kernel takes at once, as it mostly does: a buffer for each would
 * keep the collector busy.
 */
const SCRATCH_BYTES = PIECE_BYTES + 4096;
let scratch = Buffer.allocUnsafeSlow(SCRATCH_BYTES);

/** Bytes of which `given` have been given to the socket. */
interface Unsent {
  readonly bytes: Buffer;
  given: number;
}

export class Output {
  readonly #socket: Socket;
  /** Null: everything has been given to the socket. */
  #unsent: Unsent[] | null = null;
  /** Bytes that the kernel has taken while others wait, -1 = none wait; and the tick that saw it first. */
  #taken = -1;
  #takenAt = 0;

  constructor(socket: Socket) {
    this.#socket = socket;
  }

  /** Whether as much waits as should. */
  get isFull(): boolean {
    return this.#unsent !== null || this.#socket.writableLength >= PIECE_BYTES;
  }

  /** Whether nothing waits. */
  get isEmpty(): boolean {
    return this.#unsent === null && this.#socket.writableLength === 0;
  }

  /**
   * Sends text, bytes and text, in this order; text is latin-1. Bytes of over PIECE_BYTES are kept, and
   * freed when they are sent; fewer are the caller's again afterwards.
   */
  send(text: string, bytes: Buffer, tail: string): void {
    const socket = this.#socket;
    if (this.#unsent !== null) {
      const parts =
        bytes.length <= PIECE_BYTES
          ? [joined(text, bytes, tail)]
          : [Buffer.from(text, "latin1"), bytes, Buffer.from(tail, "latin1")];
      for (const part of parts) this.#unsent.push({ bytes: part, given: 0 });
    } else if (bytes.length === 0) {
      socket.write(text + tail, "latin1");
    } else if (bytes.length <= MAX_JOINED_BYTES) {
      socket.write(text + bytes.toString("latin1") + tail, "latin1");
    } else if (bytes.length <= PIECE_BYTES) {
      // One buffer: a writev of strings and buffers costs a quarter more (raw-10k).
      this.#writeJoined(text, bytes, tail);
    } else {
      if (text !== "") socket.write(text, "latin1");
      this.#unsent = [{ bytes, given: 0 }];
      if (tail !== "") this.#unsent.push({ bytes: Buffer.from(tail, "latin1"), given: 0 });
      this.drain();
    }
  }

  /** Whether the client has taken nothing for too long; asked at each tick. */
  isStalled(now: number): boolean {
    const socket = this.#socket;
    // What has been given to the socket and does not wait there any more.
    const taken = this.isEmpty ? -1 : socket.bytesWritten - socket.writableLength;
    if (taken !== -1 && taken === this.#taken) return now - this.#takenAt >= STALLED_READER_MS;
    this.#taken = taken;
    this.#takenAt = now;
    return false;
  }

  /** The socket has room. */
  drain(): void {
    const queue = this.#unsent;
    if (queue === null) return;
    const socket = this.#socket;
    for (let [first] = queue; first !== undefined; [first] = queue) {
      if (first.given < first.bytes.length) {
        if (socket.writableLength >= PIECE_BYTES) return;
        this.#give(first);
      } else queue.shift();
    }
    this.#unsent = null;
  }

  #writeJoined(text: string, bytes: Buffer, tail: string): void {
    if (text.length + bytes.length + tail.length > SCRATCH_BYTES) {
      this.#write(joined(text, bytes, tail));
      return;
    }
    this.#socket.write(joinInto(scratch, text, bytes, tail));
    // What has not been written at once lies in it still.
    if (this.#socket.writableLength > 0) scratch = Buffer.allocUnsafeSlow(SCRATCH_BYTES);
  }

  // Gives the next piece; with the last one goes the memory.
  #give(unsent: Unsent): void {
    const { bytes, given } = unsent;
    unsent.given = Math.min(given + PIECE_BYTES, bytes.length);
    if (given === 0 && unsent.given === bytes.length) this.#write(bytes);
    else
      this.#write(
        bytes.subarray(given, unsent.given),
        unsent.given === bytes.length ? bytes : null,
      );
  }

  /** `whole`: what goes with the last piece of it. After an error the kernel may still have a use for it. */
  #write(piece: Buffer, whole: Buffer | null = piece): void {
    if (whole === null || whole.length < FREED_BYTES) this.#socket.write(piece);
    else
      this.#socket.write(piece, (error) => {
        if (error === null || error === undefined) detachBuffer(whole);
      });
  }
}

function joined(text: string, bytes: Buffer, tail: string): Buffer {
  return joinInto(Buffer.allocUnsafe(text.length + bytes.length + tail.length), text, bytes, tail);
}

/** Writes all three one behind the other into `room`; returns what they fill. */
function joinInto(room: Buffer, text: string, bytes: Buffer, tail: string): Buffer {
  const end = text.length + bytes.length;
  room.write(text, 0, "latin1");
  bytes.copy(room, text.length);
  room.write(tail, end, "latin1");
  return room.subarray(0, end + tail.length);
}
