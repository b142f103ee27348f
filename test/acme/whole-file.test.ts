// Files that are there whole or not at all, and what is refused when they are read.

import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import {
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { test } from "node:test";

import { createWhole, readWhole, removeUnfinished, writeWhole } from "../../src/acme/whole-file.ts";
import { until } from "../support/deadline.ts";
import { CHECKOUT, makeScratch } from "../support/scratch.ts";

test("a file is replaced whole, is readable by its user alone, and nothing else stays", async (t) => {
  const folder = makeScratch(t);
  const path = join(folder, "a");
  assert.equal(await readWhole(path), null);
  await writeWhole(path, "one");
  await writeWhole(path, "two");
  assert.equal(await readWhole(path), "two");
  assert.equal(statSync(path).mode & 0o777, 0o600);
  assert.deepEqual(readdirSync(folder), ["a"]);
});

test("of several that create a file, one does, and its text is what all see", async (t) => {
  const folder = makeScratch(t);
  const path = join(folder, "a");
  const made = await Promise.all(
    Array.from({ length: 16 }, async (_, at) => ({ at, isOurs: await createWhole(path, `${at}`) })),
  );
  const [winner, ...others] = made.filter(({ isOurs }) => isOurs);
  assert.deepEqual(others, []);
  assert.equal(await readWhole(path), String(winner?.at));
  assert.deepEqual(readdirSync(folder), ["a"]);
});

test("a write that fails leaves the file as it was, and nothing behind", async (t) => {
  const folder = makeScratch(t);
  mkdirSync(join(folder, "a/b"), { recursive: true });
  await assert.rejects(writeWhole(join(folder, "a"), "text"), /EISDIR|ENOTEMPTY|EEXIST/);
  await assert.rejects(writeWhole(join(folder, "none/a"), "text"), /ENOENT/);
  assert.deepEqual(readdirSync(folder), ["a"]);
});

test("a process that is killed while it writes leaves the old text or the new one", async (t) => {
  const folder = makeScratch(t);
  const path = join(folder, "a");
  await writeWhole(path, "0".repeat(200_000));
  const module = join(CHECKOUT, "src/acme/whole-file.ts");
  const code = `import { writeWhole } from ${JSON.stringify(module)};
    for (let n = 1; ; n += 1) { await writeWhole(${JSON.stringify(path)}, String(n % 10).repeat(200_000)); console.log(n); }`;
  for (let round = 0; round < 5; round += 1) {
    const child = spawn(process.execPath, ["--input-type=module-typescript", "-e", code]);
    await once(child.stdout, "data");
    child.kill("SIGKILL");
    await once(child, "exit");
    assert.match(readFileSync(path, "utf8"), /^(\d)\1{199999}$/);
  }
  // What the killed ones left is removed when it is old.
  const left = readdirSync(folder).filter((name) => name !== "a");
  await removeUnfinished(folder, Date.now());
  assert.deepEqual(
    readdirSync(folder)
      .filter((name) => name !== "a")
      .sort(),
    left.sort(),
  );
  writeFileSync(join(folder, ".00ff.unfinished"), "");
  utimesSync(join(folder, ".00ff.unfinished"), 1, 1);
  await removeUnfinished(folder, Date.now());
  await until("the old one is gone", () => !readdirSync(folder).includes(".00ff.unfinished"));
  await removeUnfinished(folder, Date.now() + 7_200_000);
  assert.deepEqual(readdirSync(folder), ["a"]);
});

test("links, folders, FIFOs and large files are not read", async (t) => {
  const folder = makeScratch(t);
  writeFileSync(join(folder, "large"), Buffer.alloc(300_000));
  symlinkSync("large", join(folder, "link"));
  mkdirSync(join(folder, "folder"));
  execFileSync("mkfifo", [join(folder, "fifo")]);
  await assert.rejects(readWhole(join(folder, "large")), /larger than/);
  await assert.rejects(readWhole(join(folder, "link")), /ELOOP/);
  await assert.rejects(readWhole(join(folder, "folder")), /regular/);
  await assert.rejects(readWhole(join(folder, "fifo")), /regular/);
});
