// What a WebSocket takes, refuses and answers, frame by frame over real sockets: the cases of the Autobahn
// test suite, section by section (numbers in the names), in cases of our own.

import assert from "node:assert/strict";
import { after, before, beforeEach, describe, it, type TestContext } from "node:test";
import { setImmediate as turn } from "node:timers/promises";

import fc from "fast-check";

import { until } from "../support/deadline.ts";
import { startEchoFront, type Accepted, type EchoFront } from "./echo-front.ts";
import { binary, close, frame, FrameClient, more, Opcode, ping, text } from "./frames.ts";

const MIB = 1_048_576;

let front: EchoFront;
let client: FrameClient;
let accepted: Accepted;

before(async () => {
  front = await startEchoFront();
});
after(() => front.close());

beforeEach(async (context) => {
  if ("after" in context) client = await open(context);
});

async function open(
  context: TestContext,
  on: EchoFront = front,
  fields = "",
): Promise<FrameClient> {
  const count = on.accepted.length;
  const opened = await FrameClient.open(on, fields);
  context.after(() => opened.destroy());
  accepted = await until("the WebSocket", () => on.accepted[count]);
  return opened;
}

/** Sends frames, and asserts how the server ends the connection and what its listener hears. */
async function isEndedBy(code: number, ...frames: readonly Buffer[]): Promise<void> {
  client.send(...frames);
  assert.equal(await client.readClose(), code);
  assert.equal(Number.parseInt(accepted.closed.join(), 10), code);
}

describe("1: framing", () => {
  for (const length of [0, 1, 125, 126, 127, 128, 65_535, 65_536, 70_000])
    it(`sends messages of ${length} bytes back as they came`, async () => {
      const payload = Buffer.alloc(length, "ä");
      const whole =
        length % 2 === 0 ? payload : Buffer.concat([payload.subarray(1), Buffer.of(33)]);
      for (const [opcode, bytes] of [
        [Opcode.TEXT, Buffer.alloc(length, "*")],
        [Opcode.BINARY, whole],
      ] as const) {
        client.send(frame(opcode, bytes));
        const answer = await client.read();
        assert.deepEqual([answer.opcode, answer.fin, answer.rsv], [opcode, true, 0]);
        assert.ok(answer.payload.equals(bytes));
      }
    });

  it("takes frames byte by byte, several in one read, and split anywhere", async () => {
    await client.chop(text("byte by byte"));
    assert.deepEqual(await client.hear(1), ["text byte by byte"]);
    client.send(text("a"), binary("b"), text("c"));
    assert.deepEqual(await client.hear(3), ["text a", "binary b", "text c"]);
    const bytes = text("x".repeat(300));
    for (let at = 1; at < 12; at += 1) {
      await client.raw.send(bytes.subarray(0, at));
      await turn();
      await client.raw.send(bytes.subarray(at));
      assert.equal((await client.read()).payload.length, 300);
    }
  });

  it("takes a length that is written longer than it has to be", async () => {
    client.send(text("short", { lengthBytes: 2 }), text("short", { lengthBytes: 8 }));
    assert.deepEqual(await client.hear(2), ["text short", "text short"]);
  });

  it("reads what came behind the handshake", async (context) => {
    const early = await FrameClient.open(front, "", text("early"));
    context.after(() => early.destroy());
    assert.deepEqual(await early.hear(1), ["text early"]);
  });

  it("refuses frames that are not masked (RFC 6455 §5.1)", async () => {
    await isEndedBy(1002, text("open", { mask: false }));
  });
});

describe("2: pings and pongs", () => {
  it("answers a ping with its payload", async () => {
    client.send(ping(), ping("hello"), ping(Buffer.from([0, 255, 254])), ping("y".repeat(125)));
    const heard = await client.hear(4);
    assert.deepEqual(heard, ["pong ", "pong hello", "pong \0ÿþ", `pong ${"y".repeat(125)}`]);
  });

  it("answers each of ten pings in order, sent at once or byte by byte", async () => {
    const pings = Array.from({ length: 10 }, (_, index) => ping(`p${index}`));
    const pongs = pings.map((_, index) => `pong p${index}`);
    client.send(...pings);
    assert.deepEqual(await client.hear(10), pongs);
    await client.chop(Buffer.concat(pings));
    assert.deepEqual(await client.hear(10), pongs);
  });

  it("takes pongs that nobody asked for", async () => {
    client.send(frame(Opcode.PONG, "unasked"), ping("then"));
    assert.deepEqual(await client.hear(1), ["pong then"]);
  });

  it("refuses a ping of more than 125 bytes", async () => {
    await isEndedBy(1002, ping("y".repeat(126)));
  });
});

