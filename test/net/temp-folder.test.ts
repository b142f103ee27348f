// Temporary files: where they are, what is left of them, and the limits over all of them. Real files.

import assert from "node:assert/strict";
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { test } from "node:test";

import { MAX_TEMP_FILES, SLOW_BYTES_PER_SECOND, type TempFile } from "../../src/net/temp-folder.ts";
import { makeScratch } from "../support/scratch.ts";
import { makeOpenFiles, makeTempFolder, Use } from "../support/temp-files.ts";

const FULL = { code: "TEMP_FULL" };

test("nothing is made before the first file, and nothing is left after remove()", async (context) => {
  const parent = makeScratch(context);
  const folder = makeTempFolder(parent);
  await folder.remove();
  assert.deepEqual(readdirSync(parent), []);
  const file = await folder.create(new Use());
  assert.equal(statSync(file.path).mode & 0o777, 0o600);
  assert.equal(statSync(dirname(file.path)).mode & 0o777, 0o700);
  await file.seal();
  await folder.remove();
  assert.deepEqual(readdirSync(parent), []);
});

test("each file is new, and discard() takes one that is gone already, or is a folder by now", async (context) => {
  const folder = makeTempFolder(makeScratch(context));
  const first = await folder.create(new Use());
  const second = await folder.create(new Use());
  const third = await folder.create(new Use());
  const paths = [first.path, second.path, third.path];
  assert.equal(new Set(paths).size, 3);
  rmSync(second.path);
  rmSync(third.path);
  mkdirSync(third.path);
  for (const file of [first, second, third]) await file.discard();
  assert.deepEqual(paths.map(existsSync), [false, false, true]);
  await first.discard();
  await folder.remove();
});

test("an unlinked file has no name and can be written and read", async (context) => {
  const parent = makeScratch(context);
  const folder = makeTempFolder(parent);
  const file = await folder.create(new Use("response"));
  await file.unlink();
  await file.write([Buffer.from("by"), Buffer.from("tes")]);
  assert.equal(String(await file.read(5, 0)), "bytes");
  assert.deepEqual(readdirSync(join(parent, readdirSync(parent)[0] ?? "")), []);
  await file.discard();
  await folder.remove();
});

test("a folder that a cleaner has removed is replaced by another one", async (context) => {
  const folder = makeTempFolder(makeScratch(context));
  const first = await folder.create(new Use());
  const path = dirname(first.path);
  rmSync(path, { recursive: true });
  const others = await Promise.all([folder.create(new Use()), folder.create(new Use())]);
  for (const other of others) assert.notEqual(dirname(other.path), path);
  assert.equal(dirname(others[0].path), dirname(others[1].path));
  for (const file of [first, ...others]) await file.discard();
  await folder.remove();
});

test("what another user puts in the place of a removed folder is neither used nor removed", async (context) => {
  const parent = makeScratch(context);
  const folder = makeTempFolder(parent);
  const first = await folder.create(new Use());
  const path = dirname(first.path);
  await first.discard();
  const elsewhere = makeScratch(context);
  writeFileSync(join(elsewhere, "2"), "theirs");
  for (const replace of [
    (): unknown => mkdirSync(path, { mode: 0o755 }),
    (): void => symlinkSync(elsewhere, path),
    (): void => writeFileSync(path, ""),
  ]) {
    rmSync(path, { recursive: true });
    replace();
    const file = await folder.create(new Use());
    const made = dirname(file.path);
    assert.notEqual(made, path);
    await file.discard();
    rmSync(made, { recursive: true });
  }
  await folder.remove();
  assert.deepEqual(readdirSync(elsewhere), ["2"]);
  assert.ok(existsSync(path));
});

