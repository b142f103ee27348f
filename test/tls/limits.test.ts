// docs/limits.md says what the constants of TLS say.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";

import { FIRST_BYTES_MEMORY } from "../../src/front/arrivals.ts";
import {
  HANDSHAKE_GRACE_MS,
  HANDSHAKES_A_TURN,
  MAX_HANDSHAKES,
  MAX_WAITING_HANDSHAKES,
} from "../../src/front/handshakes.ts";
import { DRAIN_NEW_MS, HEAD_TIMEOUT_MS } from "../../src/net/connection-limits.ts";
import { MAX_FILE_BYTES } from "../../src/tls/certificate-files.ts";
import { MAX_FIRST_BYTES, MAX_HELLO_BYTES } from "../../src/tls/client-hello.ts";
import { LONG_BURST_BYTES } from "../../src/tls/write-burst.ts";
import { CHECKOUT } from "../support/scratch.ts";

test("docs/limits.md names every limit of TLS with its value", () => {
  const page = readFileSync(join(CHECKOUT, "docs/limits.md"), "utf8");
  const [, section = ""] = /\n## TLS\n([\s\S]*?)\n## /.exec(page) ?? [];
  const rows = section.split("\n").filter((line) => line.startsWith("| "));
  const limits = {
    DRAIN_NEW_MS,
    FIRST_BYTES_MEMORY,
    HANDSHAKE_GRACE_MS,
    HANDSHAKES_A_TURN,
    HEAD_TIMEOUT_MS,
    LONG_BURST_BYTES,
    MAX_FILE_BYTES,
    MAX_FIRST_BYTES,
    MAX_HANDSHAKES,
    MAX_HELLO_BYTES,
    MAX_WAITING_HANDSHAKES,
  };
  for (const [name, value] of Object.entries(limits)) {
    const isSaid = new RegExp(String.raw`\b${value}\b`);
    assert(
      rows.some((row) => row.includes(`\`${name}\``) && isSaid.test(row)),
      name,
    );
  }
});
