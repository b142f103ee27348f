// Field names: what is a token, what each name means, and that no flood of names pushes out the known.

import assert from "node:assert/strict";
import { test } from "node:test";

import {
  CONTENT_LENGTH,
  fieldName,
  FORWARDED,
  HOP_BY_HOP,
  HOST,
  MISTAKABLE,
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

test("a name with _ is none with -, and is marked, as Proxy is", () => {
  for (const raw of ["Content_Length", "X_A", "Transfer-_Encoding", "_", "Proxy", "pRoXy"]) {
    const name = fieldName(raw);
    assert.equal(name?.lower, raw.toLowerCase());
    assert.equal(name?.kind, MISTAKABLE, raw);
  }
  for (const raw of ["Content-Length", "X-A", "Proxy-Authorization", "X.A"])
    assert.equal((fieldName(raw)?.kind ?? 0) & MISTAKABLE, 0, raw);
});

test("knows the fields in which proxies say where a request came from", () => {
  // X-Forwarded-…: those of Werkzeug, Django, Litestar, waitress, Pyramid, gunicorn, Envoy, oauth2-proxy, and
  // any other. The rest: django-ipware, blacksheep, CDNs, old recipes of Flask and nginx.
  const words =
    "For Proto Host Port Prefix Ssl Scheme Protocol Server By Uri Method User Client-Cert Anything";
  const names = [
    "X-Forwarded",
    ...words.split(" ").map((word) => `X-Forwarded-${word}`),
    ..."Forwarded X-Real-IP X-Client-IP True-Client-IP CF-Connecting-IP Client-IP".split(" "),
    ..."X-Cluster-Client-IP X-Scheme X-Url-Scheme X-Script-Name X-Original-Host".split(" "),
    ..."Front-End-Https X-Original-Forwarded-For Fastly-Client-IP Forwarded-For".split(" "),
  ];
  for (const raw of names) assert.equal(fieldName(raw)?.kind, FORWARDED, raw);
  for (const raw of ["X-Forward", "Via", "X-Real", "Forwarder", "X-A-Forwarded-For"])
    assert.equal(fieldName(raw)?.kind, 0, raw);
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