describe("3: reserved bits", () => {
  for (const rsv of [1, 2, 3, 4, 5, 6, 7])
    it(`refuses reserved bits ${rsv} in text, binary, a fragment and control frames`, async (context) => {
      for (const one of [
        text("x", { rsv }),
        binary("x", { rsv }),
        Buffer.concat([text("x", { fin: false }), more("y", { rsv })]),
        ping("x", { rsv }),
        close(1000, "", { rsv }),
      ]) {
        await isEndedBy(1002, one);
        client = await open(context);
      }
    });

  it("sends what came before the fault back first", async () => {
    client.send(text("good"), text("bad", { rsv: 4 }), ping("unheard"));
    assert.deepEqual(await client.hear(1), ["text good"]);
    assert.equal(await client.readClose(), 1002);
  });
});

describe("4: opcodes", () => {
  for (const opcode of [3, 4, 5, 6, 7, 11, 12, 13, 14, 15])
    it(`refuses opcode ${opcode}, with and without a payload`, async (context) => {
      await isEndedBy(1002, frame(opcode));
      client = await open(context);
      await isEndedBy(1002, frame(opcode, "payload"));
    });
});

describe("5: fragments", () => {
  it("joins fragments, empty ones as well, with control frames among them", async () => {
    client.send(text("a", { fin: false }), ping("in between"), more("", { fin: false }), more("b"));
    assert.deepEqual(await client.hear(2), ["pong in between", "text ab"]);
    await client.chop(Buffer.concat([binary("", { fin: false }), ping("p"), more("c")]));
    assert.deepEqual(await client.hear(2), ["pong p", "binary c"]);
  });

  it("answers no message that has not ended", async () => {
    client.send(text("a", { fin: false }), more("b", { fin: false }), ping());
    assert.deepEqual(await client.hear(1), ["pong "]);
    assert.equal(accepted.count, 0);
  });

  for (const [name, frames] of [
    ["a ping in fragments", [ping("a", { fin: false }), more("b")]],
    ["a pong in fragments", [frame(Opcode.PONG, "a", { fin: false }), more("b")]],
    ["a close frame in fragments", [close(1000, "", { fin: false })]],
    ["a continuation of nothing", [more("a")]],
    ["an unfinished continuation of nothing", [more("a", { fin: false })]],
    ["a continuation behind a whole message", [text("a"), more("b")]],
    ["a new text inside a message", [text("a", { fin: false }), text("b")]],
    ["a new binary inside a message", [text("a", { fin: false }), binary("b", { fin: false })]],
  ] as const)
    it(`refuses ${name}`, async () => {
      accepted.take = () => undefined;
      await isEndedBy(1002, ...frames);
    });
});

describe("6: UTF-8", () => {
  it("takes characters of every length, split inside of them", async () => {
    const sentence = "Hello-µ@ßöäüàá-UTF-8!! κόσμε 😀 \u{10FFFF} \uFFFE \0";
    client.send(text(sentence));
    assert.deepEqual(await client.hear(1), [`text ${sentence}`]);
    const bytes = Buffer.from(sentence);
    const last = bytes.length - 1;
    const pieces = [...bytes].map((byte, index) =>
      frame(index === 0 ? Opcode.TEXT : Opcode.CONTINUATION, Buffer.of(byte), {
        fin: index === last,
      }),
    );
    client.send(...pieces);
    assert.deepEqual(await client.hear(1), [`text ${sentence}`]);
  });

  for (const hex of [
    "cebae1bdb9cf83cebcceb5eda080656469746564", // a surrogate inside
    "80", // a continuation alone
    "c3", // cut
    "e0a0", // cut
    "f09f98", // cut
    "c0af", // overlong
    "e08080", // overlong
    "f0808080", // overlong
    "eda080", // a surrogate
    "f4908080", // beyond U+10FFFF
    "f8888080", // five bytes
    "fe",
    "ff",
  ])
    it(`refuses ${hex}, whole and in fragments`, async (context) => {
      const bytes = Buffer.from(hex, "hex");
      await isEndedBy(1007, text(bytes));
      client = await open(context);
      await isEndedBy(1007, text("good", { fin: false }), more(bytes));
    });

  it("does not look into binary messages", async () => {
    client.send(binary(Buffer.of(0xff, 0xc0)));
    assert.deepEqual(await client.hear(1), ["binary ÿÀ"]);
  });
});

