// Kept bodies: coded at the best level, one after the other, a bounded number of them.

import assert from "node:assert/strict";
import { test } from "node:test";
import * as zlib from "node:zlib";

import { encodeBest, MAX_WAITING } from "../../src/net/best-encoding.ts";
import { detachBuffer } from "../../src/net/buffer-pool.ts";
import { encodeNow } from "../../src/net/encoders.ts";

const BODY = Buffer.from(
  Array.from({ length: 3000 }, (_, index) => `{"id": ${index * 7919}}`).join(),
);

test("every coding decodes to the body, and is not longer than the fast one", async () => {
  for (const [coding, decode] of [
    ["zstd", zlib.zstdDecompressSync],
    ["br", zlib.brotliDecompressSync],
    ["gzip", zlib.gunzipSync],
  ] as const) {
    const coded = await encodeBest(coding, BODY);
    assert.ok(coded !== null && decode(coded).equals(BODY), coding);
    assert.ok(coded.length <= encodeNow(coding, BODY).length, coding);
    // The engine frees buffers that it has sent.
    detachBuffer(coded);
    assert.ok(decode(coded).equals(BODY));
  }
});

test("beyond the limit a body is left as it is, and may be asked for again", async () => {
  const all = Array.from({ length: MAX_WAITING + 5 }, () => encodeBest("gzip", BODY));
  const coded = await Promise.all(all);
  assert.equal(coded.filter((one) => one === null).length, 5);
  assert.ok((await encodeBest("gzip", BODY)) !== null);
});
