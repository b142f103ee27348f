// docs/limits.md says the limits of compression as they are.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import { ENCODE_NOW_BYTES, ENCODE_TURN_BYTES } from "../../../src/handlers/policy/compression.ts";
import { MIN_CODED_BYTES } from "../../../src/http/coded-head.ts";
import { MAX_KEPT_CHOICES, MAX_KEPT_LENGTH } from "../../../src/http/content-coding.ts";
import { MAX_WAITING } from "../../../src/net/best-encoding.ts";
import { MAX_ENCODERS, PENDING_BYTES, PIECE_BYTES } from "../../../src/net/body-encoder.ts";

const page = readFileSync(new URL("../../../docs/limits.md", import.meta.url), "utf8");

for (const words of [
  `\`MIN_CODED_BYTES\` | ${MIN_CODED_BYTES} bytes`,
  `bodies of up to ${ENCODE_NOW_BYTES} bytes | ${ENCODE_TURN_BYTES} bytes in one turn`,
  `and \`PIECE_BYTES\` | ${MAX_ENCODERS} at a time`,
  `\`PENDING_BYTES\` | ${PENDING_BYTES} bytes, and one chunk`,
  `\`PIECE_BYTES\`, ${PIECE_BYTES} bytes of a body`,
  `${MAX_WAITING} wait; the forms count`,
  `\`MAX_KEPT_CHOICES\` | ${MAX_KEPT_LENGTH} characters | ${MAX_KEPT_CHOICES} are remembered`,
])
  test(words, () => assert.ok(page.includes(words)));
