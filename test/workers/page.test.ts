// Pages and notes: what fits, what stays behind, and that nothing of an earlier page is left.

import assert from "node:assert/strict";
import { describe, it } from "node:test";

import fc from "fast-check";

import {
  decodeNotes,
  PAGE_BYTES,
  PageBatch,
  PageFlag,
  SLOT_BYTES,
} from "../../src/workers/page.ts";

describe("PageBatch", () => {
  const content = {
    names: "a",
    isBodyInFile: false,
    isBodyStreamed: false,
    isWebSocket: false,
    offersSocket: false,
  };

  it("puts record and body into one page, pages behind one another", () => {
    const batch = new PageBatch(2);
    batch.addFence(7);
    batch.add(2 ** 40 + 5, 12_500, {
      names: "host\0accept",
      values: "GET\0/",
      body: Buffer.from("body"),
      isBodyInFile: false,
      isBodyStreamed: false,
      isWebSocket: false,
      offersSocket: true,
    });
    assert.equal(batch.pages, 2);
    assert.ok(batch.isFull);
    assert.equal(batch.bytes.readUInt16LE(6), PageFlag.FENCE);
    const page = batch.bytes.subarray(PAGE_BYTES);
    assert.equal(page.readUInt32LE(0), 0x31505954);
    assert.equal(page.readUInt16LE(4), 11 + 5 + 4);
    assert.equal(page.readUInt16LE(6), PageFlag.BODY_INLINE);
    assert.equal(Number(page.readBigUInt64LE(8)), 2 ** 40 + 5);
    assert.equal(page.readDoubleLE(16), 12.5);
    assert.equal(page.toString("latin1", 32, 52), "host\0acceptGET\0/body");
  });

  it("leaves behind first the body, then the record, and says so", () => {
    const batch = new PageBatch(3);
    const body = Buffer.alloc(4000);
    batch.add(1, 0, { ...content, values: "v".repeat(200), body });
    batch.add(1, 0, { ...content, values: "v".repeat(5000), body });
    batch.add(1, 0, { ...content, values: "v".repeat(5000), body: null, isBodyInFile: true });
    const flags = [0, 1, 2].map((page) => batch.bytes.readUInt16LE(page * PAGE_BYTES + 6));
    assert.deepEqual(flags, [
      PageFlag.BODY_ON_CHANNEL,
      PageFlag.RECORD_ON_CHANNEL | PageFlag.BODY_ON_CHANNEL,
      PageFlag.RECORD_ON_CHANNEL | PageFlag.BODY_IN_FILE,
    ]);
    assert.equal(batch.bytes.readUInt32LE(28), 200);
    assert.equal(batch.bytes.readUInt16LE(2 * PAGE_BYTES + 4), 0);
  });

  it("zeroes what earlier pages left, whatever was written and dropped (property)", () => {
    const batch = new PageBatch(4);
    const size = fc.integer({ min: 0, max: 6000 });
    const step = fc.record({ values: size, body: size, drop: fc.integer({ min: 0, max: 4 }) });
    fc.assert(
      fc.property(fc.array(step), (steps) => {
        for (const { values, body, drop } of steps) {
          if (batch.isFull) batch.clear();
          const at = batch.pages * PAGE_BYTES;
          batch.add(1, 0, { ...content, values: "v".repeat(values), body: Buffer.alloc(body, 98) });
          const page = batch.bytes.subarray(at, at + PAGE_BYTES);
          assert.ok(page.subarray(32 + page.readUInt16LE(4)).every((byte) => byte === 0));
          if (drop > 0 && drop < batch.pages) batch.drop(drop);
        }
      }),
    );
  });

  it("keeps the order of pages of which only some were written", () => {
    const batch = new PageBatch(4);
    for (const id of [1, 2, 3]) batch.add(id, 0, { ...content, values: "v", body: null });
    batch.drop(2);
    batch.add(4, 0, { ...content, values: "v", body: null });
    assert.equal(batch.pages, 2);
    assert.deepEqual(
      [batch.bytes.readUInt32LE(8), batch.bytes.readUInt32LE(PAGE_BYTES + 8)],
      [3, 4],
    );
  });
});

describe("decodeNotes", () => {
  it("lists what is taken and leaves out empty slots and fences", () => {
    const notes = Buffer.alloc(3 * SLOT_BYTES);
    notes.writeUInt32LE(9, 8);
    notes.writeDoubleLE(1.5, 4096);
    notes.writeUInt32LE(77, 4104);
    notes.writeBigUInt64LE(0x7f01n, 4112);
    notes.writeUInt16LE(PageFlag.FENCE, 2 * SLOT_BYTES + 6);
    notes.writeUInt32LE(10, 2 * SLOT_BYTES + 8);
    assert.deepEqual(decodeNotes(notes), [{ id: 9, takenAt: 1500, thread: "7f01" }]);
  });

  it("reads only whole slots, whatever the bytes (fuzz)", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 2 * SLOT_BYTES }), (bytes) => {
        assert.ok(decodeNotes(Buffer.from(bytes)).length <= Math.floor(bytes.length / SLOT_BYTES));
      }),
    );
  });
});
