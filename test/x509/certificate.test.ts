// Certificates that we make, judged by OpenSSL: node:crypto's reader, and the command for requests and chains.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { generateKeyPairSync, X509Certificate } from "node:crypto";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { test, type TestContext } from "node:test";

import {
  authorityKeyIdentifier,
  extension,
  extensionOf,
  makeCertificate,
  serialBytes,
  type CertificateRequest,
} from "../../src/x509/certificate.ts";
import { octetString } from "../../src/x509/der.ts";
import { toPem } from "../../src/x509/signing.ts";
import { makeScratch } from "../support/scratch.ts";

const DAY_MS = 86_400_000;
const P256 = { namedCurve: "P-256" };

function make(
  fields: Pick<CertificateRequest, "signingKey" | "publicKey"> & Partial<CertificateRequest>,
): X509Certificate {
  return new X509Certificate(
    makeCertificate({
      subject: "",
      names: [],
      isAuthority: false,
      issuer: null,
      notBefore: Date.now() - DAY_MS,
      notAfter: Date.now() + DAY_MS,
      usages: ["serverAuth"],
      extensions: [],
      ...fields,
    }),
  );
}

function makeAuthority(kind: "ec" | "rsa" = "ec") {
  const keys =
    kind === "ec"
      ? generateKeyPairSync("ec", P256)
      : generateKeyPairSync("rsa", { modulusLength: 2048 });
  const certificate = make({
    subject: "Test authority, é",
    isAuthority: true,
    signingKey: keys.privateKey,
    publicKey: keys.publicKey,
  });
  return { ...keys, certificate };
}

function openssl(t: TestContext, files: Record<string, string>, ...args: string[]): string {
  const folder = makeScratch(t);
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text);
  return execFileSync("openssl", args, { cwd: folder, encoding: "utf8" });
}

for (const kind of ["ec", "rsa"] as const)
  test(`an authority with a key of kind ${kind} signs a certificate that OpenSSL verifies`, (t) => {
    const authority = makeAuthority(kind);
    const { publicKey } = generateKeyPairSync("ec", P256);
    const leaf = make({
      names: ["example.com", "*.example.com", "192.0.2.1", "2001:db8::1", "::ffff:192.0.2.2"],
      issuer: authority.certificate,
      signingKey: authority.privateKey,
      publicKey,
    });
    assert(leaf.verify(authority.publicKey));
    assert(leaf.checkIssued(authority.certificate));
    assert.equal(leaf.ca, false);
    assert.equal(authority.certificate.ca, true);
    assert.equal(leaf.checkHost("www.example.com"), "*.example.com");
    assert.equal(leaf.checkIP("2001:db8::1"), "2001:db8::1");
    assert.equal(leaf.checkIP("2001:db8::2"), undefined);
    assert.equal(
      leaf.subjectAltName,
      "DNS:example.com, DNS:*.example.com, IP Address:192.0.2.1, IP Address:2001:DB8:0:0:0:0:0:1, " +
        "IP Address:0:0:0:0:0:FFFF:C000:202",
    );
    const files = { "ca.pem": authority.certificate.toString(), "leaf.pem": leaf.toString() };
    const said = openssl(
      t,
      files,
      ..."verify -x509_strict -purpose sslserver -CAfile ca.pem leaf.pem".split(" "),
    );
    assert.equal(said, "leaf.pem: OK\n");
  });

test("a certificate signs itself; its times are whole seconds, also after 2049", () => {
  const { privateKey, publicKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
  const certificate = make({
    subject: "example.com",
    signingKey: privateKey,
    publicKey,
    notBefore: Date.UTC(2049, 11, 31, 23, 59, 59, 999),
    notAfter: Date.UTC(2050, 0, 1),
    usages: ["serverAuth", "clientAuth"],
  });
  assert(certificate.verify(publicKey));
  assert.equal(certificate.subject, "CN=example.com");
  assert.equal(certificate.issuer, "CN=example.com");
  assert.equal(certificate.validFromDate.toISOString(), "2049-12-31T23:59:59.000Z");
  assert.equal(certificate.validToDate.toISOString(), "2050-01-01T00:00:00.000Z");
  assert.deepEqual(certificate.keyUsage, ["1.3.6.1.5.5.7.3.1", "1.3.6.1.5.5.7.3.2"]);
});

test("serial numbers, key identifiers and extensions are read back", (t) => {
  const authority = makeAuthority();
  const { publicKey } = generateKeyPairSync("ec", P256);
  const own = octetString(Buffer.alloc(200, 7));
  const leaf = make({
    names: ["example.com"],
    issuer: authority.certificate,
    signingKey: authority.privateKey,
    publicKey,
    extensions: [extension("1.3.6.1.5.5.7.1.31", true, own)],
  });
  assert.equal(serialBytes(leaf).toString("hex").toUpperCase(), leaf.serialNumber);
  assert.deepEqual(extensionOf(leaf, "1.3.6.1.5.5.7.1.31"), own);
  assert.equal(extensionOf(leaf, "1.2.3"), null);
  const text = openssl(
    t,
    { "leaf.pem": leaf.toString() },
    ..."x509 -in leaf.pem -noout -ext authorityKeyIdentifier".split(" "),
  );
  const hex = authorityKeyIdentifier(leaf)?.toString("hex").toUpperCase();
  assert(text.replaceAll(":", "").includes(hex ?? "none"), text);
});

test("a certificate of another maker, without key identifiers, has none to read", (t) => {
  const pem = openssl(
    t,
    {},
    ..."req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout key.pem".split(" "),
    ..."-subj /CN=other -addext authorityKeyIdentifier=none -addext subjectKeyIdentifier=none".split(
      " ",
    ),
  );
  const certificate = new X509Certificate(pem);
  assert.equal(authorityKeyIdentifier(certificate), null);
  assert.equal(toPem("CERTIFICATE", certificate.raw), certificate.toString());
});

test("names beyond ASCII and keys that sign nothing are refused", () => {
  const { privateKey, publicKey } = generateKeyPairSync("ec", P256);
  assert.throws(
    () => make({ signingKey: privateKey, publicKey, names: ["é.example"] }),
    RangeError,
  );
  assert.throws(() => make({ signingKey: privateKey, publicKey, names: ["a b"] }), RangeError);
  const other = generateKeyPairSync("x25519");
  assert.throws(
    () => make({ signingKey: other.privateKey, publicKey: other.publicKey }),
    TypeError,
  );
});