describe("7: closing", () => {
  for (const code of [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014])
    it(`answers ${code} with the same code`, async () => {
      await isEndedBy(code, close(code, "because"));
      assert.deepEqual(accepted.closed, [`${code} because`]);
    });

  for (const code of [3000, 3999, 4000, 4999])
    it(`answers ${code} with the same code`, async () => {
      await isEndedBy(code, close(code, "x".repeat(123)));
    });

  it("answers an empty close frame with an empty one", async () => {
    client.send(close());
    assert.equal(await client.readClose(), 1005);
    assert.deepEqual(accepted.closed, ["1005"]);
  });

  it("hears nothing behind a close frame", async () => {
    client.send(close(1000), text("late"), ping("late"), close(1001));
    assert.equal(await client.readClose(), 1000);
    assert.equal(accepted.count, 0);
    assert.deepEqual(accepted.closed, ["1000"]);
  });

  it("hears what came before it", async () => {
    client.send(text("a"), close(1000));
    assert.deepEqual(await client.hear(1), ["text a"]);
    assert.equal(await client.readClose(), 1000);
  });

  for (const code of [0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65_535])
    it(`refuses ${code}, which no close frame may hold`, async () => {
      await isEndedBy(1002, close(code));
    });

  it("refuses a payload of one byte or of more than 125, and a reason that is no UTF-8", async (context) => {
    await isEndedBy(1002, frame(Opcode.CLOSE, "x"));
    client = await open(context);
    await isEndedBy(1002, close(1000, "x".repeat(124)));
    client = await open(context);
    await isEndedBy(1007, close(1000, Buffer.of(0xff)));
  });

  it("waits for the client's close frame, and takes its messages until then", async () => {
    accepted.connection.close(4001, "enough");
    assert.deepEqual(await client.hear(1), ["close 4001 enough"]);
    const taken: string[] = [];
    accepted.take = (bytes) => taken.push(bytes.toString());
    client.send(text("on its way"), close(4001));
    assert.equal((await client.raw.readUntilCut()).length, 0);
    assert.deepEqual(taken, ["on its way"]);
    assert.deepEqual(accepted.closed, ["4001"]);
  });

  it("sends nothing behind its own close frame", async () => {
    accepted.connection.close(1000, "");
    const done: boolean[] = [];
    accepted.connection.send(Buffer.from("late"), true, true, (isTaken) => done.push(isTaken));
    client.send(ping("late"), close(1000));
    assert.equal(await client.readClose(), 1000);
    assert.deepEqual(done, [false]);
  });

  it("sends as much of a reason as fits, whole characters", async () => {
    accepted.connection.close(1000, "ä".repeat(100));
    const { payload } = await client.read();
    assert.equal(payload.toString("utf8", 2), "ä".repeat(61));
  });

  it("is 1006 where the client goes without a word", async (context) => {
    client.raw.end();
    await until("the end", () => accepted.closed.length > 0);
    assert.deepEqual(accepted.closed, ["1006"]);
    assert.equal((await client.raw.readUntilCut()).length, 0);
    client = await open(context);
    client.raw.socket.resetAndDestroy();
    await until("the end", () => accepted.closed.length > 0);
    assert.deepEqual(accepted.closed, ["1006"]);
  });
});

describe("answers behind the client's last frame", () => {
  const answering = async (context: TestContext, answerMs: number): Promise<void> => {
    const own = await startEchoFront({ answerMs, maxMessageBytes: 1000 });
    context.after(() => own.close());
    // The reader of such a connection goes on behind a message that is too long.
    client = await open(context, own, "Sec-WebSocket-Extensions: permessage-deflate\r\n");
    accepted.take = () => undefined;
  };
  const answer = (word: string): Promise<boolean> =>
    new Promise((resolve) => accepted.connection.send(Buffer.from(word), true, true, resolve));

  for (const [name, code, ...frames] of [
    ["a close frame", 4001, close(4001, "bye"), text("late")],
    ["a fault", 1002, ping("x", { rsv: 1 })],
    ["two faults", 1009, binary(Buffer.alloc(1001)), ping("x", { rsv: 1 })],
  ] as const)
    it(`may be sent until the listener closes, behind ${name}`, async (context) => {
      await answering(context, 60_000);
      client.send(text("question"), ...frames);
      await until("it is told", () => accepted.closed.length > 0);
      assert.equal(accepted.mayAnswer, true);
      assert.equal(await answer("answer"), true);
      accepted.connection.close(1000, "");
      assert.equal(await answer("too late"), false);
      assert.deepEqual(await client.hear(1), ["text answer"]);
      assert.equal(await client.readClose(), code);
      assert.equal(accepted.closed.length, 1);
      assert.equal(accepted.count, 1);
    });

  it("may be sent for a while", async (context) => {
    await answering(context, 50);
    client.send(close(4001));
    assert.equal(await client.readClose(), 4001);
    await until("it is told again", () => accepted.closed.length === 2);
    assert.equal(accepted.mayAnswer, false);
    assert.equal(await answer("too late"), false);
  });

  it("may be sent until the client is gone", async (context) => {
    await answering(context, 60_000);
    client.send(close(4001));
    await until("it is told", () => accepted.closed.length > 0);
    client.raw.socket.resetAndDestroy();
    await until("it is told again", () => accepted.closed.length === 2);
    assert.deepEqual([accepted.mayAnswer, accepted.closed[1]], [false, "4001"]);
  });
});

