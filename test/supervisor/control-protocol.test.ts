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

test("requests are read as they are written", () => {
  assert.equal(writeRequest("reload"), '{"op":"reload"}');
  for (const op of ["reload", "ping"] as const) assert.equal(readRequest(writeRequest(op)), op);
});

test("whatever else comes asks for nothing", () => {
  for (const line of ["", "reload", "{}", "null", "[]", "7", '{"op":"stop"}', '{"op":["ping"]}'])
    assert.equal(readRequest(line), null, line);
});

test("answers are read as they are written", () => {
  for (const reply of [
    { ok: true, pid: 12, ms: 123 },
    { ok: false, text: "Traceback\n…" },
  ] as const)
    assert.deepEqual(readReply(writeReply(reply)), reply);
  for (const line of ["", "{", '{"ok":true}', '{"ok":false}', '{"ok":"false","text":"x"}'])
    assert.equal(readReply(line), null, line);
});

test("of a long text the end stays, and the line keeps its limit whatever is in it", () => {
  for (const filler of ["x", "\u0000", "\ud800", "€"]) {
    const line = writeReply({ ok: false, text: `${filler.repeat(200_000)}the end` });
    assert(Buffer.byteLength(line) < MAX_LINE_BYTES);
    const reply = readReply(line);
    assert(reply?.ok === false && reply.text.endsWith("the end"));
  }
});
