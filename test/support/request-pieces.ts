// Reads requests out of bytes that come in pieces, without a socket: the pure part of the engine, with
// the loop that a connection has around it. What it returns is the verdict on the bytes.

import { RequestFault } from "../../src/http/error.ts";
import { BodyIntake } from "../../src/http1/body-intake.ts";
import { HeadParser } from "../../src/http1/head-parser.ts";
import { HeadReader } from "../../src/http1/head-reader.ts";

export interface ReadRequest {
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
}

/** Reads latin-1 pieces, until the first refusal or a request that ends the connection. */
export function readPieces(pieces: readonly string[], maxBodyBytes = 1_048_576): Verdict {
  const requests: ReadRequest[] = [];
  const parser = new HeadParser();
  const heads = new HeadReader(parser);
  let body: BodyIntake | null = null;
  let request: ReadRequest | null = null;
  try {
    for (const piece of pieces) {
      const chunk = Buffer.from(piece, "latin1");
      let at = 0;
      while (at < chunk.length) {
        if (body === null) {
          const head = heads.read(chunk, at);
          if (head === null) break;
          at = heads.end;
          const { method, target, path, names, values } = head;
          request = { method, target, path, names, values, body: "" };
          if (head.bodyLength !== 0) {
            body = new BodyIntake(head.bodyLength, maxBodyBytes);
            continue;
          }
        } else if (request !== null) {
          const data = body.take(chunk, at);
          at = body.end;
          request = { ...request, body: request.body + data.toString("latin1") };
          if (!body.isWhole) continue;
          body = null;
        }
        if (request !== null) requests.push(request);
        request = null;
        if (!parser.isPersistent) return { requests, refusal: "", status: 0, isWaiting: false };
      }
    }
  } catch (error) {
    if (!(error instanceof RequestFault)) throw error;
    return { requests, refusal: error.error.code, status: error.error.status, isWaiting: false };
  }
  return { requests, refusal: "", status: 0, isWaiting: body !== null || heads.hasBegun };
}

/** Reads a text whole. */
export function readWhole(text: string, maxBodyBytes?: number): Verdict {
  return readPieces([text], maxBodyBytes);
}

/** Reads a text byte by byte. */
export function readBytewise(text: string, maxBodyBytes?: number): Verdict {
  return readPieces(text.split(""), maxBodyBytes);
}
