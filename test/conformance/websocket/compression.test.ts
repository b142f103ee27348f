// Compression (RFC 7692) with a client of another make: sections 12 and 13 of the Autobahn list, with
// fewer messages of the long rows, and with fewer rows where TEST_LONG=1 is not set. The client refuses what a server may not agree to.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { before, describe, it } from "node:test";
import { promisify } from "node:util";

import { FILE } from "../../support/file-scope.ts";
import { readRecord } from "../../support/json.ts";
import { IS_LONG } from "../../support/long.ts";
import { requirePython } from "../../support/scratch.ts";
import { startTyphon } from "../../support/typhon.ts";

const CLIENT = new URL("compression.py", import.meta.url).pathname;
const PATIENCE_MS = 120_000;

/** Bytes of a message, how many of them, bytes of a frame (0: one frame). */
type Row = readonly [size: number, count: number, frame: number];

const KIB = 1024;
const SHORT: readonly Row[] = [16, 64, 256, KIB, 4 * KIB].map((size) => [
  size,
  IS_LONG ? 20 : 5,
  0,
]);
const LONG: readonly Row[] = [8, 16, 32, 64, 128].map((kib) => [kib * KIB, IS_LONG ? 2 : 1, 0]);
const ALL_CUT: readonly Row[] = [
  [8 * KIB, 3, 256],
  [16 * KIB, 2, 256],
  [32 * KIB, 2, 256],
  [64 * KIB, 1, 256],
  [128 * KIB, 1, 256],
  [128 * KIB, 1, KIB],
  [128 * KIB, 1, 4 * KIB],
  [128 * KIB, 1, 32 * KIB],
];
const CUT = IS_LONG ? ALL_CUT : ALL_CUT.filter(([size]) => size !== 16 * KIB && size !== 64 * KIB);
const ROWS = [...SHORT, ...LONG, ...CUT];
const THOUSAND: readonly Row[] = [
  [16, IS_LONG ? 1000 : 200, 0],
  [KIB, IS_LONG ? 300 : 60, 256],
];

interface Offer {
  readonly server_no_context_takeover?: boolean;
  readonly client_no_context_takeover?: boolean;
  readonly server_max_window_bits?: number;
  /** true: any. */
  readonly client_max_window_bits?: number | true;
}

interface Case {
  readonly name: string;
  readonly offers: readonly Offer[];
  readonly stock: "json" | "picture" | "prose" | "noise" | "html";
  readonly text: boolean;
  readonly rows: readonly Row[];
  /** Parameters in the answer, those aside that all have. */
  readonly agreed: string;
}

const ANY: Offer = { client_max_window_bits: true };
const common = { offers: [ANY], text: false, agreed: "server_max_window_bits=12" } as const;

const KINDS: readonly Case[] = [
  { ...common, name: "prose", stock: "prose", rows: ROWS },
  { ...common, name: "a picture", stock: "picture", rows: ROWS },
  { ...common, name: "bytes that cannot be compressed", stock: "noise", rows: ROWS },
  { ...common, name: "JSON, as text", stock: "json", text: true, rows: ROWS },
  { ...common, name: "HTML, as text", stock: "html", text: true, rows: ROWS },
  { ...common, name: "many small ones", stock: "json", text: true, rows: THOUSAND },
];

const given = {
  stock: "json",
  text: true,
  rows: [...SHORT.slice(2), ...LONG, ...CUT.slice(2)],
} as const;
const OFFERS: readonly Case[] = [
  { ...given, name: "nothing", offers: [{}], agreed: "server_max_window_bits=12" },
  {
    ...given,
    name: "a server without context",
    offers: [{ server_no_context_takeover: true }],
    agreed: "server_max_window_bits=12",
  },
  {
    ...given,
    name: "a server window of 9",
    offers: [{ server_max_window_bits: 9 }],
    agreed: "server_max_window_bits=9",
  },
  {
    ...given,
    name: "a server window of 8, the smallest",
    offers: [{ server_max_window_bits: 8 }],
    agreed: "server_max_window_bits=8",
  },
  {
    ...given,
    name: "a server window of 15, which is more than ours",
    offers: [{ server_max_window_bits: 15 }],
    agreed: "server_max_window_bits=12",
  },
  {
    ...given,
    name: "both, with 9",
    offers: [{ server_no_context_takeover: true, server_max_window_bits: 9 }],
    agreed: "server_max_window_bits=9",
  },
  {
    ...given,
    name: "both, with 15",
    offers: [{ server_no_context_takeover: true, server_max_window_bits: 15 }],
    agreed: "server_max_window_bits=12",
  },
  {
    ...given,
    name: "a client without context and with a window of 9",
    offers: [{ client_no_context_takeover: true, client_max_window_bits: 9 }],
    agreed: "client_max_window_bits=9; server_max_window_bits=12",
  },
  {
    ...given,
    name: "everything",
    offers: [
      {
        server_no_context_takeover: true,
        client_no_context_takeover: true,
        server_max_window_bits: 10,
        client_max_window_bits: 11,
      },
    ],
    agreed: "client_max_window_bits=11; server_max_window_bits=10",
  },
  {
    ...given,
    name: "three after another: the first",
    offers: [
      { server_no_context_takeover: true, server_max_window_bits: 9 },
      { server_no_context_takeover: true },
      {},
    ],
    agreed: "server_max_window_bits=9",
  },
];

let results: readonly Readonly<Record<string, unknown>>[] = [];
before(async () => {
  const typhon = await startTyphon(FILE, ["asgi_raw:app", "--workers", "2"]);
  // One client for all: it takes longer to start than to do its work.
  const url = `${typhon.url.replace("http", "ws")}/echo`;
  const cases = JSON.stringify([...KINDS, ...OFFERS]);
  const { stdout } = await promisify(execFile)(requirePython(), [CLIENT, url, cases], {
    timeout: PATIENCE_MS,
  });
  results = stdout
    .trim()
    .split("\n")
    .map((line) => readRecord(line));
});

function cameBack(index: number, one: Case): void {
  const result = results[index];
  assert.equal(result?.["failed"], undefined);
  const parameters = String(result?.["agreed"]).split("; ").slice(1).sort();
  const ours = ["client_no_context_takeover", "server_no_context_takeover"];
  assert.deepEqual(parameters, [...ours, ...one.agreed.split("; ")].sort());
}

describe("12: compressed messages come back", () => {
  for (const [index, one] of KINDS.entries()) it(one.name, () => cameBack(index, one));
});

describe("13: with an offer of", () => {
  for (const [index, one] of OFFERS.entries())
    it(one.name, () => cameBack(KINDS.length + index, one));
});
