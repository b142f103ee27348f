// Bodies on their way through an encoder: what comes out is what went in, whatever the pieces are; nothing waits
// for more; a full sink stops the encoder, and the encoder stops its writer.

import assert from "node:assert/strict";
import { describe, it, test } from "node:test";
import * as zlib from "node:zlib";

import fc from "fast-check";

import { BodyEncoder, MAX_ENCODERS, type EncodedSink } from "../../src/net/body-encoder.ts";
import type { Coding } from "../../src/net/encoders.ts";
import { until, within } from "../support/deadline.ts";

const CODINGS = ["zstd", "br", "gzip"] as const;

function decode(coding: Coding, bytes: Buffer): Buffer {
  if (coding === "zstd") return zlib.zstdDecompressSync(bytes);
  if (coding === "br") return zlib.brotliDecompressSync(bytes);
  return zlib.gunzipSync(bytes);
}

/** Decodes what has come of a stream that goes on. */
async function decodeSoFar(coding: Coding, bytes: Buffer): Promise<string> {
  const decoder =
    coding === "zstd"
      ? zlib.createZstdDecompress()
      : coding === "br"
        ? zlib.createBrotliDecompress()
        : zlib.createGunzip();
  let text = "";
  decoder.on("data", (piece: Buffer) => (text += piece.toString()));
  decoder.on("error", () => undefined);
  await new Promise<void>((resolve) => decoder.write(bytes, () => resolve()));
  decoder.destroy();
  return text;
}

/** Takes everything, or nothing more while it is full. */
class Sink implements EncodedSink {
  readonly chunks: Buffer[] = [];
  isFull = false;
  rooms = 0;
  hasFailed = false;

  send(bytes: Buffer): boolean {
    this.chunks.push(Buffer.from(bytes));
    return !this.isFull;
  }

  onRoom(): void {
    this.rooms += 1;
  }

  onError(): void {
    this.hasFailed = true;
  }

  get bytes(): Buffer {
    return Buffer.concat(this.chunks);
  }
}

function ended(encoder: BodyEncoder): Promise<void> {
  return within(20_000, new Promise<void>((resolve) => encoder.end(resolve)), "the body ends");
}

for (const coding of CODINGS)
  describe(`a body coded with ${coding}`, () => {
    test("is the same after decoding, whatever its pieces are", async () => {
      const piece = fc.oneof(
        fc.uint8Array({ maxLength: 200 }),
        fc.nat(200_000).map((length) => new Uint8Array(length).fill(length)),
      );
      await fc.assert(
        fc.asyncProperty(fc.array(piece, { maxLength: 8 }), fc.nat(8), async (pieces, pause) => {
          const sink = new Sink();
          const encoder = new BodyEncoder(coding, sink);
          for (const [index, bytes] of pieces.entries()) {
            encoder.write(Buffer.from(bytes));
            if (index === pause) await new Promise(setImmediate);
          }
          await ended(encoder);
          assert.ok(decode(coding, sink.bytes).equals(Buffer.concat(pieces)));
        }),
        { numRuns: 30 },
      );
    });

    it("has every byte that was written while its writer pauses", async () => {
      const sink = new Sink();
      const encoder = new BodyEncoder(coding, sink);
      for (const [index, text] of ["data: 1\n\n", "data: 2\n\n", "data: 3\n\n"].entries()) {
        encoder.write(Buffer.from(text));
        const all = "data: 1\n\ndata: 2\n\ndata: 3\n\n".slice(0, 9 * (index + 1));
        await until(all, async () => (await decodeSoFar(coding, sink.bytes)) === all);
      }
      await ended(encoder);
    });

    it("stops while its sink is full, and stops its writer", async () => {
      const sink = new Sink();
      sink.isFull = true;
      const encoder = new BodyEncoder(coding, sink);
      assert.equal(encoder.write(Buffer.from("a".repeat(1000))), true);
      await until("the first piece", () => sink.chunks.length > 0);
      const count = sink.chunks.length;
      assert.equal(encoder.write(Buffer.from("b")), false);
      let hasEnded = false;
      for (let turn = 0; turn < 20; turn += 1) await new Promise(setImmediate);
      assert.equal(sink.chunks.length, count, "sent to a full sink");
      assert.equal(sink.rooms, 0);
      sink.isFull = false;
      encoder.drain();
      assert.equal(sink.rooms, 1);
      encoder.end(() => (hasEnded = true));
      await until("the end", () => hasEnded);
      assert.equal(String(decode(coding, sink.bytes)), `${"a".repeat(1000)}b`);
    });
  });

test("the memory of a chunk is freed when all of it was coded, unless others share it", async () => {
  const sink = new Sink();
  const encoder = new BodyEncoder("zstd", sink);
  const chunks = [300_000, 1000, 1000, 70_000].map((length) =>
    Buffer.from(new ArrayBuffer(length)).fill("text "),
  );
  const shared = Buffer.from(new ArrayBuffer(2000)).subarray(0, 1000);
  for (const chunk of [...chunks, shared]) encoder.write(chunk);
  await ended(encoder);
  assert.equal(zlib.zstdDecompressSync(sink.bytes).length, 373_000);
  assert.deepEqual(
    chunks.map(({ length }) => length),
    [0, 0, 0, 0],
  );
  assert.equal(shared.length, 1000);
});

test("a writer that is faster than the encoder waits, and hears when there is room", async () => {
  const sink = new Sink();
  const encoder = new BodyEncoder("gzip", sink);
  let bytes = 0;
  while (encoder.write(Buffer.alloc(65_536, "text "))) bytes += 65_536;
  assert.ok(bytes <= 262_144, `${bytes} bytes were taken at once`);
  await until("room", () => sink.rooms > 0);
  await ended(encoder);
});

test("an encoder that is destroyed sends and tells nothing more, and gives its place back", async () => {
  const sinks = Array.from({ length: MAX_ENCODERS }, () => new Sink());
  const encoders = sinks.map((sink) => new BodyEncoder("br", sink));
  assert.equal(BodyEncoder.hasRoom, false);
  for (const encoder of encoders) encoder.write(Buffer.alloc(100_000, "text "));
  await until("a first piece", () => sinks.some(({ chunks }) => chunks.length > 0));
  for (const encoder of encoders) encoder.destroy();
  assert.equal(BodyEncoder.hasRoom, true);
  const counts = sinks.map(({ chunks }) => chunks.length);
  // One that is made afterwards gets its turn.
  const last = new BodyEncoder("br", new Sink());
  last.write(Buffer.from("x"));
  await ended(last);
  assert.deepEqual(
    sinks.map(({ chunks }) => chunks.length),
    counts,
  );
  assert.ok(sinks.every(({ rooms, hasFailed }) => rooms <= 1 && !hasFailed));
});
