// What proves the control of an identifier: the key authorization, and what each type of challenge shows of
// it (RFC 8555 §8, RFC 8737).

import { createHash, generateKeyPairSync, type KeyObject } from "node:crypto";

import { extension, makeCertificate } from "../x509/certificate.ts";
import { octetString } from "../x509/der.ts";
import { toPem } from "../x509/signing.ts";
import { challengeServerName, type Identifier } from "./identifier.ts";
import { publicJwk, thumbprint } from "./jws.ts";

const ACME_IDENTIFIER = "1.3.6.1.5.5.7.1.31";
const DAY_MS = 86_400_000;

/** The text that responds to a challenge: http-01 serves it as it is. */
export function keyAuthorization(token: string, accountKey: KeyObject): string {
  return `${token}.${thumbprint(publicJwk(accountKey))}`;
}

/** The TXT record of dns-01, at `_acme-challenge.` and the name. */
export function dnsRecordValue(authorization: string): string {
  return createHash("sha256").update(authorization).digest("base64url");
}

/** A certificate for tls-alpn-01 with a new key, in PEM, and the server name that it is asked for by. */
export function makeChallengeCertificate(
  identifier: Identifier,
  authorization: string,
  nowMs: number,
): { readonly certificate: string; readonly key: string; readonly serverName: string } {
  const { publicKey, privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const digest = createHash("sha256").update(authorization).digest();
  const der = makeCertificate({
    subject: "",
    names: [identifier.value],
    isAuthority: false,
    issuer: null,
    signingKey: privateKey,
    publicKey,
    notBefore: nowMs - DAY_MS,
    notAfter: nowMs + 7 * DAY_MS,
    usages: ["serverAuth"],
    extensions: [extension(ACME_IDENTIFIER, true, octetString(digest))],
  });
  return {
    certificate: toPem("CERTIFICATE", der),
    key: privateKey.export({ type: "pkcs8", format: "pem" }).toString(),
    serverName: challengeServerName(identifier),
  };
}
