// Field names: what is a token, what each name means, and that no flood of names pushes out the known.

import assert from "node:assert/strict";
import { test } from "node:test";

import {
  CONTENT_LENGTH,
  fieldName,
  FORWARDED,
  HOP_BY_HOP,
  HOST,
  NOT_IN_TRAILER,
} from "../../src/http/headers.ts";

test("gives one lower-case name for every spelling", () => {
  for (const raw of ["Content-Length", "content-length", "CONTENT-LENGTH", "cOnTeNt-LeNgTh"]) {
    const name = fieldName(raw);
    assert.equal(name?.lower, "content-length");
    assert.equal((name?.kind ?? 0) & CONTENT_LENGTH, CONTENT_LENGTH);
  }
});

test("takes every tchar and nothing else (RFC 9110 §5.6.2)", () => {
  assert.equal(fieldName("X!#$%&'*+-.^_`|~9")?.lower, "x!#$%&'*+-.^_`|~9");
  const bad = [
    "",
    " X",
    "X ",
    "X\t",
    "X y",
    "X(y)",
    '"X"',
    "X\x00",
    "X\x7f",
    "X\x80",
    "ïX",
    "X:",
    "X\r",
  ];
  for (const raw of bad) assert.equal(fieldName(raw), null, JSON.stringify(raw));
});

test("a name with _ is none with -", () => {
  const name = fieldName("X-Forwarded_For");
  assert.equal(name?.lower, "x-forwarded_for");
  assert.equal(name?.kind, 0);
  assert.equal((fieldName("X-Forwarded-For")?.kind ?? 0) & FORWARDED, FORWARDED);
});

test("each field that may stand once has a bit of its own", () => {
  const names = ["Host", "Content-Length", "Content-Type", "Authorization", "Range", "Origin"];
  const bits = names.map((raw) => fieldName(raw)?.once ?? 0);
  assert.ok(bits.every((bit) => bit !== 0));
  assert.equal(new Set(bits).size, bits.length);
  for (const raw of ["Cookie", "Accept", "X-Forwarded-For", "Connection", "Transfer-Encoding"])
    assert.equal(fieldName(raw)?.once, 0, raw);
});

test("knows the fields of one connection and those that no trailer may hold", () => {
  for (const raw of ["Connection", "Keep-Alive", "TE", "Transfer-Encoding", "Upgrade"])
    assert.notEqual((fieldName(raw)?.kind ?? 0) & HOP_BY_HOP, 0, raw);
  for (const raw of [
    "Host",
    "Content-Length",
    "Transfer-Encoding",
    "Authorization",
    "Cookie",
    "Trailer",
  ])
    assert.notEqual((fieldName(raw)?.kind ?? 0) & NOT_IN_TRAILER, 0, raw);
  assert.equal(fieldName("X-Checksum")?.kind, 0);
});

test("a flood of names changes nothing for the known ones", () => {
  for (let i = 0; i < 10_000; i += 1) assert.equal(fieldName(`X-${i}`)?.lower, `x-${i}`);
  assert.equal((fieldName("hOsT")?.kind ?? 0) & HOST, HOST);
  assert.equal(fieldName(`X-${"y".repeat(9000)}`)?.lower, `x-${"y".repeat(9000)}`);
});
