// Codes whole bodies that are kept, at the best level, one after the other: a body of a megabyte takes up to a
// second of a thread. Nobody waits for the result; until it is there, the body is coded at a fast level.

import { keptCopy } from "./buffer-pool.ts";
import { bestEncoder, type Coding } from "./encoders.ts";
import { ZlibStream } from "./zlib-stream.ts";

/** Bodies that wait. Beyond, a body is left as it is, and may be asked for again. */
export const MAX_WAITING = 64;

let waiting = 0;
let last: Promise<unknown> = Promise.resolve();

/** Codes a body, which must not change meanwhile. Null: too many bodies wait, or the encoder has failed. */
export async function encodeBest(coding: Coding, body: Buffer): Promise<Buffer | null> {
  if (waiting >= MAX_WAITING) return null;
  waiting += 1;
  const coded = last.then(() => encode(coding, body));
  last = coded;
  try {
    return await coded;
  } finally {
    waiting -= 1;
  }
}

/** Never rejects. */
function encode(coding: Coding, body: Buffer): Promise<Buffer | null> {
  const zlib = new ZlibStream(bestEncoder(coding, body.length));
  const pieces: Buffer[] = [];
  return new Promise((resolve) => {
    zlib.passLast(
      body,
      (piece) => pieces.push(piece),
      (error) => {
        zlib.destroy();
        resolve(error === null ? keptCopy(pieces) : null);
      },
    );
  });
}
