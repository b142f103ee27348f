// What a client's bytes say, in whatever chunks they come, and that no bytes at all make the reader throw.
// What it refuses is told case by case over sockets (connection.test.ts, limits.test.ts, deflate.test.ts).

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { describe, it } from "node:test";
import { deflateRawSync } from "node:zlib";

import fc from "fast-check";

import { acceptDeflate, type Deflate } from "../../src/websocket/deflate.ts";
import { FrameReader, type FrameListener } from "../../src/websocket/frame-reader.ts";
import { INFLATE_BATCH_BYTES, TRUSTED_BYTES } from "../../src/websocket/limits.ts";
import { within } from "../support/deadline.ts";
import { ANY_WINDOW, binary, close, frame, more, Opcode, ping, text } from "./frames.ts";

const MAX_MESSAGE_BYTES = 300_000;
const RSV1 = 4;

/** A reader that gets its bytes as from a socket: valid during the call only. */
class Listener implements FrameListener {
  readonly heard: string[] = [];
  readonly reader: FrameReader;
  inflatedBytes = 0;
  /** Called for each message. */
  onMessageHeard = (): void => undefined;
  #resume: () => void = () => undefined;

  constructor(compression: Deflate | boolean = false) {
    const accepted =
      compression === true ? acceptDeflate([ANY_WINDOW], MAX_MESSAGE_BYTES) : compression;
    const deflate = accepted === false ? null : accepted;
    this.reader = new FrameReader(this, deflate, MAX_MESSAGE_BYTES);
  }

  /** Gives it a chunk, and what it cannot take at once when it can. */
  async give(chunk: Buffer): Promise<void> {
    let rest = Buffer.from(chunk);
    while (rest.length > 0) {
      const read = this.reader.read(rest);
      rest.fill(0xee, 0, read);
      rest = rest.subarray(read);
      if (!this.reader.isWaiting) continue;
      const ready = new Promise<void>((resolve) => {
        this.#resume = resolve;
      });
      await within(5000, ready, "it is inflated");
    }
  }

  onMessage(bytes: Buffer, isText: boolean): void {
    this.heard.push(`${isText ? "text" : "binary"} ${bytes.toString("latin1")}`);
    this.onMessageHeard();
  }

  onPing(payload: Buffer): void {
    this.heard.push(`ping ${payload.toString("latin1")}`);
  }

  onPong(payload: Buffer): void {
    this.heard.push(`pong ${payload.toString("latin1")}`);
  }

  onInflated(bytes: number): void {
    this.inflatedBytes += bytes;
  }

  onLast(code: number, reason: string): void {
    this.heard.push(`last ${code} ${reason}`.trim());
    this.#resume();
  }

  onReady(): void {
    this.#resume();
  }
}

/** What bytes become on the wire, one behind the other. */
function deflated(...parts: readonly (Buffer | string)[]): Buffer {
  return Buffer.concat(
    parts.map((bytes, index) => {
      const flushed = deflateRawSync(bytes, { finishFlush: 2 });
      return index === parts.length - 1 ? flushed.subarray(0, -4) : flushed;
    }),
  );
}

function binaryWord(bytes: Buffer): string {
  return `binary ${bytes.toString("latin1")}`;
}

interface Message {
  readonly isText: boolean;
  readonly payload: string;
  readonly isCompressed: boolean;
  /** Where its frames end. */
  readonly cuts: readonly number[];
  readonly hasPing: boolean;
}

/** The frames of a message, in as many pieces as it is cut into. */
function framesOf({ isText, payload, isCompressed, cuts, hasPing }: Message): Buffer[] {
  const plain = Buffer.from(payload, "latin1");
  const bytes = isCompressed ? deflateRawSync(plain, { finishFlush: 2 }).subarray(0, -4) : plain;
  const ends = [...cuts.map((cut) => cut % (bytes.length + 1)), bytes.length].sort((a, b) => a - b);
  return ends.flatMap((end, index) => {
    const opcode = index > 0 ? Opcode.CONTINUATION : isText ? Opcode.TEXT : Opcode.BINARY;
    const rsv = index === 0 && isCompressed ? RSV1 : 0;
    const fin = index === ends.length - 1;
    const one = frame(opcode, bytes.subarray(ends[index - 1] ?? 0, end), { fin, rsv });
    return hasPing ? [ping(`p${index}`), one] : [one];
  });
}

