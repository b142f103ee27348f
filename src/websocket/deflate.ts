// Compression of messages (RFC 7692), with memory that is bounded: no context outlives its message, so
// that an idle connection holds nothing of zlib, and a message that grows too large stops growing.

import {
  DEFLATE_JOBS,
  DEFLATE_MEMORY_LEVEL,
  DEFLATE_THRESHOLD_BYTES,
  DEFLATE_WINDOW_BITS,
  MAX_MESSAGE_BYTES,
} from "./limits.ts";
import { extension, PerMessageDeflate, type ExtensionOffer } from "./library.ts";

export const DEFLATE = "permessage-deflate";

/** Messages are short: zlib's levels above cost more than they save. */
const LEVEL = 3;

/** The reason of a close with 1009. */
export const TOO_LARGE = "Max payload size exceeded";

type Processed = (error: Error | null, bytes: Buffer) => void;

export class Deflate extends PerMessageDeflate {
  /** Hears how many bytes a frame has become. */
  onInflated: (bytes: number) => void = ignore;
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
      threshold: DEFLATE_THRESHOLD_BYTES,
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

  override decompress(bytes: Buffer, fin: boolean, callback: Processed): void {
    this.#running += 1;
    this.#isReceiving = !fin;
    super.decompress(bytes, fin, (error, inflated) => {
      this.#leave();
      if (error) {
        callback(error, bytes);
        return;
      }
      this.onInflated(inflated.length);
      const size = this.#inflatedBytes + inflated.length;
      this.#inflatedBytes = fin ? 0 : size;
      callback(size > this.#maxMessageBytes ? tooLarge() : null, inflated);
    });
  }

  override compress(bytes: Buffer, fin: boolean, callback: Processed): void {
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

// As the library does it for one frame.
function tooLarge(): Error {
  return Object.assign(new RangeError(TOO_LARGE), { code: "WS_ERR_UNSUPPORTED_MESSAGE_LENGTH" });
}

/** The extensions of a connection, as the library's reader and writer want them. */
export function extensionsOf(deflate: Deflate | null): Readonly<Record<string, Deflate>> {
  return deflate === null ? {} : { [DEFLATE]: deflate };
}

function ignore(): void {
  // Nobody counts.
}
