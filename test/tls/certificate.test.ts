// Which certificates and keys are taken, what is known of them, and what the operator is told.

import assert from "node:assert/strict";
import { generateKeyPairSync } from "node:crypto";
import { describe, it } from "node:test";

import { CertificateError, readCertificate, validity } from "../../src/tls/certificate.ts";
import { ExpiryWatch } from "../../src/tls/expiry-watch.ts";
import { extension } from "../../src/x509/certificate.ts";
import { sequence, unsigned } from "../../src/x509/der.ts";
import { makeKey, TestAuthority } from "../support/certificates.ts";

const AUTHORITY = new TestAuthority("Tests");
const DAY_MS = 86_400_000;

function refusal(pem: Parameters<typeof readCertificate>[0]): string {
  try {
    readCertificate(pem);
  } catch (error) {
    assert(error instanceof CertificateError);
    return error.message;
  }
  return "";
}

describe("a certificate", () => {
  it("is for the names and addresses that it has, in lower case", () => {
    const names = ["A.example", "*.A.example", "192.0.2.7", "2001:db8:0:0:0:0:0:1"];
    const read = readCertificate(AUTHORITY.issue({ names, subject: "other.example" }));
    assert.deepEqual(read.names, ["a.example", "*.a.example", "192.0.2.7", "2001:db8::1"]);
    assert.deepEqual(read.warnings, []);
    const old = readCertificate(AUTHORITY.issue({ names: [], subject: "Old.example" }));
    assert.deepEqual(old.names, ["old.example"]);
  });

  it("comes first, and its chain behind it", () => {
    const { cert, key } = AUTHORITY.issue({ names: ["a.example"] });
    const chain = { cert: `text\n${cert}${AUTHORITY.cert}`, key, password: null };
    assert.deepEqual(readCertificate(chain).warnings, []);
    assert.equal(readCertificate(chain).chainPem, cert + AUTHORITY.cert);
    const other = new TestAuthority("Another");
    assert.match(
      readCertificate({ ...chain, cert: cert + other.cert }).warnings[0] ?? "",
      /^certificate 2 of the chain has not issued the one before it/,
    );
    assert.match(
      refusal({ ...chain, cert: AUTHORITY.cert + cert }),
      /own certificate must be the first one/,
    );
  });

  it("needs its own key", () => {
    const issued = AUTHORITY.issue({ names: ["a.example"] });
    const { key } = AUTHORITY.issue({ names: ["a.example"] });
    assert.match(refusal({ ...issued, key }), /the key does not belong to the certificate/);
    assert.match(
      refusal({ ...issued, key: "" }),
      /no private key in PEM form; name the file of the key with --keyfile$/,
    );
    assert.match(refusal({ ...issued, cert: "" }), /no certificate in PEM form/);
    const damaged = issued.cert.replace(/\n.{20}/, "\nAAAAAAAAAAAAAAAAAAAA");
    assert.match(refusal({ ...issued, cert: damaged }), /damaged/);
  });

  it("may have an encrypted key, of each kind", () => {
    const keys = [makeKey(), generateKeyPairSync("rsa", { modulusLength: 2048 }).privateKey];
    for (const privateKey of keys) {
      const { cert } = AUTHORITY.issue({ names: ["a.example"], privateKey });
      const key = privateKey
        .export({ type: "pkcs8", format: "pem", cipher: "aes-256-cbc", passphrase: "secret" })
        .toString();
      assert.deepEqual(readCertificate({ cert, key, password: "secret" }).names, ["a.example"]);
      assert.match(refusal({ cert, key, password: "wrong" }), /password does not open the key/);
      assert.match(
        refusal({ cert, key, password: null }),
        /the key is encrypted; name .* --keyfile-password-file$/,
      );
    }
  });

  it("is warned about where it wants what the server does not do", () => {
    const mustStaple = extension("1.3.6.1.5.5.7.1.24", false, sequence(unsigned(Buffer.from([5]))));
    const issued = AUTHORITY.issue({ names: ["a.example"], extensions: [mustStaple] });
    assert.match(readCertificate(issued).warnings[0] ?? "", /OCSP stapling/);
  });

  it("is told about once before it expires and once after", () => {
    const now = Date.parse("2026-11-29T12:00:00Z");
    const [notBefore, notAfter] = [now - 60 * DAY_MS, now + 30 * DAY_MS];
    const long = readCertificate(AUTHORITY.issue({ names: ["a.example"], notBefore, notAfter }));
    const short = { notBefore: now - 3 * DAY_MS, notAfter: now + 3 * DAY_MS };
    assert.equal(validity(short, now), "valid");
    assert.equal(validity(short, now + 2 * DAY_MS), "expires soon");
    const told: string[] = [];
    const watch = new ExpiryWatch((message) => told.push(message));
    for (const days of [-70, 0, 15, 17, 18, 31, 32]) watch.check([long], now + days * DAY_MS);
    assert.deepEqual(told, [
      "the certificate for a.example is not valid yet: compare the clock of this machine",
      "the certificate for a.example expires on 2026-12-29",
      "the certificate for a.example has expired on 2026-12-29: browsers refuse it",
    ]);
  });
});
