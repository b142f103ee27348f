// Compression of messages (RFC 7692), with memory that is bounded: no context outlives its message, so
// that an idle connection holds nothing of zlib, and a message that grows too large stops growing.

import { CloseCode, type Fault } from "./close-code.ts";
import {
  DEFLATE_JOBS,
  DEFLATE_MEMORY_LEVEL,
  DEFLATE_WINDOW_BITS,
  MAX_MESSAGE_BYTES,
} from "./limits.ts";
import { extension, PerMessageDeflate, type ExtensionOffer } from "./library.ts";

export const DEFLATE = "permessage-deflate";

/** Messages are short: zlib's levels above cost more than they save. */
const LEVEL = 3;

/** The reason of a close with 1009. */
export const TOO_LARGE = "a message is too large";
/** The library's code of an error: a frame has become too large. */
const LIMIT_REACHED = "WS_ERR_UNSUPPORTED_MESSAGE_LENGTH";
const TOO_LARGE_FAULT: Fault = { code: CloseCode.TOO_BIG, reason: TOO_LARGE };
const NOTHING = Buffer.alloc(0);

type Deflated = (error: Error | null, bytes: Buffer) => void;
type Inflated = (bytes: Buffer, fault: Fault | null) => void;

export class Deflate extends PerMessageDeflate {
  /** Frames at work, and whether a message has begun and not ended, in each direction. */
  #running = 0;
  #isReceiving = false;
  #isSending = false;
  #isClosed = false;
  readonly #maxMessageBytes: number;
  /** What the message that comes has become so far. */
  #inflatedBytes = 0;

  /** `ownWindow`: whether the window of what we send is ours to choose. */
  constructor(ownWindow: boolean, maxMessageBytes: number) {
    super({
      isServer: true,
      maxPayload: maxMessageBytes,
      concurrencyLimit: DEFLATE_JOBS,
      serverNoContextTakeover: true,
      clientNoContextTakeover: true,
      ...(ownWindow ? { serverMaxWindowBits: DEFLATE_WINDOW_BITS } : {}),
      zlibDeflateOptions: { level: LEVEL, memLevel: DEFLATE_MEMORY_LEVEL },
    });
    this.#maxMessageBytes = maxMessageBytes;
  }

  /** The value of the answer's Sec-WebSocket-Extensions. */
  get field(): string {
    return extension.format({ [DEFLATE]: [this.params] });
  }

  /** Inflates a frame's payload, one at a time; later, `onInflated` has its bytes or what is wrong with it. */
  inflate(bytes: Buffer, isLast: boolean, onInflated: Inflated): void {
    this.#running += 1;
    this.#isReceiving = !isLast;
    this.decompress(bytes, isLast, (error, inflated) => {
      this.#leave();
      if (error) {
        onInflated(NOTHING, faultOf(error));
        return;
      }
      const size = this.#inflatedBytes + inflated.length;
      this.#inflatedBytes = isLast ? 0 : size;
      onInflated(inflated, size > this.#maxMessageBytes ? TOO_LARGE_FAULT : null);
    });
  }

  override compress(bytes: Buffer, fin: boolean, callback: Deflated): void {
    this.#running += 1;
    this.#isSending = !fin;
    super.compress(bytes, fin, (error, deflated) => {
      this.#leave();
      callback(error, deflated);
    });
  }

  /** Frees memory that the next message can do without. */
  rest(): void {
    if (this.#running === 0 && !this.#isReceiving && !this.#isSending) this.cleanup();
  }

  /** Frees all memory, as soon as nothing is at work. */
  close(): void {
    this.#isClosed = true;
    if (this.#running === 0) this.cleanup();
  }

  #leave(): void {
    this.#running -= 1;
    // The next frame may begin in this turn.
    if (this.#isClosed) setImmediate(() => this.close());
  }
}

/** The first offer that can be taken, taken; null if there is none: then messages go uncompressed. */
export function acceptDeflate(
  offers: readonly ExtensionOffer[],
  maxMessageBytes = MAX_MESSAGE_BYTES,
): Deflate | null {
  for (const offer of offers) {
    // A client that asks for a smaller window than ours gets that.
    const deflate =
      tryAccept(offer, new Deflate(true, maxMessageBytes)) ??
      tryAccept(offer, new Deflate(false, maxMessageBytes));
    if (deflate !== null) return deflate;
  }
  return null;
}

function tryAccept(offer: ExtensionOffer, deflate: Deflate): Deflate | null {
  try {
    deflate.accept([{ ...offer }]);
    return deflate;
  } catch {
    // RFC 7692 §7.1: an offer with parameters that cannot be is declined.
    return null;
  }
}

function faultOf(error: Error): Fault {
  const isTooLarge = "code" in error && error.code === LIMIT_REACHED;
  // What zlib says of bytes that cannot be inflated.
  return isTooLarge ? TOO_LARGE_FAULT : { code: CloseCode.INVALID_TEXT, reason: error.message };
}
