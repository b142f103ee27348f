// testssl.sh, of Debian, against the real command with a certificate of an authority that it is told: nothing of
// medium severity or above. One run per kind of key: ciphers and their order depend on it.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { promisify } from "node:util";

import { makeCertificate } from "../../support/openssl-certificate.ts";
import { FILE } from "../../support/file-scope.ts";
import { makeScratch } from "../../support/scratch.ts";
import { startTyphon } from "../../support/typhon.ts";

/** A run takes a minute and a half on two cores. */
const SUITE_MS = 600_000;
/** A whole run has 133 and more. */
const MIN_FINDINGS = 130;
const FINE = new Set(["OK", "INFO", "LOW"]);
/**
 * Say something about this machine's openssl, which testssl.sh uses, and which may close a connection of TLS 1.3 before
 * the ticket has come: test/tls/openssl.test.ts has resumption.
 */
const ABOUT_CLIENT = new Set(["engine_problem", "sessionresumption_ticket"]);

interface Finding {
  readonly id: string;
  readonly severity: string;
  readonly finding: string;
}

async function scan(port: number, authority: string): Promise<Finding[]> {
  const report = join(makeScratch(FILE), "report.json");
  const given = [
    "--quiet",
    "--color",
    "0",
    "--warnings",
    "off",
    "--nodns",
    "min",
    "--ip",
    "127.0.0.1",
  ];
  const words = ["--add-ca", authority, "--jsonfile", report, `https://localhost:${port}/`];
  // The exit code counts findings of any severity; the report has them all.
  await promisify(execFile)("testssl", [...given, ...words], {
    timeout: SUITE_MS,
    maxBuffer: 16 << 20,
  }).catch((error: unknown) =>
    assert.equal(Reflect.get(Object(error), "killed"), false, String(error)),
  );
  const found: unknown = JSON.parse(readFileSync(report, "utf8"));
  assert(Array.isArray(found));
  return found.map((one: unknown) => ({
    id: String(Reflect.get(Object(one), "id")),
    severity: String(Reflect.get(Object(one), "severity")),
    finding: String(Reflect.get(Object(one), "finding")),
  }));
}

for (const key of ["P-256", "RSA"] as const)
  test(`finds nothing of medium severity or above, with a key of ${key}`, async () => {
    const { certfile, keyfile, authority } = makeCertificate(FILE, key);
    const words = ["http2_pages:asgi", "--app-dir", import.meta.dirname, "--hsts", "31536000"];
    const given = ["--certfile", certfile, "--keyfile", keyfile];
    const typhon = await startTyphon(FILE, [...words, ...given]);
    const findings = await scan(typhon.port, authority);
    assert(findings.length >= MIN_FINDINGS, `${findings.length} findings`);
    const bad = findings.filter(({ id, severity }) => !FINE.has(severity) && !ABOUT_CLIENT.has(id));
    assert.deepEqual(bad, []);
    const of = (id: string): string => findings.find((one) => one.id === id)?.severity ?? "absent";
    for (const id of ["TLS1_2", "TLS1_3", "ALPN_HTTP2", "HSTS_time", "secure_renego", "cert_trust"])
      assert.match(of(id), /^(?:OK|INFO)$/, id);
  });
