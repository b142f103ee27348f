// The end of a connection behind our last byte: how long and how much the peer may still send.

import assert from "node:assert/strict";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { Duplex } from "node:stream";
import { test } from "node:test";

import { STALLED_READER_MS } from "../../src/net/connection-limits.ts";
import { LINGER_BYTES, LINGER_MS, LingeringClose } from "../../src/net/lingering-close.ts";

/** A stream whose peer never ends. */
function endlessStream(): Duplex {
  return new Duplex({ allowHalfOpen: true, read: () => undefined, write: (_, __, done) => done() });
}

test("a peer that does not close is cut some time after our last byte", async (context) => {
  context.mock.timers.enable({ apis: ["setTimeout"] });
  const stream = endlessStream();
  new LingeringClose(stream);
  context.mock.timers.tick(10 * LINGER_MS);
  assert.equal(stream.destroyed, false, "our last byte has not been sent");
  stream.end("bye");
  await once(stream, "finish");
  context.mock.timers.tick(LINGER_MS - 1);
  assert.equal(stream.destroyed, false);
  context.mock.timers.tick(1);
  assert.equal(stream.destroyed, true);
});

test("a peer that sends on is cut after some bytes", () => {
  const stream = endlessStream();
  const lingering = new LingeringClose(stream);
  lingering.drop(LINGER_BYTES);
  assert.equal(stream.destroyed, false);
  lingering.drop(1);
  assert.equal(stream.destroyed, true);
});

test("a peer that does not take the end of TLS is cut", async (context) => {
  context.mock.timers.enable({ apis: ["setTimeout"] });
  const stream = new Duplex({ read: () => undefined, final: () => undefined });
  new LingeringClose(stream);
  stream.end();
  context.mock.timers.tick(STALLED_READER_MS - 1);
  assert.equal(stream.destroyed, false);
  context.mock.timers.tick(1);
  assert.equal(stream.destroyed, true);
});

test("a peer that takes our last bytes slowly is left to the stream's owner", (context) => {
  context.mock.timers.enable({ apis: ["setTimeout"] });
  const stream = new Duplex({ read: () => undefined, write: () => undefined });
  new LingeringClose(stream);
  stream.end("last");
  context.mock.timers.tick(5 * STALLED_READER_MS);
  assert.equal(stream.destroyed, false);
});

test("docs/limits.md says the limits as they are", () => {
  const page = readFileSync(new URL("../../docs/limits.md", import.meta.url), "utf8");
  assert.match(
    page,
    new RegExp(`\`LINGER_MS\` and \`LINGER_BYTES\` \\| ${LINGER_MS} ms, ${LINGER_BYTES} bytes`),
  );
});
