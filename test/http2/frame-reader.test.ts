// The frames of a connection, in whatever pieces they come, and bytes at random.

import assert from "node:assert/strict";
import { test } from "node:test";

import fc from "fast-check";

import { ConnectionFault, ErrorCode } from "../../src/http2/error-code.ts";
import { type FrameListener, FrameReader } from "../../src/http2/frame-reader.ts";
import { MemoryBudget } from "../../src/net/memory-budget.ts";
import { frame, PADDED, PREFACE, Type } from "./frame-client.ts";

/** Writes down what the reader finds; DATA as one text, in however many pieces it came. */
class Recorder implements FrameListener {
  readonly events: string[] = [];
  #data = Buffer.alloc(0);

  onFrame(type: number, flags: number, id: number, bytes: Buffer, start: number, end: number) {
    this.events.push(`${type} ${flags} ${id} ${bytes.toString("hex", start, end)}`);
  }

  onDataBegin(id: number, length: number, dataLength: number, isLast: boolean): void {
    this.events.push(`data ${id} ${length} ${dataLength} ${isLast}`);
  }

  onData(bytes: Buffer, start: number, end: number): void {
    assert.ok(end > start);
    this.#data = Buffer.concat([this.#data, bytes.subarray(start, end)]);
  }

  onDataEnd(): void {
    this.events.push(`end ${this.#data.toString("hex")}`);
    this.#data = Buffer.alloc(0);
  }
}

const LIMIT = 1_000_000;

/** Reads pieces; returns the events, and the fault if there is one. */
function read(pieces: readonly Buffer[]): string[] {
  const budget = new MemoryBudget(LIMIT);
  const recorder = new Recorder();
  const reader = new FrameReader(recorder, budget);
  try {
    for (const piece of pieces) reader.read(piece);
  } catch (error) {
    assert.ok(error instanceof ConnectionFault);
    recorder.events.push(`fault ${error.code} ${error.message}`);
  }
  reader.stop();
  budget.take(LIMIT - 1);
  assert.ok(budget.hasRoom, "memory is left");
  return recorder.events;
}

function split(bytes: Buffer, cuts: readonly number[]): Buffer[] {
  const places = [...new Set(cuts.map((cut) => cut % (bytes.length + 1)))].sort((a, b) => a - b);
  return [...places, bytes.length].map((end, i) => bytes.subarray(places[i - 1] ?? 0, end));
}

const anyFrame = fc
  .record({
    type: fc.oneof(fc.constant(0), fc.nat(17)),
    flags: fc.oneof(fc.constantFrom(0, PADDED), fc.nat(255)),
    id: fc.nat(2 ** 31 - 1),
    payload: fc.uint8Array({ maxLength: 60 }),
  })
  .map(({ type, flags, id, payload }) => frame(type, flags, id, payload));

test("any split of the bytes gives the same events", () => {
  fc.assert(
    fc.property(
      fc.array(anyFrame, { maxLength: 8 }),
      fc.array(fc.nat(), { maxLength: 30 }),
      (frames, cuts) => {
        const all = Buffer.concat([PREFACE, ...frames]);
        const whole = read([all]);
        assert.deepEqual(read(split(all, cuts)), whole);
        assert.deepEqual(read([...all].map((byte) => Buffer.from([byte]))), whole);
      },
    ),
    { numRuns: 300 },
  );
});

test("bytes at random end in a fault or wait for more, with bounded memory", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 3000 }), (bytes) => {
      read([PREFACE, Buffer.from(bytes)]);
      read([Buffer.from(bytes)]);
    }),
    { numRuns: 500 },
  );
});

test("DATA is passed on without a copy", () => {
  let seen: Buffer | null = null;
  const recorder = new Recorder();
  recorder.onData = (bytes) => (seen = bytes);
  const reader = new FrameReader(recorder, new MemoryBudget(LIMIT));
  const bytes = Buffer.concat([PREFACE, frame(Type.DATA, 0, 1, Buffer.from("data"))]);
  reader.read(bytes);
  assert.equal(seen, bytes);
});

test("padding is left out, and must fit its frame", () => {
  const padded = Buffer.from([2, 1, 2, 3, 0, 0]);
  assert.deepEqual(read([PREFACE, frame(Type.DATA, PADDED, 1, padded)]), [
    "data 1 6 3 false",
    "end 010203",
  ]);
  const only = read([PREFACE, frame(Type.DATA, PADDED | 1, 1, Buffer.from([2, 0, 0]))]);
  assert.deepEqual(only, ["data 1 3 0 true", "end "]);
  const tooLong = read([PREFACE, frame(Type.DATA, PADDED, 1, Buffer.from([3, 0, 0]))]);
  assert.match(tooLong[0] ?? "", new RegExp(`^fault ${ErrorCode.PROTOCOL_ERROR} `));
  const none = read([PREFACE, frame(Type.DATA, PADDED, 1)]);
  assert.match(none[0] ?? "", new RegExp(`^fault ${ErrorCode.FRAME_SIZE_ERROR} `));
});

test("a frame above the limit is refused with its header, before its payload", () => {
  const header = frame(Type.HEADERS, 0, 1, Buffer.alloc(16_385)).subarray(0, 9);
  for (const pieces of [[header], [header.subarray(0, 4), header.subarray(4)]])
    assert.match(
      read([PREFACE, ...pieces])[0] ?? "",
      new RegExp(`^fault ${ErrorCode.FRAME_SIZE_ERROR} `),
    );
});

test("nothing is read after stop, also within a chunk", () => {
  const recorder = new Recorder();
  const reader = new FrameReader(recorder, new MemoryBudget(LIMIT));
  recorder.onFrame = () => {
    recorder.events.push("frame");
    reader.stop();
  };
  const one = frame(Type.PING, 0, 0, Buffer.alloc(8));
  reader.read(Buffer.concat([PREFACE, one, one, one.subarray(0, 5)]));
  assert.deepEqual([recorder.events, reader.memoryBytes], [["frame"], 0]);
});
