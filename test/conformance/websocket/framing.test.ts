// Frames of every size and kind, right and wrong: sections 1 to 5, 7 and 10 of the Autobahn list.
//
//   1  text and binary of the lengths where the length field changes, whole and in small writes
//   2  pings and pongs    3  reserved bits    4  reserved opcodes
//   5  fragments, with control frames among them, and continuations of nothing
//   7  the closing handshake: frames behind it, payloads, reasons, codes that may and may not stand there
//   10 a message that its sender cuts into frames by itself

import { before, describe, it } from "node:test";

import { FILE } from "../../support/file-scope.ts";
import { startTyphon, type Typhon } from "../../support/typhon.ts";
import { binary, close, frame, more, Opcode, ping, text } from "../../websocket/frames.ts";
import { heard, run, type Dialogue, type Step } from "./dialogue.ts";

let typhon: Typhon;
before(async () => {
  typhon = await startTyphon(FILE, ["asgi_raw:app", "--workers", "2"]);
});

function section(name: string, dialogues: readonly Dialogue[]): void {
  describe(name, () => {
    for (const dialogue of dialogues) it(dialogue.name, () => run(typhon, dialogue));
  });
}

const KINDS = [
  ["text", Opcode.TEXT, "*"],
  ["binary", Opcode.BINARY, "\xfe"],
] as const;
const pong = (payload = ""): Buffer => frame(Opcode.PONG, payload);
const open = { fin: false } as const;
const bytewise = (...frames: readonly Buffer[]): Step => ({
  chop: Buffer.concat(frames),
  size: 1,
});
const together = (...frames: readonly Buffer[]): Step[] => [Buffer.concat(frames)];

section(
  "1: framing",
  KINDS.flatMap(([kind, opcode, fill]) => [
    ...[0, 1, 125, 126, 127, 128, 65_535, 65_536, 131_073].map((length): Dialogue => {
      const payload = Buffer.alloc(length, fill, "latin1");
      return {
        name: `a ${kind} message of ${length} bytes comes back`,
        send: [frame(opcode, payload)],
        hear: [heard(kind, payload)],
        end: "ours",
      };
    }),
    {
      name: `a ${kind} message of 65,536 bytes in writes of 997 comes back`,
      send: [{ chop: frame(opcode, Buffer.alloc(65_536, fill, "latin1")), size: 997 }],
      hear: [heard(kind, Buffer.alloc(65_536, fill, "latin1"))],
      end: "ours",
    },
  ]),
);

const tenPings = Array.from({ length: 10 }, (_, index) => ping(`payload ${index}`));
const tenPongs = tenPings.map((_, index) => heard("pong", `payload ${index}`));

section("2: pings and pongs", [
  ...["", "hello", "\x00\xff\xfe\xfd\xfc\xfb\x00\xff", "\xfe".repeat(125)].map(
    (payload): Dialogue => ({
      name: `a ping with ${payload.length} bytes is answered with the same`,
      send: [ping(Buffer.from(payload, "latin1"))],
      hear: [heard("pong", Buffer.from(payload, "latin1"))],
      end: "ours",
    }),
  ),
  {
    name: "a ping with 126 bytes is refused",
    send: [ping("\xfe".repeat(126))],
    hear: [],
    end: 1002,
  },
  {
    name: "a ping with 125 bytes, byte by byte, is answered",
    send: [bytewise(ping("x".repeat(125)))],
    hear: [heard("pong", "x".repeat(125))],
    end: "ours",
  },
  {
    name: "pongs that nobody asked for are passed over, with and without a payload",
    send: [pong(), pong("unasked"), ping("asked")],
    hear: [heard("pong", "asked")],
    end: "ours",
  },
  {
    name: "ten pings in one write are answered in order",
    send: together(...tenPings),
    hear: tenPongs,
    end: "ours",
  },
  {
    name: "ten pings byte by byte are answered in order",
    send: [bytewise(...tenPings)],
    hear: tenPongs,
    end: "ours",
  },
]);

