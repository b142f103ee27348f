// Chains of certificates as authorities send them.

import assert from "node:assert/strict";
import { generateKeyPairSync } from "node:crypto";
import { test } from "node:test";

import { AcmeError } from "../../src/acme/acme-error.ts";
import { alternateUrls, checkChain } from "../../src/acme/issued.ts";
import { makeCertificate } from "../../src/x509/certificate.ts";
import { makeCsr } from "../../src/x509/csr.ts";
import { toPem } from "../../src/x509/signing.ts";

const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
const NAMES = ["example.com", "*.example.com", "2001:db8::1"];
const csr = makeCsr(NAMES, privateKey);

function makePem(names: readonly string[]): string {
  return toPem(
    "CERTIFICATE",
    makeCertificate({
      subject: "",
      names,
      isAuthority: false,
      issuer: null,
      signingKey: privateKey,
      publicKey,
      notBefore: 0,
      notAfter: 1e12,
      usages: ["serverAuth"],
      extensions: [],
    }),
  );
}

const IDENTIFIERS = NAMES.map((value) => ({
  type: value.includes(":") ? ("ip" as const) : ("dns" as const),
  value,
}));

test("a chain keeps its certificates and nothing between them", () => {
  const pem = makePem(NAMES);
  const sent = `comment\n${pem.replaceAll("\n", "\r\n")}\nsubject=/CN=x\n${pem}`;
  const chain = checkChain(sent, IDENTIFIERS, csr);
  assert.equal(chain.replaceAll("\r", ""), pem + pem);
});

test("a certificate without one of the ordered names is refused", () => {
  for (const name of NAMES) {
    const pem = makePem(NAMES.filter((other) => other !== name));
    assert.throws(
      () => checkChain(pem, IDENTIFIERS, csr),
      (error) => error instanceof AcmeError && error.detail === `a certificate without ${name}`,
      name,
    );
  }
});

test("a chain of more than ten certificates is refused", () => {
  const pem = makePem(NAMES);
  checkChain(pem.repeat(10), IDENTIFIERS, csr);
  assert.throws(() => checkChain(pem.repeat(11), IDENTIFIERS, csr), AcmeError);
});

test("other chains are found among the links, at most five", () => {
  const base = "https://ca.example/cert/1";
  assert.deepEqual(alternateUrls("", base), []);
  assert.deepEqual(
    alternateUrls(
      '<https://ca.example/directory>;rel="index", </cert/1/1>;rel="alternate",<2>; title="x, y"; rel=alternate',
      base,
    ),
    ["https://ca.example/cert/1/1", "https://ca.example/cert/2"],
  );
  assert.equal(alternateUrls("</1>;rel=alternate,".repeat(9), base).length, 5);
});