describe("9: large messages", () => {
  it("sends 4 MiB back, whole and in 65,536 fragments", async () => {
    const payload = Buffer.alloc(4 * MIB, "large");
    client.send(binary(payload));
    assert.ok((await client.read()).payload.equals(payload));
    const count = payload.length / 64;
    const pieces = Array.from({ length: count }, (_, index) =>
      frame(index === 0 ? Opcode.BINARY : 0, payload.subarray(index * 64, index * 64 + 64), {
        fin: index === count - 1,
      }),
    );
    client.send(...pieces);
    assert.ok((await client.read()).payload.equals(payload));
  });

  it("takes 1 MiB in many small writes", async () => {
    const payload = Buffer.alloc(MIB, "chop");
    await client.chop(binary(payload), 1024);
    assert.ok((await client.read()).payload.equals(payload));
  });

  it("answers a thousand small messages in order", async () => {
    const frames = Array.from({ length: 1000 }, (_, index) => text(String(index)));
    client.send(...frames);
    assert.deepEqual(
      await client.hear(1000),
      frames.map((_, index) => `text ${index}`),
    );
  });
});

describe("anything at all", () => {
  const some = fc.record({
    opcode: fc.oneof(fc.constantFrom(0, 1, 2, 8, 9, 10), fc.integer({ min: 0, max: 15 })),
    payload: fc.uint8Array({ maxLength: 200 }),
    fin: fc.boolean(),
    rsv: fc.oneof({ weight: 9, arbitrary: fc.constant(0) }, fc.integer({ min: 0, max: 7 })),
    mask: fc.oneof({ weight: 9, arbitrary: fc.constant(true) }, fc.boolean()),
    junk: fc.oneof({ weight: 9, arbitrary: fc.constant("") }, fc.string({ maxLength: 20 })),
  });
  const frames = fc.array(some, { maxLength: 12 });

  it("ends in one word about the end, and gives its memory back (fuzz)", async (context) => {
    const own = await startEchoFront({ memoryBytes: MIB });
    context.after(() => own.close());
    await fc.assert(
      fc.asyncProperty(frames, fc.boolean(), fc.nat(50), async (list, isCompressed, cut) => {
        const count = own.accepted.length;
        const fields = isCompressed ? "Sec-WebSocket-Extensions: permessage-deflate\r\n" : "";
        const opened = await FrameClient.open(own, fields);
        const bytes = Buffer.concat(
          list.flatMap(({ opcode, payload, junk, ...options }) => [
            frame(opcode, Buffer.from(payload), options),
            Buffer.from(junk),
          ]),
        );
        opened.send(bytes.subarray(0, cut));
        await turn();
        opened.send(bytes.subarray(cut));
        opened.raw.end();
        await opened.raw.readUntilCut();
        await until("it is over", () => own.connections.size === 0);
        assert.equal(own.accepted[count]?.closed.length, 1);
        own.budget.take(MIB - 1);
        assert.ok(own.budget.hasRoom);
        own.budget.give(MIB - 1);
      }),
      { numRuns: 150 },
    );
  });
});

describe("10: sent in pieces", () => {
  it("sends a message in pieces as one message", async () => {
    const { connection } = accepted;
    connection.send(Buffer.from("a"), true, false, () => undefined);
    connection.send(Buffer.from("b"), true, false, () => undefined);
    connection.send(Buffer.from("c"), true, true, () => undefined);
    connection.send(Buffer.from("d"), false, true, () => undefined);
    assert.deepEqual(await client.hear(4), ["text a…", "more b…", "more c", "binary d"]);
  });
});
