// Output of processes, cut into lines.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { closeSync, constants, existsSync, openSync, writeSync } from "node:fs";
import { join } from "node:path";
import { it } from "node:test";

import { LineCutter, readFifo } from "../../src/workers/output.ts";
import { until } from "../support/deadline.ts";
import { makeScratch } from "../support/scratch.ts";

it("cuts text that comes in pieces into lines; the rest at the end is one too", () => {
  const lines: string[] = [];
  const cutter = new LineCutter((line) => void lines.push(line));
  for (const piece of ["a", "b\n", "\nc\nd"]) cutter.push(piece);
  assert.deepEqual(lines, ["ab", "", "c"]);
  cutter.flush();
  cutter.flush();
  assert.deepEqual(lines, ["ab", "", "c", "d"]);
});

it("cuts a line without an end into pieces, so that it fills no memory", () => {
  const lines: string[] = [];
  const cutter = new LineCutter((line) => void lines.push(line), 4);
  cutter.push("abcdef\nxyz");
  assert.deepEqual(lines, ["abcd", "ef"]);
  cutter.push("12345678");
  assert.deepEqual(lines, ["abcd", "ef", "xyz1", "2345", "678"]);
});

it("reads a FIFO until its last writer has closed it, and unlinks it", async (t) => {
  const path = join(makeScratch(t), "w1.out");
  execFileSync("mkfifo", [path]);
  const writer = openSync(path, constants.O_RDWR);
  const lines: string[] = [];
  const socket = readFifo(path, (line) => void lines.push(line));
  assert(!existsSync(path));
  writeSync(writer, "größe\nend");
  await until("a line", () => lines.length === 1);
  closeSync(writer);
  await until("the end", () => socket.closed);
  assert.deepEqual(lines, ["größe", "end"]);
});
