// Temporary files: where they are, and what is left of them. Real files.

import assert from "node:assert/strict";
import { existsSync, readdirSync, rmSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { test } from "node:test";

import { TempFolder } from "../../src/net/temp-folder.ts";
import { makeScratch } from "../support/scratch.ts";

test("nothing is made before the first file, and nothing is left after remove()", async (context) => {
  const parent = makeScratch(context);
  const folder = new TempFolder(parent);
  await folder.remove();
  assert.deepEqual(readdirSync(parent), []);
  const { path, handle } = await folder.create();
  assert.equal(statSync(path).mode & 0o777, 0o600);
  assert.equal(statSync(dirname(path)).mode & 0o777, 0o700);
  await handle.close();
  await folder.remove();
  assert.deepEqual(readdirSync(parent), []);
});

test("each file is new, and discard() takes one that is gone already", async (context) => {
  const folder = new TempFolder(makeScratch(context));
  const [first, second] = [await folder.create(), await folder.create()];
  assert.notEqual(first.path, second.path);
  rmSync(second.path);
  await folder.discard(first);
  await folder.discard(second);
  assert.ok(!existsSync(first.path));
  await folder.remove();
});

test("an unlinked file has no name and can be written and read", async (context) => {
  const parent = makeScratch(context);
  const folder = new TempFolder(parent);
  const handle = await folder.createUnlinked();
  await handle.write("bytes");
  assert.equal((await handle.read(Buffer.alloc(5), 0, 5, 0)).buffer.toString(), "bytes");
  assert.deepEqual(readdirSync(join(parent, readdirSync(parent)[0] ?? "")), []);
  await handle.close();
  await folder.remove();
});

test("a folder that a cleaner has removed is made again", async (context) => {
  const folder = new TempFolder(makeScratch(context));
  const first = await folder.create();
  rmSync(dirname(first.path), { recursive: true });
  const second = await folder.create();
  assert.ok(existsSync(second.path));
  await folder.discard(first);
  await folder.discard(second);
  await folder.remove();
});

test("a parent that is missing rejects with ENOENT, and is tried again for the next file", async (context) => {
  const folder = new TempFolder(join(makeScratch(context), "missing"));
  await assert.rejects(folder.create(), { code: "ENOENT" });
  await assert.rejects(folder.create(), { code: "ENOENT" });
});
