// Compression of messages (RFC 7692): negotiation and zlib. Memory is bounded: no context outlives its message,
// so an idle connection holds nothing of zlib, and inflating stops at the limit of a message.
//
// The work is done by the parts of the library `ws` that know only compression, not sockets, handshakes or
// frames. Its type declarations leave these parts out, so they are declared here as far as they are used
// (docs/dependencies.md says why no more of the library is).

import { extension as extensionField, PerMessageDeflate as LibraryDeflate } from "ws";

import { CloseCode, type CloseStatus } from "./close-code.ts";
import {
  DEFLATE_JOBS,
  DEFLATE_MEMORY_LEVEL,
  DEFLATE_WINDOW_BITS,
  MAX_MESSAGE_BYTES,
} from "./limits.ts";

declare module "ws" {
  export class PerMessageDeflate {
    constructor(settings: {
      readonly isServer: boolean;
      /** Longest message inflated; a longer one is an error before more of it is inflated. */
      readonly maxPayload: number;
      /** Pieces deflated or inflated at a time, of all connections; the first instance decides. */
      readonly concurrencyLimit: number;
      readonly serverNoContextTakeover: boolean;
      readonly clientNoContextTakeover: boolean;
      /** Missing: as the client asks. */
      readonly serverMaxWindowBits?: number;
      readonly zlibDeflateOptions: { readonly level: number; readonly memLevel: number };
    });
    readonly params: Readonly<Record<string, number | true>>;
    /** Accepts the first offer that can be accepted, throws if none can. Changes the offers. */
    accept(offers: readonly Record<string, unknown>[]): unknown;
    compress(bytes: Buffer, fin: boolean, callback: Deflated): void;
    decompress(bytes: Buffer, fin: boolean, callback: Deflated): void;
    /** Frees zlib's memory. */
    cleanup(): void;
  }

  export const extension: {
    /** Parses a Sec-WebSocket-Extensions field. Throws SyntaxError. */
    parse(text: string): Readonly<Record<string, readonly DeflateOffer[]>>;
    format(extensions: Readonly<Record<string, unknown>>): string;
  };
}

/** One offer of permessage-deflate: each parameter's name with the values that it was given. */
export type DeflateOffer = Readonly<Record<string, readonly (string | true)[]>>;

type Deflated = (error: Error | null, bytes: Buffer) => void;
type Inflated = (bytes: Buffer, fault: CloseStatus | null) => void;

const EXTENSION = "permessage-deflate";
/** Messages are short: zlib's higher levels cost more than they save. */
const LEVEL = 3;

/** The library's error code for a message beyond `maxPayload`. */
const LIMIT_REACHED = "WS_ERR_UNSUPPORTED_MESSAGE_LENGTH";
export const TOO_LARGE: CloseStatus = {
  code: CloseCode.TOO_BIG,
  reason: "a message is too large",
};
const EMPTY = Buffer.alloc(0);

export class Deflate extends LibraryDeflate {
  /** Frames that zlib works on. */
  #running = 0;
  /** Whether a message has begun and not ended, in each direction. */
  #isReceiving = false;
  #isSending = false;
  #isClosed = false;
  readonly #maxMessageBytes: number;
  /** Inflated bytes of the message that comes. */
  #inflatedBytes = 0;

  /** `choosesWindow`: the server chooses the window of its messages; else the client does. */
  constructor(choosesWindow: boolean, maxMessageBytes: number) {
    super({
      isServer: true,
      maxPayload: maxMessageBytes,
      concurrencyLimit: DEFLATE_JOBS,
      serverNoContextTakeover: true,
      clientNoContextTakeover: true,
      ...(choosesWindow ? { serverMaxWindowBits: DEFLATE_WINDOW_BITS } : {}),
      zlibDeflateOptions: { level: LEVEL, memLevel: DEFLATE_MEMORY_LEVEL },
    });
    this.#maxMessageBytes = maxMessageBytes;
  }

  /** Value of Sec-WebSocket-Extensions for the response. */
  get field(): string {
    return extensionField.format({ [EXTENSION]: [this.params] });
  }

  /** Inflates the payload of one frame; the next frame has to wait for `onInflated`. */
  inflate(bytes: Buffer, isLast: boolean, onInflated: Inflated): void {
    this.#running += 1;
    this.#isReceiving = !isLast;
    this.decompress(bytes, isLast, (error, inflated) => {
      this.#leave();
      if (error) {
        onInflated(EMPTY, faultOf(error));
        return;
      }
      // The library's limit holds for one frame, ours for all frames of a message.
      const size = this.#inflatedBytes + inflated.length;
      this.#inflatedBytes = isLast ? 0 : size;
      onInflated(inflated, size > this.#maxMessageBytes ? TOO_LARGE : null);
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

  /** Frees zlib's memory if no message is in progress; the next message allocates it again. */
  releaseIdle(): void {
    if (this.#running === 0 && !this.#isReceiving && !this.#isSending) this.cleanup();
  }

  /** Frees zlib's memory as soon as zlib has finished its work. */
  close(): void {
    this.#isClosed = true;
    if (this.#running === 0) this.cleanup();
  }

  #leave(): void {
    this.#running -= 1;
    // Not at once: the callback may begin the next frame in this turn.
    if (this.#isClosed) setImmediate(() => this.close());
  }
}

/** Parses Sec-WebSocket-Extensions for offers of permessage-deflate; null: the field is malformed. */
export function parseOffers(field: string): readonly DeflateOffer[] | null {
  try {
    return extensionField.parse(field)[EXTENSION] ?? [];
  } catch {
    return null;
  }
}

/** Accepts the first acceptable offer; null if there is none: then messages are sent uncompressed. */
export function acceptDeflate(
  offers: readonly DeflateOffer[],
  maxMessageBytes = MAX_MESSAGE_BYTES,
): Deflate | null {
  for (const offer of offers) {
    // Our window is tried first; a client that asks for a smaller window gets the smaller one.
    const deflate =
      tryAccept(offer, new Deflate(true, maxMessageBytes)) ??
      tryAccept(offer, new Deflate(false, maxMessageBytes));
    if (deflate !== null) return deflate;
  }
  return null;
}

function tryAccept(offer: DeflateOffer, deflate: Deflate): Deflate | null {
  try {
    deflate.accept([{ ...offer }]);
    return deflate;
  } catch {
    // RFC 7692 §7.1: an offer with invalid parameters is declined.
    return null;
  }
}

function faultOf(error: Error): CloseStatus {
  const isTooLarge = "code" in error && error.code === LIMIT_REACHED;
  // Otherwise zlib's message about bytes that cannot be inflated.
  return isTooLarge ? TOO_LARGE : { code: CloseCode.INVALID_TEXT, reason: error.message };
}
