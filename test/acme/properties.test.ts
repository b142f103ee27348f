// Whatever an authority says, the client rejects with AcmeError or succeeds; whatever certificate OpenSSL reads,
// our reader reads it or refuses it. The seed of a failure is printed.

import assert from "node:assert/strict";
import { generateKeyPairSync, X509Certificate } from "node:crypto";
import { before, test } from "node:test";

import fc from "fast-check";

import { AcmeError } from "../../src/acme/acme-error.ts";
import { AcmeClient } from "../../src/acme/client.ts";
import { checkChain } from "../../src/acme/issued.ts";
import { certificateId } from "../../src/acme/renewal-info.ts";
import { makeCertificate } from "../../src/x509/certificate.ts";
import { makeCsr } from "../../src/x509/csr.ts";
import { toPem } from "../../src/x509/signing.ts";
import { startAuthority, type TestAuthority } from "../support/acme-authority.ts";
import { TestResponder } from "../support/acme-responder.ts";
import { FILE } from "../support/file-scope.ts";
import { readRecord } from "../support/json.ts";
import { IS_LONG } from "../support/long.ts";

const NEVER = new AbortController().signal;
const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
const responder = new TestResponder();
const shared: { authority: TestAuthority | null } = { authority: null };

before(async () => {
  await responder.start(FILE);
  shared.authority = await startAuthority(FILE, {
    httpPort: responder.httpPort,
    hasAlternate: true,
    renewal: () => ({ suggestedWindow: { start: "2026-01-01", end: "2026-01-02" } }),
  });
});

const PATHS = [
  "/directory",
  "/account",
  "/order",
  "/orders",
  "/authorizations",
  "/challenges",
  "/finalize",
  "/certificates",
  "/renewal",
];

const MEMBERS =
  "newNonce newAccount newOrder renewalInfo meta status identifiers authorizations finalize certificate " +
  "error identifier challenges wildcard contact suggestedWindow explanationURL";

/** A change of one member, or another body, at a path. */
const changes = fc.record({
  path: fc.constantFrom(...PATHS),
  change: fc.oneof(
    fc.record({
      member: fc.constantFrom(...MEMBERS.split(" ")),
      value: fc.jsonValue({ maxDepth: 3 }),
    }),
    fc.record({ text: fc.oneof(fc.json(), fc.string({ unit: "binary" })) }),
  ),
});

test("a bent response ends in AcmeError, or in the certificate", async () => {
  const { authority } = shared;
  assert(authority !== null);
  const csr = makeCsr(["example.com"], privateKey);
  const request = {
    identifiers: [{ type: "dns", value: "example.com" } as const],
    csr,
    profile: "",
    replaces: "AAAA.AAAA",
  };
  const outcomes = new Map<string, number>();
  await fc.assert(
    fc.asyncProperty(changes, async ({ path: at, change }) => {
      authority.settings.change = (path, body) => {
        if (path !== at && !path.startsWith(`${at}/`)) return body;
        if ("text" in change) return change.text;
        if (typeof body === "string") return body;
        return { ...readRecord(JSON.stringify(body)), [change.member]: change.value };
      };
      let clock = Date.now();
      const client = new AcmeClient({
        directoryUrl: authority.directoryUrl,
        caRoot: authority.caRoot,
        accountKey: privateKey,
        email: "a@example.com",
        eab: null,
        userAgent: "typhon-test",
        now: () => clock,
        delay: async (ms) => {
          clock += ms;
        },
      });
      try {
        await client.ensureAccount(null, NEVER);
        const { chain } = await client.order(request, responder, NEVER);
        await client.renewalInfo(new X509Certificate(chain), NEVER);
        outcomes.set("issued", (outcomes.get("issued") ?? 0) + 1);
      } catch (error) {
        assert(error instanceof AcmeError, error instanceof Error ? error.stack : String(error));
        assert.doesNotMatch(error.message, /[\p{Cc}\p{Zl}\p{Zp}]/u);
        outcomes.set(error.type, (outcomes.get(error.type) ?? 0) + 1);
      }
      assert.equal(responder.presented.size, 0);
    }),
    { numRuns: IS_LONG ? 500 : 60 },
  );
  // Both ends were reached: the changes neither break everything nor nothing.
  assert((outcomes.get("issued") ?? 0) > 0, [...outcomes].join("; "));
  assert((outcomes.get("malformedResponse") ?? 0) > 0, [...outcomes].join("; "));
});

test("a bent certificate is read or refused", () => {
  const whole = makeCertificate({
    subject: "",
    names: ["example.com"],
    isAuthority: false,
    issuer: null,
    signingKey: privateKey,
    publicKey,
    notBefore: 0,
    notAfter: 1e12,
    usages: ["serverAuth"],
    extensions: [],
  });
  const csr = makeCsr(["example.com"], privateKey);
  const identifiers = [{ type: "dns", value: "example.com" }] as const;
  let read = 0;
  const at = fc.nat(whole.length - 1);
  fc.assert(
    fc.property(fc.array(fc.tuple(at, fc.nat(255)), { minLength: 1, maxLength: 3 }), (bytes) => {
      const bent = Buffer.from(whole);
      for (const [offset, byte] of bytes) bent.writeUInt8(byte, offset);
      try {
        checkChain(toPem("CERTIFICATE", bent), identifiers, csr);
      } catch (error) {
        assert(error instanceof AcmeError, error instanceof Error ? error.stack : String(error));
      }
      let certificate: X509Certificate;
      try {
        certificate = new X509Certificate(bent);
      } catch {
        return;
      }
      read += 1;
      certificateId(certificate);
    }),
    { numRuns: IS_LONG ? 100_000 : 3000 },
  );
  assert(read > 100, String(read));
});