const HELLO = "Hello, world!";

/** What is wrong comes alone, behind a good message, and byte by byte; then a ping that nobody answers. */
function faults(name: string, code: number, ...wrong: readonly Buffer[]): Dialogue[] {
  const good = text(HELLO);
  const echo = [heard("text", HELLO)];
  return [
    { name: `${name}: refused`, send: together(...wrong), hear: [], end: code },
    {
      name: `${name}: refused, what came before is answered, what follows is not`,
      send: together(good, ...wrong, ping("unheard")),
      hear: echo,
      end: code,
    },
    {
      name: `${name}: refused in writes of their own`,
      send: [good, ...wrong, ping("unheard")],
      hear: echo,
      end: code,
    },
    {
      name: `${name}: refused byte by byte`,
      send: [bytewise(good, ...wrong)],
      hear: echo,
      end: code,
    },
  ];
}

section("3: reserved bits", [
  ...faults("text with RSV 1 and no extension", 1002, text(HELLO, { rsv: 1 })),
  ...faults("text with RSV 2", 1002, text(HELLO, { rsv: 2 })),
  ...faults("text with RSV 3", 1002, text(HELLO, { rsv: 3 })),
  ...faults("text with RSV 4 and no extension", 1002, text(HELLO, { rsv: 4 })),
  ...faults("binary with RSV 5", 1002, binary("\xff\xfe", { rsv: 5 })),
  ...faults("a ping with RSV 6", 1002, ping("x", { rsv: 6 })),
  ...faults("a close frame with RSV 7", 1002, close(1000, "", { rsv: 7 })),
]);

section(
  "4: opcodes",
  [3, 4, 5, 6, 7, 11, 12, 13, 14, 15].flatMap((opcode) => [
    ...faults(`opcode ${opcode} without a payload`, 1002, frame(opcode)),
    ...faults(`opcode ${opcode} with a payload`, 1002, frame(opcode, "payload")),
  ]),
);

const ab = [text("frag", open), more("ment")] as const;
const joined = heard("text", "fragment");

section("5: fragments", [
  ...faults("a ping in two frames", 1002, ping("a", open), more("b")),
  ...faults("a pong in two frames", 1002, frame(Opcode.PONG, "a", open), more("b")),
  { name: "a text in two fragments comes back", send: [...ab], hear: [joined], end: "ours" },
  { name: "in one write", send: together(...ab), hear: [joined], end: "ours" },
  { name: "byte by byte", send: [bytewise(...ab)], hear: [joined], end: "ours" },
  {
    name: "a ping between two fragments is answered before the message",
    send: [ab[0], ping("between"), ab[1]],
    hear: [heard("pong", "between"), joined],
    end: "ours",
  },
  {
    name: "in one write, as well",
    send: together(ab[0], ping("between"), ab[1]),
    hear: [heard("pong", "between"), joined],
    end: "ours",
  },
  {
    name: "byte by byte, as well",
    send: [bytewise(ab[0], ping("between"), ab[1])],
    hear: [heard("pong", "between"), joined],
    end: "ours",
  },
  ...faults("a last continuation of nothing", 1002, more("nothing"), text("unheard")),
  ...faults("a continuation of nothing that is not the last", 1002, more("nothing", open)),
  {
    name: "a continuation behind a message in fragments is refused, the message is answered",
    send: together(...ab, more("nothing", open), text("unheard")),
    hear: [joined],
    end: 1002,
  },
  {
    name: "two such rounds are refused in the first",
    send: together(more("a", open), text("b"), more("c", open), text("d")),
    hear: [],
    end: 1002,
  },
  ...faults("a new text inside a message", 1002, text("a", open), text("b")),
  ...faults("a new binary inside a message", 1002, text("a", open), binary("b", open)),
  {
    name: "five fragments with a ping behind the second and the fourth",
    send: [
      ...together(text("1", open), more("2", open), ping("p1")),
      1,
      ...together(more("3", open), more("4", open), ping("p2"), more("5")),
    ],
    hear: [heard("pong", "p1"), heard("pong", "p2"), heard("text", "12345")],
    end: "ours",
  },
  {
    name: "fragments without a payload are fragments",
    send: together(text("", open), more("", open), more("")),
    hear: [heard("text", "")],
    end: "ours",
  },
]);

