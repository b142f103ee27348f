// Pages, frames and notes: vectors that Python reads too, and properties.

import assert from "node:assert/strict";
import { describe, it } from "node:test";

import fc from "fast-check";

import {
  decodeNotes,
  encodeCredit,
  encodeFrame,
  encodeRecord,
  FrameDecoder,
  FrameFault,
  FrameType,
  MAX_PAYLOAD_BYTES,
  PAGE_BYTES,
  PageFlag,
  PageWriter,
  SLOT_BYTES,
} from "../../src/workers/wire.ts";

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

describe("PageWriter", () => {
  it("puts record and body into one page", () => {
    const page = new PageWriter().request({
      id: 2 ** 40 + 5,
      latest: 12.5,
      names: "host\0accept",
      values: "GET\0/",
      body: Buffer.from("body"),
      isBodyInFile: false,
    });
    assert.equal(page.length, PAGE_BYTES);
    assert.equal(page.readUInt32LE(0), 0x31505954);
    assert.equal(page.readUInt16LE(4), 11 + 5 + 4);
    assert.equal(page.readUInt16LE(6), PageFlag.BODY_INLINE);
    assert.equal(Number(page.readBigUInt64LE(8)), 2 ** 40 + 5);
    assert.equal(page.readDoubleLE(16), 12.5);
    assert.equal(page.toString("latin1", 32, 52), "host\0acceptGET\0/body");
  });

  it("leaves behind first the body, then the record, and says so", () => {
    const writer = new PageWriter();
    const content = { id: 1, latest: 0, names: "a", isBodyInFile: false };
    const body = Buffer.alloc(4000);
    writer.request({ ...content, values: "v".repeat(200), body });
    assert.equal(writer.page.readUInt16LE(6), PageFlag.BODY_ON_CHANNEL);
    assert.equal(writer.page.readUInt32LE(28), 200);
    writer.request({ ...content, values: "v".repeat(5000), body });
    assert.equal(
      writer.page.readUInt16LE(6),
      PageFlag.RECORD_ON_CHANNEL | PageFlag.BODY_ON_CHANNEL,
    );
    writer.request({ ...content, values: "v".repeat(5000), body: null, isBodyInFile: true });
    assert.equal(writer.page.readUInt16LE(6), PageFlag.RECORD_ON_CHANNEL | PageFlag.BODY_IN_FILE);
    assert.equal(writer.page.readUInt16LE(4), 0);
  });

  it("zeroes what an earlier page left, whatever the sizes (property)", () => {
    const writer = new PageWriter();
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 6000 }), fc.integer({ min: 0, max: 6000 }), (v, b) => {
        const page = writer.request({
          id: 1,
          latest: 0,
          names: "",
          values: "v".repeat(v),
          body: Buffer.alloc(b, 98),
          isBodyInFile: false,
        });
        assert.ok(page.subarray(32 + page.readUInt16LE(4)).every((byte) => byte === 0));
      }),
    );
  });
});

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
      fc.property(fc.array(fc.integer({ min: 0, max: bytes.length }), { maxLength: 40 }), (cuts) => {
        const sorted = [0, ...cuts.toSorted((a, b) => a - b), bytes.length];
        const pieces = sorted.slice(1).map((end, i) => bytes.subarray(sorted[i], end));
        assert.deepEqual(decode(pieces), whole);
      }),
    );
  });

  it("knows whether it stands inside a frame", () => {
    const decoder = new FrameDecoder({ onFrame: () => undefined });
    decoder.push(encodeFrame(FrameType.READY, 0, Buffer.from("{}")));
    assert.equal(decoder.isInsideFrame, false);
    decoder.push(Buffer.from([1]));
    assert.equal(decoder.isInsideFrame, true);
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

describe("decodeNotes", () => {
  it("lists what is taken and leaves out empty slots and fences", () => {
    const notes = Buffer.alloc(3 * SLOT_BYTES);
    notes.writeUInt32LE(9, 8);
    notes.writeDoubleLE(1.5, 4096);
    notes.writeUInt32LE(77, 4104);
    notes.writeUInt16LE(PageFlag.FENCE, 2 * SLOT_BYTES + 6);
    notes.writeUInt32LE(10, 2 * SLOT_BYTES + 8);
    assert.deepEqual(decodeNotes(notes), [{ id: 9, takenAt: 1.5, thread: 77 }]);
  });

  it("reads only whole slots, whatever the bytes (fuzz)", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 2 * SLOT_BYTES }), (bytes) => {
        assert.ok(decodeNotes(Buffer.from(bytes)).length <= Math.floor(bytes.length / SLOT_BYTES));
      }),
    );
  });
});
