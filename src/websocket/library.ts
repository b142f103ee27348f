// What we use of the library `ws`: its parts that know compression, and nothing of sockets, handshakes and
// frames. Its type declarations leave these out; here they are declared as far as we use them
// (docs/dependencies.md says why no more than these).

export { extension, PerMessageDeflate } from "ws";

/** Parameters of one offer of an extension: each name with the values that it was given. */
export type ExtensionOffer = Readonly<Record<string, readonly (string | true)[]>>;

declare module "ws" {
  interface DeflateSettings {
    readonly isServer: boolean;
    /** Bytes of a message → an error, before more is inflated. */
    readonly maxPayload: number;
    /** Pieces that are deflated or inflated at a time, of all connections; the first instance decides. */
    readonly concurrencyLimit: number;
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

  export const extension: {
    /** Reads a Sec-WebSocket-Extensions field; throws SyntaxError. */
    parse(text: string): Readonly<Record<string, readonly ExtensionOffer[]>>;
    format(extensions: Readonly<Record<string, unknown>>): string;
  };
}
