// What we use of the library `ws`: its parts that know frames and compression, and nothing of sockets and
// handshakes. Its type declarations leave these out; here they are declared as far as we use them
// (docs/dependencies.md says why not its WebSocketServer).

import type { Duplex, Writable } from "node:stream";

export { extension, PerMessageDeflate, Receiver, Sender } from "ws";

/** Parameters of one offer of an extension: each name with the values that it was given. */
export type ExtensionOffer = Readonly<Record<string, readonly (string | true)[]>>;

declare module "ws" {
  interface DeflateSettings {
    readonly isServer: boolean;
    /** Bytes of a message → an error, before more is inflated. */
    readonly maxPayload: number;
    /** Pieces that are deflated or inflated at a time, of all connections; the first instance decides. */
    readonly concurrencyLimit: number;
    /** Shorter messages are sent as they are. */
    readonly threshold: number;
    readonly serverNoContextTakeover: boolean;
    readonly clientNoContextTakeover: boolean;
    /** Missing: as the client likes it. */
    readonly serverMaxWindowBits?: number;
    readonly zlibDeflateOptions: { readonly level: number; readonly memLevel: number };
  }

  type Processed = (error: Error | null, bytes: Buffer) => void;

  /** RFC 7692. */
  export class PerMessageDeflate {
    constructor(settings: DeflateSettings);
    readonly params: Readonly<Record<string, number | true>>;
    /** Takes the first offer that can be taken; throws if none can. Changes the offers. */
    accept(offers: readonly Record<string, unknown>[]): unknown;
    compress(bytes: Buffer, fin: boolean, callback: Processed): void;
    decompress(bytes: Buffer, fin: boolean, callback: Processed): void;
    /** Frees zlib's memory. */
    cleanup(): void;
  }

  interface ReceiverSettings {
    readonly isServer: boolean;
    readonly extensions: Readonly<Record<string, PerMessageDeflate>>;
    readonly maxPayload: number;
    readonly maxFragments: number;
    readonly maxBufferedChunks: number;
  }

  /** Reads frames: events "message", "ping", "pong", "conclude" (a close frame) and "error". */
  export class Receiver extends Writable {
    constructor(settings: ReceiverSettings);
  }

  interface MessageOptions {
    readonly binary: boolean;
    readonly compress: boolean;
    readonly fin: boolean;
    readonly mask: boolean;
  }

  type Sent = (error?: Error | null) => void;

  /** Writes frames. */
  export class Sender {
    constructor(socket: Duplex, extensions: Readonly<Record<string, PerMessageDeflate>>);
    send(bytes: Buffer, options: MessageOptions, callback: Sent): void;
    ping(bytes: Buffer, mask: boolean, callback: Sent): void;
    pong(bytes: Buffer, mask: boolean, callback: Sent): void;
    /** `code`: undefined = a close frame without one. */
    close(code: number | undefined, reason: string, mask: boolean, callback: Sent): void;
  }

  export const extension: {
    /** Reads a Sec-WebSocket-Extensions field; throws SyntaxError. */
    parse(text: string): Readonly<Record<string, readonly ExtensionOffer[]>>;
    format(extensions: Readonly<Record<string, unknown>>): string;
  };
}
