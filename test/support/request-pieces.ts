// Reads requests out of bytes that come in pieces, without a socket: the pure part of the engine, with
// the loop that a connection has around it. What it returns is the verdict on the bytes.

import { RequestFault } from "../../src/http/error.ts";
import { HeadParser } from "../../src/http1/head-parser.ts";
import { HeadReader } from "../../src/http1/head-reader.ts";
import { RequestBodyReader } from "../../src/http1/request-body.ts";

interface ReadRequest {
  readonly method: string;
  readonly target: string;
  readonly path: string;
  readonly names: readonly string[];
  readonly values: readonly string[];
  readonly body: string;
}

export interface Verdict {
  /** Whole requests, in order. */
  readonly requests: readonly ReadRequest[];
  /** "" if nothing was refused. */
  readonly refusal: string;
  readonly status: number;
  /** Whether a request has begun and is not whole. */
  readonly isWaiting: boolean;
  /** For each request, the index behind it in the piece where it ended. */
  readonly ends: readonly number[];
}

/** Reads latin-1 pieces, until the first refusal or a request that ends the connection. */
export function readPieces(pieces: readonly string[], maxBodyBytes = 1_048_576): Verdict {
  const reader = new PieceReader(maxBodyBytes);
  try {
    for (const piece of pieces) if (!reader.take(Buffer.from(piece, "latin1"))) break;
  } catch (error) {
    if (!(error instanceof RequestFault)) throw error;
    return reader.verdict(error.error.code, error.error.status);
  }
  return reader.verdict("", 0);
}

class PieceReader {
  readonly #maxBodyBytes: number;
  readonly #parser = new HeadParser();
  readonly #heads = new HeadReader(this.#parser);
  readonly #requests: ReadRequest[] = [];
  readonly #ends: number[] = [];
  #body: RequestBodyReader | null = null;
  #request: ReadRequest | null = null;

  constructor(maxBodyBytes: number) {
    this.#maxBodyBytes = maxBodyBytes;
  }

  /** False: the last request ends the connection. */
  take(chunk: Buffer): boolean {
    let at = 0;
    while (at < chunk.length) {
      at = this.#body === null ? this.#readHead(chunk, at) : this.#readBody(this.#body, chunk, at);
      if (this.#request === null || this.#body !== null) continue;
      this.#requests.push(this.#request);
      this.#ends.push(at);
      this.#request = null;
      if (!this.#parser.isPersistent) return false;
    }
    return true;
  }

  verdict(refusal: string, status: number): Verdict {
    return {
      requests: this.#requests,
      refusal,
      status,
      isWaiting: refusal === "" && (this.#body !== null || this.#heads.hasBegun),
      ends: this.#ends,
    };
  }

  #readHead(chunk: Buffer, at: number): number {
    const head = this.#heads.read(chunk, at);
    if (head === null) return chunk.length;
    const { method, target, path, names, values, bodyLength } = head;
    this.#request = { method, target, path, names, values, body: "" };
    if (bodyLength !== 0) this.#body = new RequestBodyReader(bodyLength, this.#maxBodyBytes, 0);
    return this.#heads.end;
  }

  #readBody(body: RequestBodyReader, chunk: Buffer, at: number): number {
    const bytes = body.take(chunk, at).toString("latin1");
    if (this.#request !== null)
      this.#request = { ...this.#request, body: this.#request.body + bytes };
    if (body.isWhole) this.#body = null;
    return body.end;
  }
}

/** Reads a text whole. */
export function readWhole(text: string, maxBodyBytes?: number): Verdict {
  return readPieces([text], maxBodyBytes);
}

/** Reads a text byte by byte. */
export function readBytewise(text: string, maxBodyBytes?: number): Verdict {
  return readPieces(text.split(""), maxBodyBytes);
}
