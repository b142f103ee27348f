// The memory of known files: what is forgotten first, and that all routes together have one limit.

import assert from "node:assert/strict";
import { statSync } from "node:fs";
import { test } from "node:test";

import {
  CacheMemory,
  FileCache,
  KnownFile,
  MAX_CACHED_FILE_BYTES,
} from "../../../src/handlers/static/file-cache.ts";
import { fileVersion } from "../../../src/handlers/static/file-version.ts";

const STATS = statSync(import.meta.filename);

function known(bytes: number): KnownFile {
  const facts = { names: ["a"], typeName: "a", coding: "identity", varies: false } as const;
  const file = new KnownFile(fileVersion(facts, STATS, Date.now()), []);
  file.plain.body = Buffer.alloc(bytes);
  return file;
}

test("all caches together stay below the limit, and the file unused for longest goes first", () => {
  const memory = new CacheMemory(1_000_000);
  const [one, other] = [new FileCache(memory), new FileCache(memory)];
  for (let index = 0; index < 50; index += 1) {
    const file = known(90_000);
    (index % 2 === 0 ? one : other).set(`/${index}`, file);
    assert(memory.usedBytes <= 1_000_000);
    // One file is asked for again and again.
    const hot = one.get("/0");
    assert(hot !== undefined, `hot file forgotten at ${index}`);
    hot.isUsed = true;
  }
  assert(other.get("/49") !== undefined);
  assert.equal(one.get("/2"), undefined);
});

test("bytes that come later count, and a file that is replaced or deleted gives its bytes back", () => {
  const memory = new CacheMemory(10 * MAX_CACHED_FILE_BYTES);
  const cache = new FileCache(memory);
  const file = known(0);
  cache.set("/a", file);
  const empty = memory.usedBytes;
  assert(empty > 0, "an entry costs something without bytes too");
  file.plain.body = Buffer.alloc(5000);
  cache.grow(file);
  assert.equal(memory.usedBytes, empty + 5000);
  cache.set("/a", known(100));
  assert.equal(memory.usedBytes, empty + 100);
  // What is no longer in the cache does not count.
  cache.grow(file);
  assert.equal(memory.usedBytes, empty + 100);
  cache.delete("/a");
  cache.delete("/a");
  assert.equal(memory.usedBytes, 0);
});

test("what is known holds for a second from the moment when the file system was asked", () => {
  const file = known(1);
  file.confirm(5000, 1000);
  assert.equal(file.validUntil, 6000);
  assert(file.refreshAt < file.validUntil);
});
