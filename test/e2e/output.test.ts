// What an application prints becomes log lines that name its worker. Nothing it prints can forge a line,
// stop the server or be taken for the protocol.

import assert from "node:assert/strict";
import { before, test } from "node:test";

import { FILE } from "../support/file-scope.ts";
import { getOnce } from "../support/raw-client.ts";
import { startTyphon, type Typhon } from "../support/typhon.ts";

let typhon: Typhon;

before(async () => {
  typhon = await startTyphon(FILE, ["printing:app", "--workers", "1"]);
});

/** Asks for `path` and waits for a log line with `text`; gives the line. */
async function lineOf(path: string, text: RegExp): Promise<string> {
  const from = typhon.output.all.length;
  assert.equal((await getOnce(typhon, path)).text, "printed");
  await typhon.output.waitFor(text, from);
  const line = typhon.output.all
    .slice(from)
    .split("\n")
    .find((one) => text.test(one));
  assert(line !== undefined);
  return line;
}

test("logs what is printed at import", async () => {
  await typhon.output.waitFor(/worker 1\b.*printed at import/);
});

test("logs both streams with the worker's number", async () => {
  assert.match(await lineOf("/print", /printed on stdout/), /worker 1\b/);
  assert.match(await lineOf("/print", /printed on stderr/), /worker 1\b.*stderr/);
});

test("logs what bypasses Python's own streams", async () => {
  assert.match(await lineOf("/raw", /raw on stdout/), /worker 1\b/);
  assert.match(await lineOf("/raw", /raw on stderr/), /worker 1\b/);
  assert.match(await lineOf("/child", /printed by a child/), /worker 1\b/);
  assert.match(await lineOf("/device", /printed on the device/), /worker 1\b/);
});

test("keeps text beyond ASCII and survives bytes that are no text", async () => {
  await lineOf("/unicode", /grüß € 🐍/);
  await lineOf("/unicode", /broken .* bytes/);
});

test("no printed text passes for a line of the server's", async () => {
  const line = await lineOf("/forged", /forged/);
  assert.match(line, /worker 1\b/);
  assert.doesNotMatch(line, /^2026-01-01/);
  assert(!line.includes("\u001b") && !line.includes("\r"), "control characters in the log");
});

test("no printed bytes pass for the protocol's", async () => {
  await lineOf("/frame", /worker 1\b.*\\x10|worker 1\b/);
  assert.equal((await getOnce(typhon, "/")).text, "printed");
});

test("cuts or splits a line without end, and goes on", async () => {
  await lineOf("/long", /L{1000}/);
  assert.match(await lineOf("/print", /printed on stdout/), /worker 1\b/);
});
