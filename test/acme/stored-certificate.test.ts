// The checks that a certificate passes before it is used.

import assert from "node:assert/strict";
import { generateKeyPairSync, X509Certificate } from "node:crypto";
import { test } from "node:test";

import { CertificateFault, readCertificate } from "../../src/acme/stored-certificate.ts";
import { makeCertificate } from "../../src/x509/certificate.ts";
import { toPem } from "../../src/x509/signing.ts";

const NOW = Date.UTC(2026, 10, 1);

function makeKeys() {
  const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  return {
    privateKey,
    publicKey,
    pem: String(privateKey.export({ type: "pkcs8", format: "pem" })),
  };
}

const AUTHORITY = makeKeys();
const ROOT = new X509Certificate(
  makeCertificate({
    subject: "root",
    names: [],
    isAuthority: true,
    issuer: null,
    signingKey: AUTHORITY.privateKey,
    publicKey: AUTHORITY.publicKey,
    notBefore: NOW,
    notAfter: NOW + 1e10,
    usages: [],
    extensions: [],
  }),
);
const LEAF = makeKeys();
const LEAF_PEM = toPem(
  "CERTIFICATE",
  makeCertificate({
    subject: "",
    names: ["example.com", "*.example.com", "192.0.2.1", "2001:db8::1"],
    isAuthority: false,
    issuer: ROOT,
    signingKey: AUTHORITY.privateKey,
    publicKey: LEAF.publicKey,
    notBefore: NOW,
    notAfter: NOW + 1e9,
    usages: ["serverAuth"],
    extensions: [],
  }),
);
const GOOD = LEAF.pem + LEAF_PEM + ROOT.toString();

test("a key and a chain are read, with their times", () => {
  const names = ["example.com", "*.example.com", "192.0.2.1", "2001:db8::1"];
  const read = readCertificate(GOOD, names);
  assert.equal(read.keyPem, LEAF.pem);
  assert.equal(read.chainPem, LEAF_PEM + ROOT.toString());
  assert.deepEqual([read.notBefore, read.notAfter], [NOW, NOW + 1e9]);
});

const FAULTS: readonly (readonly [string, string, readonly string[], RegExp])[] = [
  ["nothing", "", [], /contains no certificate/],
  ["a chain without a key", LEAF_PEM, [], /private key cannot be read/],
  ["a key without a chain", LEAF.pem, [], /contains no certificate/],
  ["another key", AUTHORITY.pem + LEAF_PEM, [], /belongs to another certificate/],
  ["a chain in another order", LEAF.pem + LEAF_PEM + LEAF_PEM, [], /not in order/],
  ["the root first", LEAF.pem + ROOT.toString() + LEAF_PEM, [], /another certificate/],
  ["too many", LEAF.pem + LEAF_PEM.repeat(11), [], /more than 10/],
  ["a chain that is cut off", GOOD.slice(0, -100), [], /cut off/],
  ["other names", GOOD, ["example.org"], /is not for example\.org/],
  ["a deeper wildcard", GOOD, ["*.www.example.com"], /is not for \*\.www\.example\.com/],
  ["another address", GOOD, ["192.0.2.2"], /is not for 192\.0\.2\.2/],
  [
    "garbage in PEM",
    `${LEAF.pem}-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n`,
    [],
    /cannot be read/,
  ],
];
for (const [what, pem, names, reason] of FAULTS)
  test(`refused: ${what}`, () => {
    assert.throws(
      () => readCertificate(pem, names),
      (error: unknown) => error instanceof CertificateFault && reason.test(error.message),
    );
  });
