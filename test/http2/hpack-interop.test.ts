// Our encoder and decoder against another implementation, the Python package hpack: blocks at random in each
// direction, with changes of the table's size between them. One process has all blocks of both directions.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { test } from "node:test";

import fc from "fast-check";

import type { ResponseHead } from "../../src/http/message.ts";
import { responseHead } from "../../src/http/response-head.ts";
import { FieldList, HpackDecoder } from "../../src/http2/hpack-decoder.ts";
import { HpackEncoder } from "../../src/http2/hpack-encoder.ts";
import { HpackOutput } from "../../src/http2/hpack-output.ts";
import { requirePython } from "../support/scratch.ts";

const BLOCKS = 400;

/**
 * Answers each line. "size N" is a setting, of both its sides. "decode BLOCK" → its fields; "encode CODED FIELDS" →
 * a block, with the Huffman code or not. Fields: "name:value name:value"; all bytes as hexadecimal digits; a name
 * with "!" is never indexed.
 */
const PEER = `
import sys, hpack
decoder, encoder = hpack.Decoder(max_header_list_size=2**24), hpack.Encoder()
for line in sys.stdin:
    what, *words = line.split()
    if what == "size":
        decoder.max_allowed_table_size = encoder.header_table_size = int(words[0])
    elif what == "decode":
        fields = decoder.decode(bytes.fromhex("".join(words)), raw=True)
        print(*(f"{field[0].hex()}:{field[1].hex()}" for field in fields))
    else:
        pairs = [word.strip("!").split(":") + ["!" in word] for word in words[1:]]
        fields = [(bytes.fromhex(name), bytes.fromhex(value), secret) for name, value, secret in pairs]
        print(encoder.encode(fields, huffman=words[0] == "True").hex())
`;

interface Step {
  /** A setting before the block, or null. */
  readonly size: number | null;
  readonly isCoded: boolean;
  readonly fields: readonly (readonly [name: string, value: string, isSecret: boolean])[];
}

const text = (max: number): fc.Arbitrary<string> =>
  fc.string({ unit: fc.nat(255).map((code) => String.fromCharCode(code)), maxLength: max });
const name = fc.oneof(
  fc.constantFrom(
    "content-type",
    "set-cookie",
    "etag",
    "vary",
    "server",
    "x-request-id",
    "x-own",
    "cookie",
  ),
  fc.stringMatching(/^x-[a-z0-9-]{1,40}$/),
);
const value = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.constantFrom("", "a", "text/html; charset=utf-8", "gzip, deflate", "no-store"),
  },
  { weight: 3, arbitrary: text(60) },
  { weight: 1, arbitrary: text(1500) },
);
const step: fc.Arbitrary<Step> = fc.record({
  size: fc.option(fc.constantFrom(0, 33, 64, 200, 1000, 4096), { freq: 12 }),
  isCoded: fc.boolean(),
  fields: fc.array(fc.tuple(name, value, fc.boolean()), { maxLength: 12 }),
});

function hex(latin1: string): string {
  return Buffer.from(latin1, "latin1").toString("hex");
}

function ask(lines: readonly string[]): string[] {
  const input = `${lines.join("\n")}\n`;
  const { stdout, stderr, status } = spawnSync(requirePython(), ["-c", PEER], {
    input,
    encoding: "latin1",
    timeout: 60_000,
    maxBuffer: 64 << 20,
  });
  assert.equal(status, 0, stderr);
  return stdout.slice(0, -1).split("\n");
}

function headOf({ fields }: Step): ResponseHead {
  return {
    ...responseHead(200, "", []),
    names: fields.map((field) => field[0]),
    values: fields.map((field) => field[1]),
    hasServer: true,
    hasDate: true,
  };
}

test("the package hpack decodes what we encode", (t) => {
  const seed = Date.now();
  t.diagnostic(`seed ${seed}`);
  const steps = fc.sample(step, { numRuns: BLOCKS, seed });
  // Few heads, so that most are sent several times.
  const heads = steps.slice(0, 12).map(headOf);
  const encoder = new HpackEncoder();
  const output = new HpackOutput();
  const lines: string[] = [];
  const expected: string[] = [];
  for (const [index, { size, fields }] of steps.entries()) {
    if (size !== null) {
      encoder.setMaxTableBytes(size);
      lines.push(`size ${size}`);
    }
    output.clear();
    const isHead = index % 3 > 0;
    const head = heads[(index * 5 + fields.length) % 7];
    assert(head !== undefined);
    if (isHead) encoder.encodeHead(head, `id-${index % 2}`, index, output);
    else {
      const names = fields.map((field) => field[0]);
      encoder.encodeTrailers({ names, values: fields.map((field) => field[1]) }, output);
    }
    lines.push(`decode ${output.bytes.toString("hex", 0, output.length)}`);
    const pairs = isHead
      ? [
          [":status", "200"],
          ...head.names.map((each, i) => [each, head.values[i] ?? ""]),
          ["content-length", `${index}`],
          ["x-request-id", `id-${index % 2}`],
        ]
      : fields;
    expected.push(pairs.map(([each = "", one = ""]) => `${hex(each)}:${hex(one)}`).join(" "));
  }
  assert.deepEqual(ask(lines), expected, `seed ${seed}`);
});

test("we decode what the package hpack encodes", (t) => {
  const seed = Date.now();
  t.diagnostic(`seed ${seed}`);
  const steps = fc.sample(step, { numRuns: BLOCKS, seed });
  const lines = steps.flatMap(({ size, isCoded, fields }) => [
    ...(size === null ? [] : [`size ${size}`]),
    `encode ${isCoded ? "True" : "False"} ${fields
      .map(([each, one, isSecret]) => `${hex(each)}:${hex(one)}${isSecret ? "!" : ""}`)
      .join(" ")}`,
  ]);
  const blocks = ask(lines);
  const decoder = new HpackDecoder();
  const list = new FieldList(1_000_000, 100);
  for (const [index, { size, fields }] of steps.entries()) {
    if (size !== null) decoder.setMaxTableBytes(size);
    const block = Buffer.from(blocks[index] ?? "", "hex");
    decoder.decode(block, 0, block.length, list);
    assert.deepEqual(
      list.fields.map((field) => [field.name, field.value]),
      fields.map((field) => [field[0], field[1]]),
      `seed ${seed}, block ${index}`,
    );
  }
});