function wordsOf({ isText, payload, cuts, hasPing }: Message): string[] {
  const pings = hasPing ? Array.from({ length: cuts.length + 1 }, (_, at) => `ping p${at}`) : [];
  return [...pings, `${isText ? "text" : "binary"} ${payload}`];
}

function split(bytes: Buffer, cuts: readonly number[]): Buffer[] {
  const ends = [...cuts.map((cut) => cut % (bytes.length + 1)), bytes.length].sort((a, b) => a - b);
  return ends.map((end, index) => bytes.subarray(ends[index - 1] ?? 0, end));
}

const lengths = fc.oneof(
  fc.nat(12),
  fc.constantFrom(125, 126, 127, 128, 65_535, 65_536),
  fc.nat(3000),
  fc.nat(200_000),
);
const messages = fc.array(
  fc.record({
    isText: fc.boolean(),
    payload: lengths.map((length) => "abcdefghijk".repeat(length / 11 + 1).slice(0, length)),
    isCompressed: fc.boolean(),
    cuts: fc.array(fc.nat(), { maxLength: 3 }),
    hasPing: fc.boolean(),
  }),
  { maxLength: 6 },
);

describe("FrameReader", () => {
  for (const mayCompress of [false, true])
    it(`says the same however its bytes are cut, ${mayCompress ? "with" : "without"} compression (property)`, async () => {
      const cuts = fc.oneof(fc.array(fc.nat(), { maxLength: 30 }), fc.array(fc.nat(40)));
      await fc.assert(
        fc.asyncProperty(messages, cuts, async (list, at) => {
          const sent = mayCompress ? list : list.map((one) => ({ ...one, isCompressed: false }));
          const listener = new Listener(mayCompress);
          const bytes = Buffer.concat([
            ...sent.flatMap(framesOf),
            close(4001, "bye"),
            text("late"),
          ]);
          for (const chunk of split(bytes, at)) await listener.give(chunk);
          assert.deepEqual(listener.heard, [...sent.flatMap(wordsOf), "last 4001 bye"]);
        }),
        { numRuns: 60 },
      );
    });

  it("says the same byte by byte", async () => {
    const list: Message[] = ["", "a", "b".repeat(125), "c".repeat(126), "d".repeat(65_536)].map(
      (payload, index) => ({
        isText: index % 2 === 0,
        payload,
        isCompressed: index % 3 === 0,
        cuts: index === 3 ? [7] : [],
        hasPing: true,
      }),
    );
    const listener = new Listener(true);
    for (const byte of Buffer.concat(list.flatMap(framesOf))) await listener.give(Buffer.of(byte));
    assert.deepEqual(listener.heard, list.flatMap(wordsOf));
  });

  it("never throws, and says one last word at most (fuzz)", async () => {
    const some = fc.oneof(
      fc.uint8Array({ maxLength: 40 }).map((bytes) => Buffer.from(bytes)),
      fc
        .record({
          opcode: fc.oneof(fc.constantFrom(0, 1, 2, 8, 9, 10), fc.nat(15)),
          payload: fc.uint8Array({ maxLength: 300 }),
          fin: fc.boolean(),
          rsv: fc.oneof(fc.constant(0), fc.constant(RSV1), fc.nat(7)),
          mask: fc.oneof({ weight: 9, arbitrary: fc.constant(true) }, fc.boolean()),
          lengthBytes: fc.constantFrom(0 as const, 2 as const, 8 as const),
        })
        .filter(({ payload, lengthBytes }) => lengthBytes > 0 || payload.length < 126)
        .map(({ opcode, payload, ...options }) => frame(opcode, Buffer.from(payload), options)),
      messages.map((list) => Buffer.concat(list.slice(0, 2).flatMap(framesOf))),
    );
    const damage = fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 2 });
    await fc.assert(
      fc.asyncProperty(
        fc.array(some, { maxLength: 6 }),
        damage,
        fc.array(fc.nat(), { maxLength: 6 }),
        fc.boolean(),
        async (parts, changes, cuts, mayCompress) => {
          const listener = new Listener(mayCompress);
          const bytes = Buffer.concat(parts);
          for (const [at, byte] of changes) bytes[at % Math.max(1, bytes.length)] = byte;
          for (const chunk of split(bytes, cuts)) await listener.give(chunk);
          const last = listener.heard.findIndex((word) => word.startsWith("last "));
          if (last >= 0) assert.equal(last, listener.heard.length - 1);
        },
      ),
      { numRuns: 300 },
    );
  });

  it("refuses at the first two bytes what they show, whatever length they say", async () => {
    for (const [first, second] of [
      [0x81, 0x00],
      [0x81, 0x7e],
      [0x82, 0x7f],
      [0x83, 0xff],
      [0x80, 0xfe],
      [0x89, 0xfe],
      [0x88, 0x81],
      [0xa1, 0x80],
    ] as const) {
      const listener = new Listener();
      await listener.give(Buffer.of(first));
      assert.deepEqual(listener.heard, []);
      await listener.give(Buffer.of(second));
      assert.match(listener.heard.join(), /^last 1002 ./, `${first} ${second}`);
    }
  });

  it("refuses an unmasked frame whose length has not come, both bytes in one chunk", async () => {
    for (const second of [0x00, 0x7d, 0x7e, 0x7f]) {
      const listener = new Listener();
      await listener.give(Buffer.of(0x82, second));
      assert.deepEqual(listener.heard, ["last 1002 a frame is not masked"]);
    }
  });

  it("refuses a message that is too long at the header that says so", async () => {
    for (const frames of [
      [binary("", { length: MAX_MESSAGE_BYTES + 1 })],
      [binary("", { length: 2 ** 53 - 1 })],
      [binary("x", { fin: false }), more("", { length: MAX_MESSAGE_BYTES })],
      [
        binary("", { fin: false, length: 0 }),
        more("", { length: MAX_MESSAGE_BYTES + 1, fin: false }),
      ],
    ]) {
      const listener = new Listener(true);
      for (const one of frames) await listener.give(one);
      assert.deepEqual(listener.heard, ["last 1009 a message is too large"]);
    }
  });

  it("says nothing more when it was stopped in the middle of a chunk", async () => {
    const listener = new Listener();
    listener.onMessageHeard = () => listener.reader.stop();
    await listener.give(
      Buffer.concat([text("one"), text("two"), close(1000), ping("x", { rsv: 7 })]),
    );
    assert.deepEqual(listener.heard, ["text one"]);
  });

  for (const [name, bytes] of [
    ["a message", deflateRawSync("unheard".repeat(20_000), { finishFlush: 2 }).subarray(0, -4)],
    ["what cannot be inflated", Buffer.alloc(100, 0xff)],
  ] as const)
    it(`says nothing more when it was stopped while it was inflating ${name}`, async () => {
      const deflate = acceptDeflate([ANY_WINDOW]);
      assert.ok(deflate !== null);
      const isInflated = new Promise<void>((resolve) => {
        const inflate = deflate.inflate.bind(deflate);
        deflate.inflate = (payload, isLast, onOutput, onDone) =>
          inflate(payload, isLast, onOutput, (fault) => {
            onDone(fault);
            resolve();
          });
      });
      const listener = new Listener();
      const reader = new FrameReader(listener, deflate, MAX_MESSAGE_BYTES);
      const message = text(bytes, { rsv: RSV1 });
      assert.equal(reader.read(Buffer.concat([message, ping()])), message.length);
      assert.ok(reader.isWaiting);
      reader.stop();
      await within(5000, isInflated, "it is inflated");
      assert.deepEqual([listener.heard, listener.inflatedBytes], [[], 0]);
    });

  it("stops behind a message whose listener pauses it, in the middle of a read", () => {
    const listener = new Listener();
    const reader = new FrameReader(listener, null, MAX_MESSAGE_BYTES);
    listener.onMessageHeard = (): void => void (reader.isPaused = true);
    const [one, two] = [text("one"), text("two")];
    const bytes = Buffer.concat([one, two]);
    assert.equal(reader.read(bytes), one.length);
    assert.equal(reader.read(bytes.subarray(one.length)), 0);
    assert.deepEqual(listener.heard, ["text one"]);
    reader.isPaused = false;
    assert.equal(reader.read(bytes.subarray(one.length)), two.length);
    assert.deepEqual(listener.heard, ["text one", "text two"]);
  });

  it("tells how many bytes of an unfinished message it holds, and none behind it", async () => {
    const listener = new Listener(true);
    const { reader } = listener;
    await listener.give(text("x".repeat(1000), { fin: false }));
    assert.equal(reader.unfinishedBytes, 1000);
    await listener.give(more(""));
    assert.equal(reader.unfinishedBytes, 0);
    const packed = deflated("y".repeat(200_000), randomBytes(INFLATE_BATCH_BYTES));
    await listener.give(binary(packed, { rsv: RSV1, fin: false }));
    assert.ok(reader.unfinishedBytes > 200_000 + INFLATE_BATCH_BYTES / 2);
    reader.stop();
    assert.equal(reader.unfinishedBytes, 0);
  });

  it("holds little memory for a frame that announces much, and counts all of it", async () => {
    for (const announced of [60_000, 65_535, 250_000]) {
      for (const sent of [1, 3000, 40_000]) {
        const { reader } = new Listener();
        const bytes = binary(Buffer.alloc(announced), { fin: false });
        reader.read(bytes.subarray(0, bytes.length - announced + sent));
        const { heldBytes } = reader;
        const most = Math.max(TRUSTED_BYTES, 4 * sent);
        assert.ok(heldBytes >= sent && heldBytes <= most, `${heldBytes} bytes for ${sent}`);
        reader.stop();
        assert.equal(reader.heldBytes, 0);
      }
    }
  });

  it("gives each message memory of its own, also where it is empty", async () => {
    const listener = new Listener(true);
    const kept: Buffer[] = [];
    listener.onMessage = (bytes) => void kept.push(bytes);
    const nothing = deflateRawSync("", { finishFlush: 2 }).subarray(0, -4);
    const squeezed = text(nothing, { rsv: RSV1 });
    await listener.give(Buffer.concat([text(""), text(""), squeezed, squeezed, text("x")]));
    assert.deepEqual(kept.map(String), ["", "", "", "", "x"]);
    assert.equal(new Set(kept.map(({ buffer }) => buffer)).size, kept.length);
  });

  for (const [name, bytes, passes] of [
    ["a short one at its end, in one step", Buffer.from("word ".repeat(10_000)), 1],
    ["a long one whenever as much has come as one step takes", randomBytes(200_000), 4],
  ] as const)
    it(`inflates a message in hundreds of fragments once: ${name}`, async () => {
      const deflate = acceptDeflate([ANY_WINDOW], MAX_MESSAGE_BYTES);
      assert.ok(deflate !== null);
      let count = 0;
      const inflate = deflate.inflate.bind(deflate);
      deflate.inflate = (...given) => {
        count += 1;
        inflate(...given);
      };
      const listener = new Listener(deflate);
      const whole = deflated(bytes);
      const size = Math.ceil(whole.length / 500);
      for (let at = 0; at < whole.length; at += size) {
        const [fin, piece] = [at + size >= whole.length, whole.subarray(at, at + size)];
        const opcode = at === 0 ? Opcode.BINARY : Opcode.CONTINUATION;
        await listener.give(
          Buffer.concat([frame(opcode, piece, { fin, rsv: at === 0 ? RSV1 : 0 }), ping()]),
        );
      }
      // A ping is heard at once, also between fragments.
      assert.equal(listener.heard.indexOf("ping "), 0);
      assert.equal(listener.heard.filter((word) => word !== "ping ").join(), binaryWord(bytes));
      assert.ok(count <= passes, `${count} times`);
    });

  it("goes on where it stopped, also behind blocks without a byte", async () => {
    const empty = Buffer.of(0, 0, 0, 0xff, 0xff);
    const blocks = Array<Buffer>(INFLATE_BATCH_BYTES / 4).fill(empty);
    // The rest is the content of a stored block, and would be a message by itself.
    const content = deflated("another message");
    const stored = Buffer.of(0, content.length, 0, 0xff - content.length, 0xff);
    const listener = new Listener(true);
    const begun = Buffer.concat([...blocks, stored]);
    await listener.give(binary(begun, { rsv: RSV1, fin: false }));
    await listener.give(more(Buffer.concat([content, Buffer.of(0)])));
    assert.deepEqual(listener.heard, [binaryWord(content)]);
  });

  it("stops to inflate at the limit, whether the message is whole or goes on", async () => {
    for (const [bomb, fin] of [
      [deflated(Buffer.alloc(10 * MAX_MESSAGE_BYTES)), true],
      // More than is waited for: the last fragment never comes.
      [deflated(Buffer.alloc(1100 * INFLATE_BATCH_BYTES)), false],
      [deflated(randomBytes(MAX_MESSAGE_BYTES - 10), Buffer.alloc(MAX_MESSAGE_BYTES)), true],
    ] as const) {
      const listener = new Listener(true);
      const size = Math.ceil(bomb.length / 20);
      for (let at = 0; at < bomb.length && listener.heard.length === 0; at += size) {
        const isLast = fin && at + size >= bomb.length;
        const opcode = at === 0 ? Opcode.BINARY : Opcode.CONTINUATION;
        const rsv = at === 0 ? RSV1 : 0;
        await listener.give(frame(opcode, bomb.subarray(at, at + size), { fin: isLast, rsv }));
      }
      assert.deepEqual(listener.heard, ["last 1009 a message is too large"]);
      assert.ok(listener.inflatedBytes <= MAX_MESSAGE_BYTES, `${listener.inflatedBytes} bytes`);
    }
  });

  it("reads a message that ends with a final block (RFC 7692 §7.2.3.4), and nothing behind it", async () => {
    const final = deflateRawSync("Hello".repeat(30_000));
    const ends = Buffer.concat([final, Buffer.of(0)]);
    for (const [payload, word] of [
      [Buffer.from("f348cdc9c9070000", "hex"), "text Hello"],
      [ends, `text ${"Hello".repeat(30_000)}`],
      [
        Buffer.concat([ends, ends]),
        "last 1007 a compressed message goes on behind its final block",
      ],
    ] as const) {
      const listener = new Listener(true);
      await listener.give(text(payload, { rsv: RSV1 }));
      assert.deepEqual(listener.heard, [word]);
      const other = new Listener(true);
      await other.give(text(payload.subarray(0, 5), { rsv: RSV1, fin: false }));
      await other.give(more(payload.subarray(5)));
      assert.deepEqual(other.heard, [word]);
    }
  });

  it("tells how many bytes a frame has become", async () => {
    const listener = new Listener(true);
    const [payload, cuts] = ["x".repeat(10_000), [10]];
    const message = { isText: true, payload, isCompressed: true, cuts, hasPing: false };
    await listener.give(Buffer.concat(framesOf(message)));
    assert.equal(listener.inflatedBytes, 10_000);
  });
});
