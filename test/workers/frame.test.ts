// Frames: properties of the decoder, and its refusals.

import assert from "node:assert/strict";
import { describe, it } from "node:test";

import fc from "fast-check";

import {
  encodeCredit,
  encodeFrame,
  encodeRecord,
  FrameDecoder,
  FrameFault,
  FrameType,
  MAX_PAYLOAD_BYTES,
} from "../../src/workers/frame.ts";

interface SeenFrame {
  readonly type: number;
  readonly id: number;
  readonly isEnd: boolean;
  readonly count: number;
  readonly payload: string;
}

function decode(pieces: readonly Buffer[]): SeenFrame[] {
  const seen: SeenFrame[] = [];
  const decoder = new FrameDecoder({
    onFrame: (type, id, isEnd, count, payload) =>
      seen.push({ type, id, isEnd, count, payload: payload.toString("latin1") }),
  });
  for (const piece of pieces) decoder.push(piece);
  return seen;
}

describe("FrameDecoder", () => {
  const frames = [
    encodeFrame(FrameType.HEAD, 2 ** 33 + 1, Buffer.from("abc"), { isEnd: true, count: 65_535 }),
    encodeFrame(FrameType.FETCH, 2),
    encodeFrame(FrameType.BODY, 3, Buffer.alloc(70_000, 120)),
    encodeCredit(4, 262_144),
    encodeRecord(5, "host", "GET\0/"),
  ];

  it("decodes frames however they are split (property)", () => {
    const bytes = Buffer.concat(frames);
    const whole = decode([bytes]);
    assert.deepEqual(whole[0], {
      type: FrameType.HEAD,
      id: 2 ** 33 + 1,
      isEnd: true,
      count: 65_535,
      payload: "abc",
    });
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 0, max: bytes.length }), { maxLength: 40 }),
        (cuts) => {
          const sorted = [0, ...cuts.toSorted((a, b) => a - b), bytes.length];
          const pieces = sorted.slice(1).map((end, i) => bytes.subarray(sorted[i], end));
          assert.deepEqual(decode(pieces), whole);
        },
      ),
    );
  });

  it("knows whether it stands inside a frame", () => {
    const decoder = new FrameDecoder({ onFrame: () => undefined });
    decoder.push(encodeFrame(FrameType.READY, 0, Buffer.from("{}")));
    assert.equal(decoder.unfinished, 0);
    decoder.push(Buffer.from([1]));
    const first = decoder.unfinished;
    assert(first > 0);
    decoder.push(Buffer.concat([encodeFrame(FrameType.READY, 0).subarray(1), Buffer.from([1])]));
    assert.notEqual(decoder.unfinished, first);
  });

  it("refuses a frame that is too long as soon as its header is there", () => {
    const header = Buffer.alloc(16);
    header.writeUInt32LE(MAX_PAYLOAD_BYTES + 1);
    assert.throws(() => decode([header]), FrameFault);
  });

  it("never throws anything but FrameFault, whatever comes (fuzz)", () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 200 })), (pieces) => {
        try {
          decode(pieces.map((piece) => Buffer.from(piece)));
        } catch (error) {
          assert.ok(error instanceof FrameFault);
        }
      }),
    );
  });
});
