// Compression of messages (RFC 7692): negotiation and zlib. No context outlives its message: each message has
// a zlib of its own, so an idle connection holds nothing of zlib.
//
// A short message passes through zlib in this thread, because the way to another thread and back costs more than
// zlib's work. All others pass through a thread of Node's pool, piece by piece. DEFLATE_TURN_BYTES limits the work in
// this thread, so that the event loop turns.

import * as zlib from "node:zlib";

import { TurnBudget } from "../net/turn-budget.ts";
import { ZlibStream } from "../net/zlib-stream.ts";
import { CloseCode, type CloseStatus } from "./close-code.ts";
import { agreeOn, type DeflateAgreement, type DeflateOffer } from "./deflate-offers.ts";
import {
  DEFLATE_MEMORY_LEVEL,
  DEFLATE_NOW_BYTES,
  DEFLATE_TURN_BYTES,
  MAX_MESSAGE_BYTES,
} from "./limits.ts";

declare module "zlib" {
  /** Node's declarations leave this overload out. */
  export function inflateRawSync(
    bytes: Buffer,
    options: ZlibOptions & { readonly info: true },
  ): { readonly buffer: Buffer; readonly engine: Zlib };
}

/** Messages are short: zlib's higher levels cost more than they save. */
const LEVEL = 3;
/** Longest piece of zlib's output: a way to a thread and back each. */
const MAX_PIECE_BYTES = 65_536;
/** How many times longer a message usually is than its compressed form, at most. */
const USUAL_RATIO = 8;
/** The end of zlib's output at a flush, which is not sent (RFC 7692 §7.2.1). */
const TAIL_BYTES = 4;
/** Bytes that may follow a final block: the beginning of an empty block (RFC 7692 §7.2.3.4). */
const MAX_BYTES_BEHIND_FINAL = 1;
/** Longest message that is inflated in this thread: about 60 µs. */
const MAX_NOW_OUTPUT_BYTES = 65_536;
/** Work of any pass through zlib, in bytes of the turn: the set-up of zlib takes as long as a kilobyte. */
const PASS_BYTES = 1024;

export const TOO_LARGE: CloseStatus = {
  code: CloseCode.TOO_BIG,
  reason: "a message is too large",
};
const GOES_ON: CloseStatus = {
  code: CloseCode.INVALID_TEXT,
  reason: "a compressed message goes on behind its final block",
};

/** What may still pass through zlib in this thread before the event loop turns, for all connections. */
const turn = new TurnBudget(DEFLATE_TURN_BYTES);

export class Deflate {
  /** Value of Sec-WebSocket-Extensions for the response. */
  readonly field: string;
  readonly #maxMessageBytes: number;
  readonly #inflateOptions: zlib.ZlibOptions;
  readonly #inflateNowOptions: zlib.ZlibOptions & { readonly info: true };
  readonly #deflateOptions: zlib.ZlibOptions;
  /** The zlib of the message that is received, and of the message that is sent, if they need one. */
  #inflating: ZlibStream | null = null;
  #deflating: ZlibStream | null = null;

