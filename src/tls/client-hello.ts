// What the first message of a TLS handshake, the ClientHello, says before TLS begins: the server name and the
// protocols of ALPN (RFC 8446 §4.1.2, RFC 6066 §3, RFC 7301). They choose the certificate and the policy for
// client certificates, so that no callback runs inside a handshake. Pure: sees bytes in any split.
//
// Nothing is refused here. A message that is odd chooses the default, and OpenSSL decides what becomes of it; what
// OpenSSL has read is compared with what was read here when the handshake is over (front/arrivals.ts).

import { serverName } from "./server-name.ts";

export interface ClientHello {
  /** In lower case; "" where the client names no host. */
  readonly serverName: string;
  /** In the client's order. */
  readonly protocols: readonly string[];
}

/** What the bytes so far are: no TLS, an incomplete message, or a whole one. */
export type FirstBytes = "plain" | "more" | ClientHello;

/** A handshake message of more bytes is left to OpenSSL; with keys of ML-KEM it has about 2,000. */
export const MAX_HELLO_BYTES = 16_384;
/** The same with the heads of its records: at most so many bytes are kept of a connection without TLS yet. */
export const MAX_FIRST_BYTES = 2 * MAX_HELLO_BYTES;

const HANDSHAKE_RECORD = 0x16;
const RECORD_HEAD = 5;
const CLIENT_HELLO = 1;
const MESSAGE_HEAD = 4;
const SERVER_NAME = 0;
const HOST_NAME = 0;
const ALPN = 16;

const UNKNOWN: ClientHello = { serverName: "", protocols: [] };

/** Reads the bytes of a connection from its first on, which come in pieces. */
export class ClientHelloReader {
  /** All bytes so far; they are given to OpenSSL afterwards. */
  #bytes = Buffer.alloc(0);
  #length = 0;
  /** Index of the first record head that was not read yet. */
  #at = 0;
  /** The message's bytes, out of their records. */
  readonly #parts: Buffer[] = [];
  #partBytes = 0;
  /** Bytes of the message before which nothing more can be read of it. */
  #needed = MESSAGE_HEAD;

  /** The bytes that were kept. */
  get bytes(): Buffer {
    return this.#bytes.subarray(0, this.#length);
  }

  /** Copies a piece, and tells what the bytes are. Not to be called again after another result than "more". */
  push(piece: Buffer): FirstBytes {
    this.#keep(piece);
    if (this.#length > 0 && this.#bytes[0] !== HANDSHAKE_RECORD) return "plain";
    for (;;) {
      const head = this.#at + RECORD_HEAD;
      if (head > this.#length) return this.#isTooLong() ? UNKNOWN : "more";
      const end = head + this.#bytes.readUInt16BE(this.#at + 3);
      if (this.#bytes[this.#at] !== HANDSHAKE_RECORD || end === head) return UNKNOWN;
      if (end > this.#length) return this.#isTooLong() ? UNKNOWN : "more";
      this.#parts.push(this.#bytes.subarray(head, end));
      this.#partBytes += end - head;
      this.#at = end;
      const found = this.#message();
      if (found !== "more") return found;
    }
  }

  #isTooLong(): boolean {
    return this.#length >= MAX_FIRST_BYTES;
  }

  #keep(piece: Buffer): void {
    const length = this.#length + piece.length;
    if (length > this.#bytes.length) {
      // Room for twice as much: a client that sends single bytes causes few copies.
      const more = Buffer.allocUnsafeSlow(this.#length === 0 ? length : length * 2);
      this.#bytes.copy(more, 0, 0, this.#length);
      this.#bytes = more;
    }
    piece.copy(this.#bytes, this.#length);
    this.#length = length;
  }

  #message(): FirstBytes {
    if (this.#partBytes < this.#needed) return "more";
    const bytes = Buffer.concat(this.#parts);
    const length = bytes.readUIntBE(1, 3);
    if (bytes[0] !== CLIENT_HELLO || length > MAX_HELLO_BYTES) return UNKNOWN;
    this.#needed = MESSAGE_HEAD + length;
    if (bytes.length < this.#needed) return "more";
    return readHello(bytes.subarray(MESSAGE_HEAD, this.#needed));
  }
}

/** The body of a ClientHello; UNKNOWN where it is not as RFC 8446 has it. */
function readHello(body: Buffer): ClientHello {
  try {
    const fields = new Cursor(body);
    // Version and random bytes.
    fields.take(34);
    fields.vector(1);
    fields.vector(2);
    fields.vector(1);
    // A client of TLS 1.2 may have no extensions.
    if (fields.isAtEnd) return UNKNOWN;
    const extensions = new Cursor(fields.vector(2));
    let { serverName: name, protocols } = UNKNOWN;
    while (!extensions.isAtEnd) {
      const type = extensions.take(2).readUInt16BE();
      const content = extensions.vector(2);
      if (type === SERVER_NAME) name = hostNameOf(content);
      if (type === ALPN) protocols = protocolsOf(content);
    }
    return { serverName: name, protocols };
  } catch (error) {
    if (error instanceof RangeError) return UNKNOWN;
    throw error;
  }
}

function hostNameOf(content: Buffer): string {
  const names = new Cursor(new Cursor(content).vector(2));
  if (names.isAtEnd) return "";
  const [type] = names.take(1);
  return type === HOST_NAME ? serverName(names.vector(2).toString("latin1")) : "";
}

function protocolsOf(content: Buffer): readonly string[] {
  const list = new Cursor(new Cursor(content).vector(2));
  const protocols: string[] = [];
  while (!list.isAtEnd) protocols.push(list.vector(1).toString("latin1"));
  return protocols;
}

/** Takes fields from bytes, one after the other; throws RangeError at their end. */
class Cursor {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  get isAtEnd(): boolean {
    return this.#at === this.#bytes.length;
  }

  take(count: number): Buffer {
    const end = this.#at + count;
    if (end > this.#bytes.length) throw new RangeError("the message ends early");
    const taken = this.#bytes.subarray(this.#at, end);
    this.#at = end;
    return taken;
  }

  /** A field behind its length, which has so many bytes. */
  vector(lengthBytes: number): Buffer {
    return this.take(this.take(lengthBytes).readUIntBE(0, lengthBytes));
  }
}
