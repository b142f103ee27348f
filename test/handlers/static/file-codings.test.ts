// The coded forms of a file in memory: made when asked for, once, one at a time, and counted.

import assert from "node:assert/strict";
import { test } from "node:test";

import { CacheMemory, FileCache, KnownFile } from "../../../src/handlers/static/file-cache.ts";
import { FileCodings } from "../../../src/handlers/static/file-codings.ts";
import { fileVersion } from "../../../src/handlers/static/file-version.ts";
import { statSync } from "node:fs";

const BODY = Buffer.from("body");
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

test("a form is made when it is first asked for, and once", async () => {
  const asked: string[] = [];
  let grown = 0;
  const codings = new FileCodings(
    BODY,
    () => (grown += 1),
    (coding, body) => {
      asked.push(coding);
      return Promise.resolve(Buffer.from(`${coding} of ${body.toString()}`));
    },
  );
  assert.equal(codings.get("br"), null);
  // Another form waits until it is asked for again.
  assert.equal(codings.get("gzip"), null);
  await turn();
  assert.equal(String(codings.get("br")), "br of body");
  assert.deepEqual([asked, grown, codings.bytes], [["br"], 1, 10]);
  assert.equal(codings.get("gzip"), null);
  await turn();
  assert.equal(String(codings.get("gzip")), "gzip of body");
  assert.deepEqual([asked, grown, codings.bytes], [["br", "gzip"], 2, 22]);
});

test("a form that could not be made is asked for again", async () => {
  let count = 0;
  const encode = (): Promise<Buffer | null> => {
    count += 1;
    return Promise.resolve(count === 1 ? null : BODY);
  };
  const codings = new FileCodings(BODY, () => undefined, encode);
  assert.equal(codings.get("zstd"), null);
  await turn();
  assert.equal(codings.get("zstd"), null);
  await turn();
  assert.equal(codings.get("zstd"), BODY);
});

test("forms count as memory of the cache", async () => {
  const memory = new CacheMemory();
  const cache = new FileCache(memory);
  const facts = { names: ["a.css"], typeName: "a.css", coding: "identity", varies: false } as const;
  const version = fileVersion(facts, statSync(import.meta.filename), Date.now());
  assert.equal(version.isCodable, true);
  const file = new KnownFile(version, []);
  cache.set("/a.css", file);
  const before = memory.usedBytes;
  const form = Buffer.alloc(1000);
  version.codings = new FileCodings(
    BODY,
    () => cache.grow(file),
    () => Promise.resolve(form),
  );
  version.codings.get("br");
  await turn();
  assert.equal(memory.usedBytes, before + 1000);
});
