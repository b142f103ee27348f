// Frames to one client: pieces of messages, control frames, each in one write. What is compressed takes a
// while; everything that is sent behind it waits, in order.

import type { Duplex } from "node:stream";

import { bufferPool } from "../net/buffer-pool.ts";
import type { Deflate } from "./deflate.ts";
import { FIN, Opcode, RSV1 } from "./frame-layout.ts";
import { DEFLATE_THRESHOLD_BYTES } from "./limits.ts";
import { encodeClose, encodeFrame } from "./server-frame.ts";

const EMPTY = Buffer.alloc(0);

/** Hears whether the client's kernel has been given a frame; false: it never will be. */
type Done = (isTaken: boolean) => void;

/** No first byte: it is in the frame. */
const WHOLE = -1;

/** What waits behind a piece that is being compressed. */
interface Waiting {
  /** A whole frame, or a piece that is to be compressed. */
  readonly bytes: Buffer;
  /** The first byte of the piece's frame, or WHOLE. */
  readonly first: number;
  readonly onDone: Done;
}

export class FrameWriter {
  readonly #socket: Duplex;
  readonly #deflate: Deflate | null;
  /** What the message is that has begun and not ended. */
  #message: "none" | "plain" | "compressed" = "none";
  /** Of these the first is being compressed. */
  #waiting: Waiting[] = [];

  constructor(socket: Duplex, deflate: Deflate | null) {
    this.#socket = socket;
    this.#deflate = deflate;
  }

  /** Sends a piece of a message, whose bytes are valid during the call only. */
  send(piece: Buffer, isText: boolean, isLast: boolean, onDone: Done): void {
    let first: number = Opcode.CONTINUATION;
    if (this.#message === "none") {
      // RFC 7692 §6: the first frame says it for all of them.
      const isCompressed = this.#deflate !== null && piece.length >= DEFLATE_THRESHOLD_BYTES;
      this.#message = isCompressed ? "compressed" : "plain";
      first = (isText ? Opcode.TEXT : Opcode.BINARY) | (isCompressed ? RSV1 : 0);
    }
    const isCompressed = this.#message === "compressed";
    if (isLast) {
      this.#message = "none";
      first |= FIN;
    }
    if (isCompressed) this.#compress({ bytes: Buffer.from(piece), first, onDone });
    else this.#put(encodeFrame(first, piece), onDone);
  }

  ping(onDone: Done): void {
    this.#put(encodeFrame(FIN | Opcode.PING, EMPTY), onDone);
  }

  pong(payload: Buffer): void {
    this.#put(encodeFrame(FIN | Opcode.PONG, payload), ignore);
  }

  /** `code`: one that may be sent, or 1005 for none. */
  close(code: number, reason: string, onDone: Done): void {
    this.#put(encodeClose(code, reason), onDone);
  }

  #put(frame: Buffer, onDone: Done): void {
    if (this.#waiting.length > 0) this.#waiting.push({ bytes: frame, first: WHOLE, onDone });
    else this.#write(frame, onDone);
  }

  #write(frame: Buffer, onDone: Done): void {
    this.#socket.write(frame, (error) => {
      const isTaken = error === null || error === undefined;
      if (isTaken) bufferPool.release(frame);
      onDone(isTaken);
    });
  }

  #compress(piece: Waiting): void {
    this.#waiting.push(piece);
    if (this.#waiting.length === 1) this.#proceed();
  }

  /** Writes what waits, as far as the next piece that is to be compressed. */
  #proceed(): void {
    const next = this.#waiting.findIndex(({ first }) => first !== WHOLE);
    // In one step: there may be very many, and each shift moves them all.
    const ready = this.#waiting.splice(0, next < 0 ? this.#waiting.length : next);
    for (const { bytes, onDone } of ready) this.#write(bytes, onDone);
    const [piece] = this.#waiting;
    if (piece !== undefined) this.#deflatePiece(piece);
  }

  #deflatePiece({ bytes, first, onDone }: Waiting): void {
    this.#deflate?.compress(bytes, (first & FIN) !== 0, (error, deflated) => {
      if (error !== null || this.#socket.destroyed) {
        this.#drop();
        return;
      }
      bufferPool.release(bytes);
      this.#waiting.shift();
      this.#write(encodeFrame(first, deflated), onDone);
      this.#proceed();
    });
  }

  /** Nobody will get what waits. */
  #drop(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const { onDone } of waiting) onDone(false);
  }
}

function ignore(): void {
  // Nobody waits for it.
}
