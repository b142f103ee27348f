// The private directory and the files that all workers share.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import {
  closeSync,
  constants,
  existsSync,
  openSync,
  readFileSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { it } from "node:test";

import { RunDirectory, SharedFiles } from "../../src/workers/run-directory.ts";
import { makeScratch } from "../support/scratch.ts";

it("is made for this user alone, names workers' files, and goes with all that is in it", (t) => {
  const directory = new RunDirectory(makeScratch(t));
  assert.equal(statSync(directory.path).mode & 0o777, 0o700);
  const notes = directory.workerFile(3, "notes");
  assert.equal(notes, join(directory.path, "w3.notes"));
  writeFileSync(notes, "x");
  directory.remove();
  assert(!existsSync(directory.path));
  directory.remove();
});

it("the shared files are opened and unlinked; a cancelled id lies in its slot", (t) => {
  const directory = new RunDirectory(makeScratch(t));
  const path = (name: string): string => join(directory.path, name);
  execFileSync("mkfifo", [path("queue"), path("lifeline")]);
  writeFileSync(path("cancels"), Buffer.alloc(65_536));
  const lifeline = openSync(path("lifeline"), constants.O_RDONLY | constants.O_NONBLOCK);
  t.after(() => closeSync(lifeline));
  const shared = new SharedFiles(directory);
  for (const name of ["queue", "lifeline", "cancels"]) assert(!existsSync(path(name)), name);
  shared.cancel(8192 + 5);
  const cancels = readFileSync(`/proc/self/fd/${shared.cancels}`);
  assert.equal(cancels.readBigUInt64LE(5 * 8), 8197n);
  assert.equal(cancels.filter((byte) => byte !== 0).length, 2);
  shared.close();
});
