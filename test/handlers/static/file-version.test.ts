// Heads and validators of one state of a file.

import assert from "node:assert/strict";
import { statSync, utimesSync, writeFileSync, type Stats } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";

import { fileVersion, type FileVersion } from "../../../src/handlers/static/file-version.ts";
import { makeScratch, type Scope } from "../../support/scratch.ts";

const PLAIN = { names: ["a.txt"], typeName: "a.txt", coding: "identity", varies: false } as const;

function statOf(scope: Scope, seconds: number): Stats {
  const path = join(makeScratch(scope), "a.txt");
  writeFileSync(path, "12345");
  utimesSync(path, seconds, seconds);
  return statSync(path);
}

function field({ head }: FileVersion, wanted: string): string | undefined {
  return head.values[head.names.findIndex((name) => name.toLowerCase() === wanted)];
}

test("the entity tag is nginx's once the second of the change is over, and finer before", (t) => {
  const stats = statOf(t, 1_700_000_000.25);
  const later = Date.now() + 10_000;
  assert.equal(fileVersion(PLAIN, stats, later).etag, '"6553f100-5"');
  assert.equal(fileVersion({ ...PLAIN, coding: "br" }, stats, later).etag, '"6553f100-5-br"');
  assert.equal(fileVersion(PLAIN, stats, 1_700_000_000_500).etag, '"6553f100-5-3d090"');
  assert(fileVersion(PLAIN, stats, later).isSettled);
  // The time of the last change of any kind is now.
  assert(!fileVersion(PLAIN, stats, stats.ctimeMs).isSettled);
});

test("Last-Modified is never in the future", (t) => {
  const version = fileVersion(PLAIN, statOf(t, 4_000_000_000), 1_700_000_000_000);
  assert.equal(field(version, "last-modified"), "Tue, 14 Nov 2023 22:13:20 GMT");
  assert.equal(version.lastModified, 1_700_000_000);
});

test("a coded file has the type of the plain one, its coding, and Vary, also in a 304", (t) => {
  const facts = { names: ["a.html.br"], typeName: "a.html", coding: "br", varies: true } as const;
  const version = fileVersion(facts, statOf(t, 1_700_000_000), Date.now());
  assert.equal(field(version, "content-type"), "text/html; charset=utf-8");
  assert.equal(field(version, "content-encoding"), "br");
  assert.equal(field(version, "vary"), "Accept-Encoding");
  assert.equal(field(version, "x-content-type-options"), "nosniff");
  assert(version.notModified.names.includes("Vary"));
});
