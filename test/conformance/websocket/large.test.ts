// Messages as large as they may be, in frames and writes of every size, and many of them: section 9 of the
// Autobahn list.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { before, describe, it } from "node:test";

import { FILE } from "../../support/file-scope.ts";
import { IS_LONG } from "../../support/long.ts";
import { startTyphon, type Typhon } from "../../support/typhon.ts";
import { binary, frame, Opcode, text } from "../../websocket/frames.ts";
import { heard, run, Speaker } from "./dialogue.ts";

const KIB = 1024;
const MIB = 1024 * KIB;

let typhon: Typhon;
before(async () => {
  typhon = await startTyphon(FILE, ["asgi_raw:app", "--workers", "2"]);
});

/** The same bytes in each run, in a row whose length fits no frame's; as text: letters. */
function noise(length: number, isText: boolean): Buffer {
  const blocks = Array.from({ length: 1024 }, (_, index) =>
    createHash("sha512").update(String(index)).digest(),
  );
  const row = Buffer.concat(blocks).subarray(0, 65_521);
  return Buffer.alloc(length, isText ? row.toString("base64").replaceAll("=", "") : row);
}

const KINDS = [
  ["text", Opcode.TEXT, noise(16 * MIB, true)],
  ["binary", Opcode.BINARY, noise(16 * MIB, false)],
] as const;
/** Frames and writes are cut by what knows nothing of text: for bytes the ends of the ranges are enough. */
const FRAME_SIZES = {
  text: [64, 256, KIB, 16 * KIB, 64 * KIB, MIB],
  binary: [4 * KIB, 256 * KIB],
};
const WRITE_SIZES = { text: [64, 256, 1024, 2048], binary: [512] };
const SIZES = IS_LONG
  ? [64 * KIB, 256 * KIB, MIB, 4 * MIB, 8 * MIB, 16 * MIB]
  : [64 * KIB, MIB, 16 * MIB];
/** MiB of a message in many frames. */
const FRAMED_MIB = IS_LONG ? 4 : 1;
/** Bytes of a message, and how many of them go there and back, one after the other. */
const ROUNDS = {
  text: [
    [0, IS_LONG ? 1000 : 200],
    [16, 200],
    [64, 200],
    [256, 200],
    [KIB, 200],
    [4 * KIB, 200],
  ],
  binary: [
    [0, 200],
    [4 * KIB, 200],
  ],
} as const;

function pieces(opcode: number, bytes: Buffer, size: number): Buffer[] {
  const count = Math.ceil(bytes.length / size);
  return Array.from({ length: count }, (_, index) =>
    frame(
      index === 0 ? opcode : Opcode.CONTINUATION,
      bytes.subarray(index * size, (index + 1) * size),
      { fin: index === count - 1 },
    ),
  );
}

for (const [kind, opcode, stock] of KINDS)
  describe(`9: ${kind}`, () => {
    for (const size of SIZES)
      it(`a message of ${size / KIB} KiB in one frame comes back`, async () => {
        const payload = stock.subarray(0, size);
        await run(typhon, {
          name: "",
          send: [frame(opcode, payload)],
          hear: [heard(kind, payload)],
          end: "ours",
        });
      });

    const framed = stock.subarray(0, FRAMED_MIB * MIB);
    for (const size of FRAME_SIZES[kind])
      it(`${FRAMED_MIB} MiB in frames of ${size} bytes come back`, async () => {
        await run(typhon, {
          name: "",
          send: [Buffer.concat(pieces(opcode, framed, size))],
          hear: [heard(kind, framed)],
          end: "ours",
        });
      });

    const one = stock.subarray(0, MIB);
    for (const size of WRITE_SIZES[kind])
      it(`1 MiB in one frame and writes of ${size} bytes comes back`, async () => {
        await run(typhon, {
          name: "",
          send: [{ chop: frame(opcode, one), size }],
          hear: [heard(kind, one)],
          end: "ours",
        });
      });

    for (const [size, rounds] of ROUNDS[kind])
      it(`each of ${rounds} messages of ${size} bytes comes back before the next`, async () => {
        const speaker = await Speaker.open(typhon);
        const payload = stock.subarray(0, size);
        const message = opcode === Opcode.TEXT ? text(payload) : binary(payload);
        const echo = heard(kind, payload);
        for (let count = 0; count < rounds; count += 1) {
          speaker.client.send(message);
          assert.equal(await speaker.next(), echo);
        }
        speaker.client.destroy();
      });
  });

it("one byte more than 16 MiB is refused: 1009, in one frame or in two", async () => {
  const [, , stock] = KINDS[1];
  const end = 1009;
  for (const send of [
    binary("", { length: 16 * MIB + 1 }),
    Buffer.concat([binary(stock, { fin: false }), frame(Opcode.CONTINUATION, "x")]),
  ])
    await run(typhon, { name: "", send: [send], hear: [], end });
});
