// Headers of frames in any pieces, and that what the server writes is what its own reading reads.

import assert from "node:assert/strict";
import { test } from "node:test";

import fc from "fast-check";

import {
  encodeClose,
  encodeFrame,
  FIN,
  FrameHeader,
  Opcode,
  RSV1,
} from "../../src/websocket/frame.ts";
import { binary, close, frame, text } from "./frames.ts";

/** Gives the header a chunk at a time; returns the bytes that it has read. */
function readIn(header: FrameHeader, bytes: Buffer, size: number): number {
  let index = 0;
  do {
    const chunk = bytes.subarray(index, index + size);
    index += header.read(chunk, 0);
  } while (!header.isComplete);
  return index;
}

test("reads opcode, flags, length and key alike, whole or byte by byte, masked or not", () => {
  for (const mask of [true, false])
    for (const length of [0, 1, 125, 126, 65_535, 65_536]) {
      const payload = Buffer.alloc(length, "payload");
      const bytes = binary(payload, { mask, fin: false, rsv: 4 });
      for (const size of [bytes.length, 1, 3]) {
        const header = new FrameHeader();
        const start = readIn(header, bytes, size);
        assert.equal(start, bytes.length - length);
        const { opcode, isFinal, isCompressed, isControl } = header;
        assert.deepEqual(
          [opcode, isFinal, isCompressed, isControl, header.length],
          [Opcode.BINARY, false, true, false, length],
        );
        const target = Buffer.alloc(length);
        header.mask.copy(bytes, start, bytes.length, target, 0);
        assert.ok(target.equals(payload));
      }
    }
});

test("reads frame after frame, the mask of one not left to the next", () => {
  const frames = [text("masked"), text("not masked", { mask: false }), close(1000)];
  const bytes = Buffer.concat(frames);
  const header = new FrameHeader();
  let index = 0;
  const payloads = frames.map(() => {
    const start = header.read(bytes, index);
    index = start + header.length;
    const target = Buffer.alloc(header.length);
    header.mask.copy(bytes, start, index, target, 0);
    return target.toString("latin1");
  });
  assert.deepEqual(payloads, ["masked", "not masked", "\x03\xe8"]);
  assert.equal(index, bytes.length);
});

test("has its flags from the second byte on, and is complete with the last", () => {
  const bytes = binary(Buffer.alloc(300)).subarray(0, 8);
  const header = new FrameHeader();
  for (const [index, byte] of bytes.entries()) {
    assert.equal(header.read(Buffer.of(byte), 0), 1);
    assert.equal(header.hasFlags, index >= 1);
    assert.equal(header.isComplete, index === bytes.length - 1);
  }
});

test("any bytes in any pieces are read without a throw, to the last (property)", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 40 }), fc.integer({ min: 1, max: 15 }), (list, size) => {
      const header = new FrameHeader();
      for (let at = 0; at < list.length; at += size) {
        const chunk = Buffer.from(list.slice(at, at + size));
        for (let index = 0; index < chunk.length;) {
          const end = header.read(chunk, index);
          assert.ok(end > index && end <= chunk.length);
          index = end;
          header.findFault(false, true);
        }
      }
    }),
  );
});

test("encodes frames with the shortest length and no mask", () => {
  for (const length of [0, 125, 126, 65_535, 65_536]) {
    const payload = Buffer.alloc(length, "x");
    const bytes = encodeFrame(FIN | RSV1 | Opcode.TEXT, payload);
    assert.deepEqual(bytes, frame(Opcode.TEXT, payload, { mask: false, rsv: 4 }));
  }
});

test("encodes close frames with a code and a reason that is cut to fit, or bare", () => {
  assert.deepEqual(encodeClose(1000, "bye"), close(1000, "bye", { mask: false }));
  assert.deepEqual(encodeClose(1005, "unsaid"), close(undefined, "", { mask: false }));
  assert.equal(encodeClose(4000, "x".repeat(200)).length, 2 + 125);
});
