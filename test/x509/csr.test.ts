// Signing requests that we make, judged by the OpenSSL command.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { generateKeyPairSync } from "node:crypto";
import { test } from "node:test";

import { makeCsr } from "../../src/x509/csr.ts";

const KEYS = {
  "P-256": () => generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey,
  "RSA 2048": () => generateKeyPairSync("rsa", { modulusLength: 2048 }).privateKey,
};

for (const [name, makeKey] of Object.entries(KEYS))
  test(`a request with a key of kind ${name} verifies and has its names`, () => {
    const input = makeCsr(["example.com", "*.example.com", "192.0.2.1", "2001:db8::1"], makeKey());
    const args = ["req", "-inform", "DER", "-noout", "-text", "-verify"];
    const said = execFileSync("openssl", args, { input, encoding: "utf8", stdio: "pipe" });
    assert.match(
      said,
      /DNS:example\.com, DNS:\*\.example\.com, IP Address:192\.0\.2\.1, IP Address:2001:DB8:0:0:0:0:0:1/,
    );
  });
