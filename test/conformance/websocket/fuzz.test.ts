// Streams of good frames, broken at random: the server goes on, no worker is stuck, each connection ends with
// a close frame or a cut, and the next ordinary client is served. TYPHON_FUZZ_SEED repeats a run.

import assert from "node:assert/strict";
import { before, it, type TestContext } from "node:test";
import { deflateRawSync } from "node:zlib";

import { FILE } from "../../support/file-scope.ts";
import { IS_LONG } from "../../support/long.ts";
import { startTyphon, type Typhon } from "../../support/typhon.ts";
import { close, frame, FrameClient, Opcode, text } from "../../websocket/frames.ts";
import { heard, Speaker } from "./dialogue.ts";

const CONNECTIONS = IS_LONG ? 1000 : 100;
const AT_ONCE = 10;
const OFFER = "Sec-WebSocket-Extensions: permessage-deflate\r\n";

let typhon: Typhon;
before(async () => {
  typhon = await startTyphon(FILE, ["asgi_raw:app", "--workers", "2", "--ws-max-size", "64k"]);
});

/** Numbers that look random and follow from a seed (mulberry32). */
class Dice {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  /** 0 … `sides` − 1. */
  roll(sides: number): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) % sides;
  }

  bytes(length: number): Buffer {
    return Buffer.from(Array.from({ length }, () => this.roll(256)));
  }
}

function deflated(bytes: Buffer): Buffer {
  return deflateRawSync(bytes, { finishFlush: 2 }).subarray(0, -4);
}

/** Frames that may follow one another. */
function goodFrames(dice: Dice, isCompressed: boolean): Buffer {
  const frames: Buffer[] = [];
  for (let count = 1 + dice.roll(6); count > 0; count -= 1) {
    const opcode = dice.roll(2) === 0 ? Opcode.TEXT : Opcode.BINARY;
    const length = [0, 5, 125, 126, 300, 5000, 70_000][dice.roll(7)] ?? 0;
    const plain = opcode === Opcode.TEXT ? Buffer.alloc(length, "é!") : dice.bytes(length);
    const rsv = isCompressed && dice.roll(2) === 0 ? 4 : 0;
    const payload = rsv === 0 ? plain : deflated(plain);
    if (dice.roll(2) === 0) {
      frames.push(frame(opcode, payload, { rsv }));
      continue;
    }
    const at = dice.roll(payload.length + 1);
    frames.push(
      frame(opcode, payload.subarray(0, at), { rsv, fin: false }),
      frame(Opcode.PING, dice.bytes(dice.roll(126))),
      frame(Opcode.CONTINUATION, payload.subarray(at)),
    );
  }
  if (dice.roll(3) === 0) frames.push(close(1000 + dice.roll(4), "bye"));
  return Buffer.concat(frames);
}

/** Bits turned, bytes taken out, put in, doubled, or the rest cut off. */
function broken(bytes: Buffer, dice: Dice): Buffer {
  let rest = Buffer.from(bytes);
  for (let count = dice.roll(4); count > 0 && rest.length > 0; count -= 1) {
    // Heads of frames stand at the front more often than elsewhere.
    const at = dice.roll(dice.roll(2) === 0 ? Math.min(rest.length, 40) : rest.length);
    const some = 1 + dice.roll(12);
    const head = rest.subarray(0, at);
    const tail = rest.subarray(at);
    switch (dice.roll(5)) {
      case 0:
        rest[at] = (rest[at] ?? 0) ^ (1 << dice.roll(8));
        break;
      case 1:
        rest = Buffer.concat([head, tail.subarray(some)]);
        break;
      case 2:
        rest = Buffer.concat([head, dice.bytes(some), tail]);
        break;
      case 3:
        rest = Buffer.concat([head, tail.subarray(0, some), tail]);
        break;
      default:
        rest = head;
    }
  }
  return rest;
}

/** What the server sends until it ends the connection: whole frames, and nothing behind a close frame. */
function readFrames(bytes: Buffer): void {
  let rest = bytes;
  let isOver = false;
  while (rest.length > 0) {
    assert.ok(!isOver, "a frame behind the close frame");
    const [first = 0, second = 0] = rest;
    assert.ok((second & 0x80) === 0, "a masked frame");
    assert.ok([0, 1, 2, 8, 9, 10].includes(first & 15), `opcode ${first & 15}`);
    const size = second === 126 ? 2 : second === 127 ? 8 : 0;
    // A cut may come in the middle of one.
    if (rest.length < 2 + size) return;
    const length =
      size === 0 ? second : size === 2 ? rest.readUInt16BE(2) : Number(rest.readBigUInt64BE(2));
    isOver = (first & 15) === Opcode.CLOSE;
    rest = rest.subarray(2 + size + length);
  }
}

async function breakOne(seed: number): Promise<void> {
  const dice = new Dice(seed);
  const isCompressed = dice.roll(2) === 0;
  const client = await FrameClient.open(typhon, isCompressed ? OFFER : "");
  try {
    const bytes = broken(goodFrames(dice, isCompressed), dice);
    const size = [1 + dice.roll(7), 1000, Infinity][dice.roll(3)] ?? Infinity;
    // A client that is cut meanwhile cannot send the rest.
    const isSmall = bytes.length / size < 2000;
    await client.chop(bytes, isSmall ? Math.min(size, bytes.length + 1) : 4096).catch(() => {});
    client.raw.end();
    readFrames(await client.raw.readUntilCut());
  } finally {
    client.destroy();
  }
}

async function isServed(): Promise<void> {
  const speaker = await Speaker.open(typhon);
  speaker.client.send(text("an ordinary message"));
  assert.equal(await speaker.next(), heard("text", "an ordinary message"));
  speaker.client.send(close(1000));
  assert.equal(await speaker.client.readClose(), 1000);
}

it(`${CONNECTIONS} broken streams harm nobody`, async (context: TestContext) => {
  const { TYPHON_FUZZ_SEED } = process.env;
  const seed = Number(TYPHON_FUZZ_SEED ?? Math.floor(Math.random() * 2 ** 31));
  context.diagnostic(`TYPHON_FUZZ_SEED=${seed}`);
  const workers = typhon.workers().map(({ pid }) => pid);
  let next = 0;
  const runner = async (): Promise<void> => {
    while (next < CONNECTIONS) {
      const own = seed + (next += 1);
      try {
        await breakOne(own);
      } catch (error) {
        throw new Error(`with TYPHON_FUZZ_SEED=${seed}, connection ${own - seed}`, {
          cause: error,
        });
      }
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, runner));
  for (let count = 0; count < 10; count += 1) await isServed();
  assert.deepEqual(
    typhon.workers().map(({ pid }) => pid),
    workers,
    "the same workers as before",
  );
  assert.doesNotMatch(typhon.output.all, /server\.fault|poison|Traceback/);
});
