// Lines of the control socket: what is understood, what is not, and how long they may get.

import assert from "node:assert/strict";
import { test } from "node:test";

import {
  MAX_LINE_BYTES,
  readReply,
  readRequest,
  writeReply,
  writeRequest,
} from "../../src/supervisor/control-protocol.ts";

test("a written request can be read again", () => {
  assert.equal(writeRequest("reload"), '{"op":"reload"}');
  for (const op of ["reload", "ping"] as const) assert.equal(readRequest(writeRequest(op)), op);
});

test("any other line is no request", () => {
  for (const line of ["", "reload", "{}", "null", "[]", "7", '{"op":"stop"}', '{"op":["ping"]}'])
    assert.equal(readRequest(line), null, line);
});

test("a written reply can be read again", () => {
  for (const reply of [
    { ok: true, pid: 12, ms: 123, restart: ["bind", "pid"] },
    { ok: false, text: "Traceback\n…", exitCode: 3 },
    { ok: false, text: "typhon.toml:3: …", exitCode: 2 },
  ] as const)
    assert.deepEqual(readReply(writeReply(reply)), reply);
  for (const line of ["", "{", '{"ok":true}', '{"ok":false}', '{"ok":"false","text":"x"}'])
    assert.equal(readReply(line), null, line);
  const forged = readReply('{"ok":true,"pid":12,"ms":5,"restart":["\\u001b[2J",7,"bind"]}');
  assert.deepEqual(forged, { ok: true, pid: 12, ms: 5, restart: ["bind"] });
  const older = readReply('{"ok":true,"pid":12,"ms":5}');
  assert.deepEqual(older, { ok: true, pid: 12, ms: 5, restart: [] });
});

test("a long text keeps its end, and the line stays below its limit with any characters", () => {
  for (const filler of ["x", "\u0000", "\ud800", "€"]) {
    const line = writeReply({
      ok: false,
      text: `${filler.repeat(200_000)}the end`,
      exitCode: 3,
    });
    assert(Buffer.byteLength(line) < MAX_LINE_BYTES);
    const reply = readReply(line);
    assert(reply?.ok === false && reply.text.endsWith("the end"));
  }
});
