// Identifiers, signatures and proofs against the examples of the RFCs.

import assert from "node:assert/strict";
import { createPublicKey, generateKeyPairSync, verify, X509Certificate } from "node:crypto";
import { test } from "node:test";

import { challengeServerName, identifierKey } from "../../src/acme/identifier.ts";
import { bindAccount, publicJwk, signRequest, thumbprint } from "../../src/acme/jws.ts";
import {
  dnsRecordValue,
  keyAuthorization,
  makeChallengeCertificate,
} from "../../src/acme/proof.ts";
import { certificateId } from "../../src/acme/renewal-info.ts";
import { extensionOf } from "../../src/x509/certificate.ts";
import { readRecord } from "../support/json.ts";

const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
const decode = (text: unknown): string => Buffer.from(String(text), "base64url").toString();

test("a certificate's name in renewal information is that of RFC 9773, appendix A", () => {
  // The RFC's own certificate: authority key 69:88:5B:…, serial number 00:87:65:43:21.
  const certificate = new X509Certificate(`-----BEGIN CERTIFICATE-----
MIIBQzCB66ADAgECAgUAh2VDITAKBggqhkjOPQQDAjAVMRMwEQYDVQQDEwpFeGFt
cGxlIENBMCIYDzAwMDEwMTAxMDAwMDAwWhgPMDAwMTAxMDEwMDAwMDBaMBYxFDAS
BgNVBAMTC2V4YW1wbGUuY29tMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEeBZu
7cbpAYNXZLbbh8rNIzuOoqOOtmxA1v7cRm//AwyMwWxyHz4zfwmBhcSrf47NUAFf
qzLQ2PPQxdTXREYEnKMjMCEwHwYDVR0jBBgwFoAUaYhba4dGQEHhs3uEe6CuLN4B
yNQwCgYIKoZIzj0EAwIDRwAwRAIge09+S5TZAlw5tgtiVvuERV6cT4mfutXIlwTb
+FYN/8oCIClDsqBklhB9KAelFiYt9+6FDj3z4KGVelYM5MdsO3pK
-----END CERTIFICATE-----
`);
  assert.equal(certificateId(certificate), "aYhba4dGQEHhs3uEe6CuLN4ByNQ.AIdlQyE");
});

test("a key's thumbprint has the members in the order of their names (RFC 7638)", () => {
  const jwk = {
    // RFC 7515, appendix A.3.
    y: "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
    x: "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
    kty: "EC",
    crv: "P-256",
  };
  assert.equal(thumbprint(jwk), "oKIywvGUpTVTyxMQ3bwIIeQUudfr_CkLMjCE19ECD-U");
  assert.throws(() => publicJwk(generateKeyPairSync("ed25519").privateKey), TypeError);
});

test("a request is signed by ES256 with nonce and URL, by its key or its account", () => {
  for (const accountUrl of [null, "https://ca.example/acct/1"]) {
    const header = { url: "https://ca.example/order", nonce: "n-1", accountUrl };
    const jws = readRecord(signRequest('{"a":1}', header, privateKey));
    assert.equal(decode(jws["payload"]), '{"a":1}');
    const who = accountUrl === null ? { jwk: publicJwk(privateKey) } : { kid: accountUrl };
    assert.deepEqual(readRecord(decode(jws["protected"])), {
      alg: "ES256",
      nonce: "n-1",
      url: "https://ca.example/order",
      ...who,
    });
    const signature = Buffer.from(String(jws["signature"]), "base64url");
    assert.equal(signature.length, 64);
    const text = Buffer.from(`${String(jws["protected"])}.${String(jws["payload"])}`);
    const key = createPublicKey(privateKey);
    assert(verify("sha256", text, { key, dsaEncoding: "ieee-p1363" }, signature));
  }
});

test("an external account is bound by HMAC over the account's key", () => {
  const eab = { kid: "kid-1", hmacKey: Buffer.alloc(32, 1) };
  const jws = bindAccount(eab, "https://ca.example/acct", publicJwk(privateKey));
  assert.deepEqual(readRecord(decode(jws.protected)), {
    alg: "HS256",
    kid: "kid-1",
    url: "https://ca.example/acct",
  });
  assert.deepEqual(readRecord(decode(jws.payload)), publicJwk(privateKey));
});

test("a TXT record is the digest of the key authorization", () => {
  assert.equal(keyAuthorization("token", privateKey), `token.${thumbprint(publicJwk(privateKey))}`);
  // SHA-256 of "", in base64url.
  assert.equal(dnsRecordValue(""), "47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU");
});

test("a challenge's certificate has one name and the digest, critical (RFC 8737 §3)", () => {
  const { certificate, serverName } = makeChallengeCertificate(
    { type: "ip", value: "2001:db8::1" },
    "",
    Date.now(),
  );
  const read = new X509Certificate(certificate);
  assert.equal(read.subjectAltName, "IP Address:2001:DB8:0:0:0:0:0:1");
  assert.equal(
    extensionOf(read, "1.3.6.1.5.5.7.1.31")?.toString("hex"),
    "0420e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
  );
  assert.equal(serverName, `1.${"0.".repeat(23)}8.b.d.0.1.0.0.2.ip6.arpa`);
});

test("server names of challenges are names, or addresses in the reverse zone", () => {
  assert.equal(challengeServerName({ type: "dns", value: "Example.com" }), "example.com");
  assert.equal(challengeServerName({ type: "ip", value: "192.0.2.1" }), "1.2.0.192.in-addr.arpa");
});

test("identifiers are equal whatever their spelling", () => {
  const key = (type: "dns" | "ip", value: string): string => identifierKey({ type, value });
  assert.equal(key("dns", "EXAMPLE.com"), key("dns", "example.com"));
  assert.equal(key("ip", "2001:DB8:0::1"), key("ip", "2001:db8::1"));
  assert.notEqual(key("dns", "192.0.2.1"), key("ip", "192.0.2.1"));
  assert.notEqual(key("ip", "not an address"), key("ip", "192.0.2.1"));
});
