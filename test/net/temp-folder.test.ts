// Temporary files: where they are, and what is left of them. Real files.

import assert from "node:assert/strict";
import {
  existsSync,
  mkdirSync,
  readdirSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
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

test("a folder that a cleaner has removed is replaced by another one", async (context) => {
  const folder = new TempFolder(makeScratch(context));
  const first = await folder.create();
  const path = dirname(first.path);
  rmSync(path, { recursive: true });
  const others = await Promise.all([folder.create(), folder.create()]);
  for (const other of others) assert.notEqual(dirname(other.path), path);
  assert.equal(dirname(others[0].path), dirname(others[1].path));
  for (const file of [first, ...others]) await folder.discard(file);
  await folder.remove();
});

test("what another user puts in the place of a removed folder is neither used nor removed", async (context) => {
  const parent = makeScratch(context);
  const folder = new TempFolder(parent);
  const first = await folder.create();
  await folder.discard(first);
  const path = dirname(first.path);
  const elsewhere = makeScratch(context);
  writeFileSync(join(elsewhere, "2"), "theirs");
  for (const replace of [
    (): unknown => mkdirSync(path, { mode: 0o755 }),
    (): void => symlinkSync(elsewhere, path),
    (): void => writeFileSync(path, ""),
  ]) {
    rmSync(path, { recursive: true });
    replace();
    const file = await folder.create();
    assert.notEqual(dirname(file.path), path);
    await folder.discard(file);
    rmSync(dirname(file.path), { recursive: true });
  }
  await folder.remove();
  assert.deepEqual(readdirSync(elsewhere), ["2"]);
  assert.ok(existsSync(path));
});

test("a parent that is gone is replaced by the system's folder", async (context) => {
  const folder = new TempFolder(join(makeScratch(context), "missing"));
  const file = await folder.create();
  assert.equal(dirname(dirname(file.path)), tmpdir());
  await folder.discard(file);
  await folder.remove();
  assert.ok(!existsSync(dirname(file.path)));
});

test("a parent that takes no folder rejects with the system's error, and is tried again", async () => {
  const folder = new TempFolder("/proc/self/status");
  await assert.rejects(folder.create(), { code: "ENOTDIR" });
  await assert.rejects(folder.create(), { code: "ENOTDIR" });
  await folder.remove();
});
