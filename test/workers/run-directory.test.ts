// The directories of a start, and the files that all workers share.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import {
  closeSync,
  constants,
  existsSync,
  openSync,
  readdirSync,
  readFileSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { it } from "node:test";

import { openFiles, RunDirectory, SharedFiles } from "../../src/workers/run-directory.ts";
import { makeScratch } from "../support/scratch.ts";

it("is made for this user alone, and goes with all that is in it", (t) => {
  const directory = new RunDirectory([makeScratch(t)], 0);
  assert.equal(statSync(directory.path).mode & 0o777, 0o700);
  const notes = directory.file("notes");
  assert.equal(notes, join(directory.path, "notes"));
  writeFileSync(notes, "x");
  directory.remove();
  assert(!existsSync(directory.path));
  directory.remove();
});

it("leaves what another user has made in its place", (t) => {
  const directory = new RunDirectory([makeScratch(t)], 0);
  const { geteuid } = process;
  t.after(() => Object.assign(process, { geteuid }));
  process.geteuid = () => -1;
  directory.remove();
  assert(existsSync(directory.path));
});

it("is made in the first folder that takes it; if none does, the error says why", (t) => {
  const scratch = makeScratch(t);
  const missing = join(scratch, "missing");
  const directory = new RunDirectory([missing, scratch], 0);
  assert.equal(dirname(directory.path), scratch);
  assert.throws(
    () => new RunDirectory([missing, "/proc"], 0),
    /no private directory can be made: ENOENT.*missing'; ENOENT.*\/proc\/typhon-/,
  );
});

it("is made in no folder without room for its files", (t) => {
  const scratch = makeScratch(t);
  assert.throws(
    () => new RunDirectory([scratch], 1e18),
    /no private directory can be made: .* has no room for 1000000000000000000 bytes/,
  );
  assert.deepEqual(readdirSync(scratch), []);
});

it("opens files all or none", (t) => {
  const directory = new RunDirectory([makeScratch(t)], 0);
  writeFileSync(directory.file("one"), "1");
  const before = readdirSync("/proc/self/fd").length;
  const files = [
    ["one", constants.O_RDONLY],
    ["two", constants.O_RDONLY],
  ] as const;
  assert.throws(() => openFiles(directory, files), { code: "ENOENT" });
  assert.equal(readdirSync("/proc/self/fd").length, before);
});

it("holds the shared files until they are open; a cancelled id lies in its slot", (t) => {
  const directory = new RunDirectory([makeScratch(t)], 0);
  execFileSync("mkfifo", [directory.file("queue"), directory.file("lifeline")]);
  writeFileSync(directory.file("cancels"), Buffer.alloc(65_536));
  const lifeline = openSync(directory.file("lifeline"), constants.O_RDONLY | constants.O_NONBLOCK);
  t.after(() => closeSync(lifeline));
  const shared = new SharedFiles(directory);
  directory.remove();
  shared.cancel(8192 + 5);
  const cancels = readFileSync(`/proc/self/fd/${shared.cancels}`);
  assert.equal(cancels.readBigUInt64LE(5 * 8), 8197n);
  assert.equal(cancels.filter((byte) => byte !== 0).length, 2);
  shared.close();
});
