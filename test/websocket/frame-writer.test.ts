// What goes out: each frame in one write, in the order in which it was sent, also where some of it has to
// be compressed first.

import assert from "node:assert/strict";
import { Duplex } from "node:stream";
import { describe, it } from "node:test";
import { inflateRawSync } from "node:zlib";

import { acceptDeflate } from "../../src/websocket/deflate.ts";
import { FrameWriter } from "../../src/websocket/frame-writer.ts";
import { DEFLATE_NOW_BYTES, DEFLATE_THRESHOLD_BYTES } from "../../src/websocket/limits.ts";
import { until } from "../support/deadline.ts";
import { ANY_WINDOW, type Frame, tell } from "./frames.ts";

const RSV1 = 4;

/** Keeps what is written to it. */
class Sink extends Duplex {
  readonly frames: Frame[] = [];

  override _write(bytes: Buffer, _encoding: string, done: () => void): void {
    this.frames.push(readFrame(bytes));
    done();
  }
}

/** One write as one whole frame. */
function readFrame(bytes: Buffer): Frame {
  const [first = 0, second = 0] = bytes;
  const start = second === 127 ? 10 : second === 126 ? 4 : 2;
  const length =
    second === 127
      ? Number(bytes.readBigUInt64BE(2))
      : second === 126
        ? bytes.readUInt16BE(2)
        : second;
  assert.equal(bytes.length, start + length);
  const payload = Buffer.from(bytes.subarray(start));
  return { fin: (first & 0x80) !== 0, rsv: (first >> 4) & 7, opcode: first & 15, payload };
}

function open(isCompressing: boolean): { writer: FrameWriter; sink: Sink } {
  const sink = new Sink();
  return {
    writer: new FrameWriter(sink, isCompressing ? acceptDeflate([ANY_WINDOW]) : null),
    sink,
  };
}

const ignore = (): void => undefined;
const LARGE = "a large message ".repeat(200);

describe("FrameWriter", () => {
  for (const length of [0, 1, 125, 126, 65_535, 65_536, 200_000])
    it(`sends a payload of ${length} bytes in one write, and has it only during the call`, async () => {
      const { writer, sink } = open(false);
      const payload = Buffer.alloc(length, "x");
      const taken: boolean[] = [];
      writer.send(payload, false, true, (isTaken) => taken.push(isTaken));
      payload.fill(0);
      await until("it is taken", () => taken.length === 1);
      assert.deepEqual(taken, [true]);
      assert.deepEqual(sink.frames.map(tell), [`binary ${"x".repeat(length)}`]);
    });

  it("keeps everything in order behind what is compressed", async () => {
    const { writer, sink } = open(true);
    const done: number[] = [];
    const say = (word: string, isLast = true): void => {
      const piece = Buffer.from(word);
      const number = count++;
      writer.send(piece, true, isLast, (isTaken) => {
        assert.ok(isTaken);
        done.push(number);
      });
      piece.fill(0);
    };
    let count = 0;
    say("first");
    say(LARGE, false);
    writer.pong(Buffer.from("p"));
    say("the rest of it");
    say("small");
    writer.ping(ignore);
    say(LARGE);
    writer.close(1000, "bye");
    await until("the close frame", () => sink.frames.at(-1)?.opcode === 8);
    const { frames } = sink;
    assert.deepEqual(
      frames.map(({ opcode, fin, rsv }) => [opcode, fin, rsv]),
      [
        [1, true, 0],
        [1, false, RSV1],
        [10, true, 0],
        [0, true, 0],
        [1, true, 0],
        [9, true, 0],
        [1, true, RSV1],
        [8, true, 0],
      ],
    );
    const pieces = [1, 3].map((index) => frames[index]?.payload ?? Buffer.alloc(0));
    const inflate = (bytes: Buffer): string => inflateRawSync(bytes, { finishFlush: 2 }).toString();
    assert.equal(inflate(Buffer.concat(pieces)), `${LARGE}the rest of it`);
    assert.equal(inflate(frames[6]?.payload ?? Buffer.alloc(0)), LARGE);
    assert.deepEqual(
      [frames[0], frames[4], frames[7]].map((one) => one && tell(one)),
      ["text first", "text small", "close 1000 bye"],
    );
    await until("all are taken", () => done.length === count);
    assert.deepEqual(done, [0, 1, 2, 3, 4]);
  });

  it("decides by a message's first piece whether it is compressed", async () => {
    const { writer, sink } = open(true);
    const short = Buffer.alloc(DEFLATE_THRESHOLD_BYTES - 1, "s");
    const long = Buffer.alloc(DEFLATE_THRESHOLD_BYTES, "l");
    writer.send(short, true, false, ignore);
    writer.send(long, true, true, ignore);
    writer.send(long, true, false, ignore);
    writer.send(Buffer.alloc(0), true, true, ignore);
    writer.send(short, false, true, ignore);
    await until("the last", () => sink.frames.length === 5);
    assert.deepEqual(
      sink.frames.map(({ rsv, payload }) => [rsv, payload.length < 100]),
      [
        [0, false],
        [0, false],
        [RSV1, true],
        [0, true],
        [0, false],
      ],
    );
    const [, , third, fourth] = sink.frames.map(({ payload }) => payload);
    assert.ok(third !== undefined && fourth !== undefined);
    assert.ok(inflateRawSync(Buffer.concat([third, fourth]), { finishFlush: 2 }).equals(long));
  });

  it("keeps the order of many messages, some compressed at once and some in another thread", async () => {
    const { writer, sink } = open(true);
    const words = Array.from({ length: 300 }, (_, index) => {
      const length = index % 7 === 0 ? DEFLATE_NOW_BYTES + index : DEFLATE_THRESHOLD_BYTES + index;
      return `${index} `.repeat(length).slice(0, length);
    });
    for (const word of words) writer.send(Buffer.from(word), true, true, ignore);
    await until("all are sent", () => sink.frames.length === words.length);
    assert.deepEqual(
      sink.frames.map(({ payload }) => inflateRawSync(payload, { finishFlush: 2 }).toString()),
      words,
    );
  });

  it("says of all that waits that nobody takes it, where the socket has closed meanwhile", async () => {
    const { writer, sink } = open(true);
    const taken: boolean[] = [];
    const note = (isTaken: boolean): void => void taken.push(isTaken);
    writer.send(Buffer.alloc(DEFLATE_NOW_BYTES + 1), true, true, note);
    writer.send(Buffer.from("small"), true, true, note);
    writer.ping(note);
    sink.destroy();
    await until("they are told", () => taken.length === 3);
    writer.send(Buffer.from("later"), true, true, note);
    await until("it is told", () => taken.length === 4);
    assert.deepEqual(taken, [false, false, false, false]);
    assert.equal(sink.frames.length, 0);
  });
});
