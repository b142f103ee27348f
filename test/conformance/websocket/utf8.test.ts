// Text messages that are UTF-8 and those that are not (RFC 3629): section 6 of the Autobahn list. The bytes
// are made here from code points by the rule of the encoding, beyond what it allows; a decoder of another
// make says which of them are right.
//
// A message that cannot become right any more is refused when its last fragment has come, not before
// (6.4 is about that): RFC 6455 §8.1 asks for no more.

import assert from "node:assert/strict";
import { before, describe, it } from "node:test";

import { FILE } from "../../support/file-scope.ts";
import { startTyphon, type Typhon } from "../../support/typhon.ts";
import { frame, more, Opcode, text } from "../../websocket/frames.ts";
import { heard, run } from "./dialogue.ts";

let typhon: Typhon;
before(async () => {
  typhon = await startTyphon(FILE, ["asgi_raw:app", "--workers", "2"]);
});

/** A number in `length` bytes, as UTF-8 would write it if it had no limits. 2 … 6. */
function encode(code: number, length: number): Buffer {
  const bytes = Buffer.alloc(length);
  let rest = code;
  for (let at = length - 1; at > 0; at -= 1) {
    bytes[at] = 0x80 | (rest & 0x3f);
    rest = Math.floor(rest / 64);
  }
  bytes[0] = ((0xff << (8 - length)) & 0xff) | rest;
  return bytes;
}

function point(code: number): Buffer {
  return Buffer.from(String.fromCodePoint(code));
}

function range(first: number, last: number): number[] {
  return Array.from({ length: last - first + 1 }, (_, index) => first + index);
}

/** The least and the most that so many bytes can hold. */
const ROOM = {
  2: [0x80, 0x7ff],
  3: [0x800, 0xffff],
  4: [0x10000, 0x1fffff],
  5: [0x200000, 0x3ffffff],
  6: [0x4000000, 0x7fffffff],
} as const;
const LENGTHS = [2, 3, 4, 5, 6] as const;
const GREEK = Buffer.from("κόσμε");
const PLANES = range(0, 16);
const starts = (first: number, last: number): Buffer =>
  Buffer.from(range(first, last).flatMap((byte) => [byte, 0x20]));
const cutShort = (fill: "least" | "most"): Buffer[] =>
  LENGTHS.map((length) =>
    encode(fill === "least" ? 0 : ROOM[length][1], length).subarray(0, length - 1),
  );
const SURROGATES = [0xd800, 0xdb7f, 0xdb80, 0xdbff, 0xdc00, 0xdf80, 0xdfff];

const TABLE: Readonly<Record<string, readonly Buffer[]>> = {
  "characters of each length among others": [0x24, 0xa2, 0x20ac, 0x24b62].map((code) =>
    Buffer.concat([Buffer.from("hello"), point(code), Buffer.from("world")]),
  ),
  "a word, and all that it begins with": range(1, GREEK.length).map((end) =>
    GREEK.subarray(0, end),
  ),
  "the first of each length": [
    point(0),
    ...LENGTHS.map((length) => encode(ROOM[length][0], length)),
  ],
  "the last of each length": [
    point(0x7f),
    ...LENGTHS.map((length) => encode(ROOM[length][1], length)),
  ],
  "around the surrogates and at the end": [0xd7ff, 0xe000, 0xfffd, 0x10ffff].map(point),
  "one beyond the end": [encode(0x110000, 4)],
  "continuation bytes alone": [
    ...range(1, 7).map((count) => Buffer.from(range(1, count).map((at) => (at % 2 ? 0x80 : 0xbf)))),
    Buffer.from(range(0x80, 0xbf)),
  ],
  "first bytes alone": [
    starts(0xc0, 0xdf),
    starts(0xe0, 0xef),
    starts(0xf0, 0xf7),
    starts(0xf8, 0xfb),
    starts(0xfc, 0xfd),
  ],
  "without the last byte": [...cutShort("least"), ...cutShort("most")],
  "all of these behind one another": [Buffer.concat([...cutShort("least"), ...cutShort("most")])],
  "bytes that never stand in it": [
    Buffer.of(0xfe),
    Buffer.of(0xff),
    Buffer.of(0xfe, 0xfe, 0xff, 0xff),
  ],
  "a slash, longer than it is": LENGTHS.map((length) => encode(0x2f, length)),
  "the most that is longer than it is": LENGTHS.map((length) =>
    encode(ROOM[length][0] - 1, length),
  ),
  "NUL, longer than it is": LENGTHS.map((length) => encode(0, length)),
  "one surrogate": SURROGATES.map((code) => encode(code, 3)),
  "two surrogates": SURROGATES.slice(0, 4).flatMap((high) =>
    [0xdc00, 0xdfff].map((low) => Buffer.concat([encode(high, 3), encode(low, 3)])),
  ),
  "non-characters, which are right": PLANES.flatMap((plane) =>
    [0xfffe, 0xffff].map((code) => point(plane * 0x10000 + code)),
  ),
  "specials, which are right": range(0xfff9, 0xffff).map(point),
};