const CODES = {
  good: [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999, 4000],
  bad: [0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65_535],
};
const large = Buffer.alloc(262_144, "BAsd7&jh23");

section("7: closing", [
  {
    name: "a message, and then a close",
    send: [text(HELLO)],
    hear: [heard("text", HELLO)],
    end: "ours",
  },
  {
    name: "a message with a close frame in the same write is answered first",
    send: together(text(HELLO), close(1000)),
    hear: [heard("text", HELLO)],
    end: 1000,
  },
  {
    name: "each of a hundred messages before a close frame is answered",
    send: together(...Array.from({ length: 100 }, (_, index) => text(`${index}`)), close(1001)),
    hear: Array.from({ length: 100 }, (_, index) => heard("text", `${index}`)),
    end: 1001,
  },
  {
    name: "two close frames: one answer",
    send: together(close(1000), close(1001)),
    hear: [],
    end: 1000,
  },
  {
    name: "a ping behind a close frame",
    send: together(close(1000), ping("x")),
    hear: [],
    end: 1000,
  },
  {
    name: "a text behind a close frame",
    send: together(close(1000), text("x")),
    hear: [],
    end: 1000,
  },
  {
    name: "a close frame inside a message ends it",
    send: together(text("1", open), close(1000), more("2")),
    hear: [],
    end: 1000,
  },
  {
    name: "256 KiB and a small message before a close frame are answered, a ping behind it is not",
    send: together(text(large), text(HELLO), close(1000), ping("unheard")),
    hear: [heard("text", large), heard("text", HELLO)],
    end: 1000,
  },
  { name: "a close frame without a code", send: [close()], hear: [], end: 1005 },
  { name: "a close frame of one byte", send: [frame(Opcode.CLOSE, "x")], hear: [], end: 1002 },
  { name: "a code without a reason", send: [close(1000)], hear: [], end: 1000 },
  { name: "a code with a reason", send: [close(1000, "because")], hear: [], end: 1000 },
  { name: "a reason of 123 bytes", send: [close(1000, "*".repeat(123))], hear: [], end: 1000 },
  { name: "a reason of 124 bytes", send: [close(1000, "*".repeat(124))], hear: [], end: 1002 },
  {
    name: "a reason that is no UTF-8",
    send: [close(1000, Buffer.from("cebae1bdb9cf83cebcceb5eda080656469746564", "hex"))],
    hear: [],
    end: 1007,
  },
  ...[...CODES.good, 4999].map((code): Dialogue => ({
    name: `code ${code} is answered with itself`,
    send: [bytewise(close(code, "why"))],
    hear: [],
    end: code,
  })),
  ...CODES.bad.flatMap((code): Dialogue[] => [
    { name: `code ${code} is refused`, send: [close(code)], hear: [], end: 1002 },
    {
      name: `code ${code} is refused with a reason`,
      send: [close(code, "why")],
      hear: [],
      end: 1002,
    },
  ]),
]);

function cut(bytes: Buffer, size: number): Buffer[] {
  const count = Math.ceil(bytes.length / size);
  return Array.from({ length: count }, (_, index) =>
    frame(
      index === 0 ? Opcode.TEXT : Opcode.CONTINUATION,
      bytes.subarray(index * size, (index + 1) * size),
      {
        fin: index === count - 1,
      },
    ),
  );
}

section("10: cut by the sender", [
  {
    name: "65,536 bytes in frames of 1,300 come back",
    send: cut(Buffer.alloc(65_536, "*"), 1300),
    hear: [heard("text", Buffer.alloc(65_536, "*"))],
    end: "ours",
  },
]);
