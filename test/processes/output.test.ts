// Output of processes, gathered into whole lines.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { closeSync, constants, openSync, writeSync } from "node:fs";
import { Socket } from "node:net";
import { join } from "node:path";
import { it } from "node:test";

import { eachLine, gatherLines, LineGatherer } from "../../src/processes/output.ts";
import { until } from "../support/deadline.ts";
import { makeScratch } from "../support/scratch.ts";

function gather(limit?: number): { gatherer: LineGatherer; given: string[] } {
  const given: string[] = [];
  const gatherer = new LineGatherer((lines) => void given.push(lines.toString("latin1")), limit);
  return { gatherer, given };
}

it("gives whole lines, and finishes the last one at the end", () => {
  const { gatherer, given } = gather();
  for (const piece of ["a", "b\n", "\nc\nd", "e"]) gatherer.push(Buffer.from(piece));
  assert.deepEqual(given, ["ab\n", "\nc\n"]);
  gatherer.flush();
  gatherer.flush();
  assert.deepEqual(given, ["ab\n", "\nc\n", "de\n"]);
});

it("gives a line that is too long in pieces, unchanged, so that it fills no memory", () => {
  const { gatherer, given } = gather(4);
  for (const piece of ["abc", "def", "gh\nx"]) gatherer.push(Buffer.from(piece));
  assert.deepEqual(given, ["abcdef", "gh\n"]);
});

it("changes no byte", () => {
  const { gatherer, given } = gather();
  const all = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte));
  gatherer.push(all.subarray(0, 200));
  gatherer.push(all.subarray(200));
  gatherer.flush();
  assert.equal(given.join(""), `${all.toString("latin1")}\n`);
});

it("tells lines as text: empty ones too, and the rest of an unfinished one", () => {
  const lines: string[] = [];
  const tell = (text: string): void => eachLine(Buffer.from(text), (line) => void lines.push(line));
  tell("größe\n\nb\n");
  tell("piece");
  assert.deepEqual(lines, ["größe", "", "b", "piece"]);
});

it("reads a FIFO until its last writer has closed it", async (t) => {
  const path = join(makeScratch(t), "out");
  execFileSync("mkfifo", [path]);
  const writer = openSync(path, constants.O_RDWR);
  const fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  const socket = new Socket({ fd, readable: true, writable: false });
  let text = "";
  gatherLines(socket, (lines) => {
    text += lines.toString();
    return true;
  });
  writeSync(writer, "größe\nend");
  await until("a line", () => text === "größe\n");
  closeSync(writer);
  await until("the end", () => socket.closed);
  assert.equal(text, "größe\nend\n");
});

it("reads nothing while the lines are not taken, so that the writer waits", async (t) => {
  const path = join(makeScratch(t), "out");
  execFileSync("mkfifo", [path]);
  const writer = openSync(path, constants.O_RDWR);
  const fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  const socket = new Socket({ fd, readable: true, writable: false });
  t.after(() => socket.destroy());
  let text = "";
  let refusals = 0;
  let isTaking = false;
  gatherLines(socket, (lines) => {
    text += lines.toString();
    if (!isTaking) refusals += 1;
    return isTaking;
  });
  writeSync(writer, "first\n");
  await until("the first line", () => text === "first\n");
  writeSync(writer, "second\n");
  await until("several questions", () => refusals > 3);
  assert.equal(text, "first\n");
  isTaking = true;
  await until("the second line", () => text === "first\nsecond\n");
  closeSync(writer);
});
