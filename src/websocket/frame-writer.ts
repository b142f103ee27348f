// Sends frames to one client: pieces of messages and control frames, each in one write. Compressing a piece
// takes a while; later frames wait behind it, so the order is kept.

import type { Duplex } from "node:stream";

import { bufferPool } from "../net/buffer-pool.ts";
import type { Deflate } from "./deflate.ts";
import { encodeClose, encodeFrame, FIN, Opcode, RSV1 } from "./frame.ts";
import { DEFLATE_THRESHOLD_BYTES } from "./limits.ts";

const EMPTY = Buffer.alloc(0);
/** While so many bytes wait for the client, pongs wait as well. */
const CONGESTED_BYTES = 65_536;

/** Called when the kernel has taken a frame; false: the client will never get the frame. */
type Done = (isTaken: boolean) => void;

/** Marks a waiting frame that is encoded already; in place of the first byte. */
const ENCODED = -1;

/** A frame that waits for a piece to be compressed, or that piece. */
interface Waiting {
  /** An encoded frame, or a piece to compress. */
  readonly bytes: Buffer;
  /** The first byte of the piece's frame, or ENCODED. */
  readonly first: number;
  readonly onDone: Done;
}

export class FrameWriter {
  readonly #stream: Duplex;
  readonly #deflate: Deflate | null;
  /** The message whose last piece has not been sent. */
  #message: "none" | "plain" | "compressed" = "none";
  /** Frames in the order of sending; the first one is being compressed. */
  #waiting: Waiting[] = [];
  /** Payload of the newest ping, if its pong waits for the client to read. */
  #pendingPong: Buffer | null = null;
  #hasEnded = false;

  constructor(stream: Duplex, deflate: Deflate | null) {
    this.#stream = stream;
    this.#deflate = deflate;
    stream.on("drain", () => this.#sendPendingPong());
  }

  /** Sends a piece of a message; its bytes are valid during the call only. */
  send(piece: Buffer, isText: boolean, isLast: boolean, onDone: Done): void {
    let first: number = Opcode.CONTINUATION;
    if (this.#message === "none") {
      // RFC 7692 §6: the first frame's bit is for the whole message.
      const isCompressed = this.#deflate !== null && piece.length >= DEFLATE_THRESHOLD_BYTES;
      this.#message = isCompressed ? "compressed" : "plain";
      first = (isText ? Opcode.TEXT : Opcode.BINARY) | (isCompressed ? RSV1 : 0);
    }
    const isCompressed = this.#message === "compressed";
    if (isLast) {
      this.#message = "none";
      first |= FIN;
    }
    if (!isCompressed) this.#queue(encodeFrame(first, piece), onDone);
    else {
      const frame = this.#waiting.length === 0 ? this.#compressNow(piece, first) : null;
      if (frame !== null) this.#write(frame, onDone);
      else this.#compress({ bytes: Buffer.from(piece), first, onDone });
    }
  }

  ping(onDone: Done): void {
    this.#queue(encodeFrame(FIN | Opcode.PING, EMPTY), onDone);
  }

  /**
   * Sends a pong, later if the client reads too slowly. Only the newest waits, which answers all pings before
   * it (RFC 6455 §5.5.3): a client that sends pings and reads nothing costs the memory of one pong.
   */
  pong(payload: Buffer): void {
    this.#pendingPong = payload;
    if (this.#stream.writableLength < CONGESTED_BYTES) this.#sendPendingPong();
  }

  /** Sends a close frame, the last frame. `code`: one that may be sent, or 1005 for none. */
  close(code: number, reason: string): void {
    this.#pendingPong = null;
    this.#queue(encodeClose(code, reason), ignore);
  }

  /** Ends the stream behind the last frame. */
  end(): void {
    this.#hasEnded = true;
    if (this.#waiting.length === 0) this.#stream.end();
  }

  #sendPendingPong(): void {
    const payload = this.#pendingPong;
    this.#pendingPong = null;
    if (payload !== null) this.#queue(encodeFrame(FIN | Opcode.PONG, payload), ignore);
  }

  #queue(frame: Buffer, onDone: Done): void {
    if (this.#waiting.length > 0) this.#waiting.push({ bytes: frame, first: ENCODED, onDone });
    else this.#write(frame, onDone);
  }

  #write(frame: Buffer, onDone: Done): void {
    this.#stream.write(frame, (error) => {
      const isTaken = error === null || error === undefined;
      if (isTaken) bufferPool.release(frame);
      onDone(isTaken);
    });
  }

  #compress(piece: Waiting): void {
    this.#waiting.push(piece);
    if (this.#waiting.length === 1) this.#flush();
  }

  /** Compresses a piece that is a whole message in this thread; null: another thread has to do it. */
  #compressNow(piece: Buffer, first: number): Buffer | null {
    const isWhole = (first & FIN) !== 0 && (first & RSV1) !== 0;
    const deflated = isWhole ? this.#deflate?.deflateNow(piece) : null;
    return deflated ? encodeFrame(first, deflated) : null;
  }

  /** Writes the waiting frames as far as the next piece that another thread has to compress. */
  #flush(): void {
    let count = 0;
    for (const { bytes, first, onDone } of this.#waiting) {
      const frame = first === ENCODED ? bytes : this.#compressNow(bytes, first);
      if (frame === null) break;
      this.#write(frame, onDone);
      count += 1;
    }
    // In one step: thousands may wait, and each shift() would move all others.
    this.#waiting.splice(0, count);
    const [piece] = this.#waiting;
    if (piece !== undefined) this.#deflatePiece(piece);
    else if (this.#hasEnded) this.#stream.end();
  }

  #deflatePiece({ bytes, first, onDone }: Waiting): void {
    this.#deflate?.deflate(bytes, (first & FIN) !== 0, (deflated) => {
      if (deflated === null || this.#stream.destroyed) {
        this.#drop();
        return;
      }
      bufferPool.release(bytes);
      this.#waiting.shift();
      this.#write(encodeFrame(first, deflated), onDone);
      this.#flush();
    });
  }

  /** Drops the waiting frames, which the client will never get. */
  #drop(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const { onDone } of waiting) onDone(false);
    if (this.#hasEnded) this.#stream.end();
  }
}

function ignore(): void {
  // For a frame whose sending nothing waits for.
}