test("a link in the folder's place leads discard() to no file of others, because names cannot be guessed", async (context) => {
  const folder = makeTempFolder(makeScratch(context));
  const file = await folder.create(new Use());
  const path = dirname(file.path);
  const elsewhere = makeScratch(context);
  for (const name of ["0", "1", "2"]) writeFileSync(join(elsewhere, name), "theirs");
  rmSync(path, { recursive: true });
  symlinkSync(elsewhere, path);
  await file.discard();
  assert.deepEqual(readdirSync(elsewhere), ["0", "1", "2"]);
  assert.match(file.path, /^$/);
});

test("a parent that is gone is replaced by the system's folder", async (context) => {
  const folder = makeTempFolder(join(makeScratch(context), "missing"));
  const file = await folder.create(new Use());
  const made = dirname(file.path);
  assert.equal(dirname(made), tmpdir());
  await file.discard();
  await folder.remove();
  assert.ok(!existsSync(made));
});

test("a parent that takes no folder rejects with the system's error, is tried again, and counts nothing", async () => {
  const openFiles = makeOpenFiles(200);
  const folder = makeTempFolder("/proc/self/status", Infinity, openFiles);
  for (let count = 0; count < 500; count += 1)
    await assert.rejects(folder.create(new Use()), { code: "ENOTDIR" });
  await folder.remove();
});

test("all files together have a limit of bytes, responses have half of it", async (context) => {
  const folder = makeTempFolder(makeScratch(context), 1000);
  const response = await folder.create(new Use("response"));
  assert.ok(response.reserve(500));
  assert.ok(!response.reserve(1));
  const request = await folder.create(new Use());
  assert.ok(request.reserve(500));
  assert.ok(!request.reserve(1));
  await response.truncate();
  assert.ok(request.reserve(500));
  assert.ok(!response.reserve(1));
  await request.discard();
  assert.ok(response.reserve(500));
  await response.discard();
  await folder.remove();
});

test("all files together have a limit of descriptors, which a sealed file does not hold", async (context) => {
  const openFiles = makeOpenFiles(40);
  const folder = makeTempFolder(makeScratch(context), Infinity, openFiles);
  const files: TempFile[] = [];
  await assert.rejects(async () => {
    for (;;) files.push(await folder.create(new Use()));
  }, FULL);
  assert.equal(files.length, Math.floor(openFiles.usable / 2));
  assert.equal(folder.hasRoom(new Use("response")), false);
  for (const file of files) await file.discard();
  for (const file of files) await file.discard();
  assert.ok(folder.hasRoom(new Use("response")));
  await folder.remove();
});

test("without room a body takes the place of the slowest slow one, and a response of none", async (context) => {
  const folder = makeTempFolder(makeScratch(context), 1000);
  const uses = [2000, 500, 1000, 20_000].map((pace) => new Use("request", pace));
  const files = [];
  for (const use of uses) {
    const file = await folder.create(use);
    assert.ok(file.reserve(250));
    files.push(file);
  }
  const response = await folder.create(new Use("response"));
  assert.ok(!response.reserve(1));
  const another = await folder.create(new Use("request", 100));
  assert.ok(another.reserve(300));
  assert.deepEqual(
    uses.map(({ isGivenUp }) => isGivenUp),
    [false, true, true, false],
  );
  assert.ok(another.reserve(400));
  assert.ok(!another.reserve(300), "the others are fast enough");
  for (const file of [...files, response, another]) await file.discard();
  const last = await folder.create(new Use());
  assert.ok(last.reserve(1000), "everything was given back once");
  assert.ok(!last.reserve(1));
  assert.equal(readFileSync(last.path).length, 0);
  await last.discard();
  await folder.remove();
});

test("docs/limits.md says the limits as they are", () => {
  const page = readFileSync(new URL("../../docs/limits.md", import.meta.url), "utf8");
  for (const [name, value] of Object.entries({ MAX_TEMP_FILES, SLOW_BYTES_PER_SECOND }))
    assert.match(page, new RegExp(`\\\`${name}\\\`.*\\b${value}\\b`), name);
});