const decoder = new TextDecoder("utf-8", { fatal: true });

function isRight(bytes: Buffer): boolean {
  try {
    decoder.decode(bytes);
    return true;
  } catch {
    return false;
  }
}

/** A text in frames of these pieces. */
function inFrames(pieces: readonly Buffer[]): Buffer[] {
  return pieces.map((piece, index) =>
    frame(index === 0 ? Opcode.TEXT : Opcode.CONTINUATION, piece, {
      fin: index === pieces.length - 1,
    }),
  );
}

const bytewise = (bytes: Buffer): Buffer[] => inFrames([...bytes].map((byte) => Buffer.of(byte)));

function check(bytes: Buffer, frames: readonly Buffer[]): Promise<void> {
  const isGood = isRight(bytes);
  return run(typhon, {
    name: "",
    send: [Buffer.concat(frames)],
    hear: isGood ? [heard("text", bytes)] : [],
    end: isGood ? "ours" : 1007,
  });
}

describe("6: UTF-8", () => {
  it("the table has all kinds", () => {
    const all = Object.values(TABLE).flat();
    assert.ok(all.filter(isRight).length > 55, "right ones");
    assert.ok(all.filter((bytes) => !isRight(bytes)).length > 60, "wrong ones");
  });

  for (const [name, rows] of Object.entries(TABLE))
    it(`${name}: whole, byte by byte, and behind a good fragment`, async () => {
      const ways = rows.flatMap((bytes) => [
        check(bytes, [text(bytes)]),
        check(bytes, bytewise(bytes)),
        check(Buffer.concat([GREEK, bytes]), inFrames([GREEK, bytes])),
      ]);
      await Promise.all(ways);
    });

  const long = Buffer.from("Hello-µ@ßöäüàá-UTF-8!!".repeat(5));
  it("a long text comes back: whole, in two fragments, byte by byte", async () => {
    await check(long, [text(long)]);
    await check(long, inFrames([long.subarray(0, 7), long.subarray(7)]));
    await check(long, bytewise(long));
  });

  const wrong = Buffer.concat([GREEK, encode(0xd800, 3), Buffer.from("edited")]);
  for (const at of range(1, wrong.length - 1))
    it(`a wrong text cut at byte ${at} is refused`, async () => {
      await check(wrong, inFrames([wrong.subarray(0, at), wrong.subarray(at)]));
    });

  it("6.4: a wrong one is refused with its last fragment at the latest, each in a write of its own", async () => {
    for (const middle of [encode(0x110000, 4), encode(0xd800, 3).subarray(0, 2), Buffer.of(0xff)]) {
      await run(typhon, {
        name: "",
        send: [text(GREEK, { fin: false }), more(middle, { fin: false }), more("edited")],
        hear: [],
        end: 1007,
      });
      const { length } = middle;
      const split = inFrames([GREEK, ...[...middle].map((byte) => Buffer.of(byte)), GREEK]);
      assert.equal(split.length, length + 2);
      await run(typhon, {
        name: "",
        send: [{ chop: Buffer.concat(split), size: 1 }],
        hear: [],
        end: 1007,
      });
    }
  });
});