  constructor(agreement: DeflateAgreement, maxMessageBytes: number) {
    this.field = agreement.field;
    this.#maxMessageBytes = maxMessageBytes;
    const windowBits = agreement.clientWindowBits ?? zlib.constants.Z_DEFAULT_WINDOWBITS;
    this.#inflateOptions = { windowBits };
    this.#inflateNowOptions = {
      windowBits,
      finishFlush: zlib.constants.Z_SYNC_FLUSH,
      maxOutputLength: Math.min(MAX_NOW_OUTPUT_BYTES, maxMessageBytes),
      info: true,
    };
    this.#deflateOptions = {
      windowBits: agreement.serverWindowBits,
      level: LEVEL,
      memLevel: DEFLATE_MEMORY_LEVEL,
      flush: zlib.constants.Z_SYNC_FLUSH,
      finishFlush: zlib.constants.Z_SYNC_FLUSH,
    };
  }

  /** Inflates a message in this thread; null: `inflate` has to do it, and finds what is wrong. */
  inflateNow(bytes: Buffer): Buffer | null {
    // The message has begun in another thread.
    if (this.#inflating !== null) return null;
    if (bytes.length > DEFLATE_NOW_BYTES || !turn.hasRoom) return null;
    turn.charge(PASS_BYTES);
    try {
      const { buffer, engine } = zlib.inflateRawSync(bytes, {
        ...this.#inflateNowOptions,
        chunkSize: pieceBytes(USUAL_RATIO * bytes.length),
      });
      turn.charge(buffer.length);
      return bytes.length - engine.bytesWritten > MAX_BYTES_BEHIND_FINAL ? null : buffer;
    } catch {
      turn.charge(MAX_NOW_OUTPUT_BYTES);
      return null;
    }
  }

  /**
   * Inflates the next bytes of a message in another thread. `onOutput`: a piece of the message; all pieces have at
   * most `maxMessageBytes`. `onDone`: all is inflated, or the message has a fault.
   */
  inflate(
    bytes: Buffer,
    isLast: boolean,
    onOutput: (piece: Buffer) => void,
    onDone: (fault: CloseStatus | null) => void,
  ): void {
    let fault: CloseStatus | null = null;
    const stream = (this.#inflating ??= new ZlibStream(
      zlib.createInflateRaw({
        ...this.#inflateOptions,
        chunkSize: pieceBytes(USUAL_RATIO * bytes.length),
      }),
    ));
    stream.pass(
      bytes,
      (piece) => {
        if (stream.outputBytes <= this.#maxMessageBytes) {
          onOutput(piece);
          return;
        }
        fault = TOO_LARGE;
        this.stopInflating();
      },
      (error) => {
        if (error !== null) fault ??= { code: CloseCode.INVALID_TEXT, reason: error.message };
        else if (stream.ignoredBytes > MAX_BYTES_BEHIND_FINAL) fault = GOES_ON;
        if (isLast) this.stopInflating();
        onDone(fault);
      },
    );
  }

  /** The message that is received comes no further. */
  stopInflating(): void {
    this.#inflating?.destroy();
    this.#inflating = null;
  }

  /** Deflates a whole message in this thread; null: `deflate` has to do it. */
  deflateNow(bytes: Buffer): Buffer | null {
    if (bytes.length > DEFLATE_NOW_BYTES || !turn.hasRoom) return null;
    turn.charge(PASS_BYTES + bytes.length);
    return zlib.deflateRawSync(bytes, this.#deflateOptionsFor(bytes)).subarray(0, -TAIL_BYTES);
  }

  /**
   * Deflates the next piece of a message in another thread. `onDone`: the deflated piece, or null if the connection
   * was closed before.
   */
  deflate(bytes: Buffer, isLast: boolean, onDone: (deflated: Buffer | null) => void): void {
    const pieces: Buffer[] = [];
    const stream = (this.#deflating ??= new ZlibStream(
      zlib.createDeflateRaw(this.#deflateOptionsFor(bytes)),
    ));
    stream.pass(
      bytes,
      (piece) => pieces.push(piece),
      (error) => {
        if (isLast) this.#stopDeflating();
        const deflated = error === null ? Buffer.concat(pieces) : null;
        onDone(isLast && deflated !== null ? deflated.subarray(0, -TAIL_BYTES) : deflated);
      },
    );
  }

  #deflateOptionsFor(bytes: Buffer): zlib.ZlibOptions {
    return { ...this.#deflateOptions, chunkSize: pieceBytes(bytes.length / 2) };
  }

  #stopDeflating(): void {
    this.#deflating?.destroy();
    this.#deflating = null;
  }

  /** Frees zlib's memory. */
  close(): void {
    this.stopInflating();
    this.#stopDeflating();
  }
}

/** Accepts the first offer; null if there is none: then messages are sent uncompressed. */
export function acceptDeflate(
  [offer]: readonly DeflateOffer[],
  maxMessageBytes = MAX_MESSAGE_BYTES,
): Deflate | null {
  return offer === undefined ? null : new Deflate(agreeOn(offer), maxMessageBytes);
}

/** Size of zlib's buffers for so much output. Larger ones, one a message, would keep the garbage collector busy. */
function pieceBytes(outputBytes: number): number {
  return Math.ceil(Math.min(MAX_PIECE_BYTES, Math.max(zlib.constants.Z_MIN_CHUNK, outputBytes)));
}
