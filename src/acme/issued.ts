// A certificate as the authority sends it (RFC 8555 §7.4.2): a chain in PEM, checked against its order. Pure.

import { X509Certificate } from "node:crypto";

import { fault } from "./acme-error.ts";
import type { Identifier } from "./identifier.ts";

/** Certificates of one chain; authorities send two to four. */
const MAX_CHAIN = 10;
/** Other chains that are fetched. */
const MAX_ALTERNATES = 5;

/** The certificates of a chain in PEM, the issued one first. Throws AcmeError where it is not what was ordered. */
export function checkChain(pem: string, identifiers: readonly Identifier[], csr: Buffer): string {
  const blocks =
    pem.match(/-----BEGIN CERTIFICATE-----[\w+/=\s]+?-----END CERTIFICATE-----/g) ?? [];
  const [first] = blocks.length > MAX_CHAIN ? [] : blocks.map(parse);
  if (first === undefined) throw fault("malformedResponse", "no chain of certificates in PEM");
  // The request's key is one that the certificate must have: the caller has no other private key.
  const { leaf, publicKey } = first;
  if (!csr.includes(publicKey)) throw fault("malformedResponse", "a certificate for another key");
  const missing = identifiers.find((identifier) => !covers(leaf, identifier));
  if (missing !== undefined)
    throw fault("malformedResponse", `a certificate without ${missing.value}`);
  return `${blocks.join("\n")}\n`;
}

function parse(pem: string): { readonly leaf: X509Certificate; readonly publicKey: Buffer } {
  try {
    const leaf = new X509Certificate(pem);
    return { leaf, publicKey: leaf.publicKey.export({ type: "spki", format: "der" }) };
  } catch (error) {
    throw fault("malformedResponse", `not a certificate: ${String(error)}`);
  }
}

function covers(leaf: X509Certificate, { type, value }: Identifier): boolean {
  if (type === "ip") return leaf.checkIP(value) !== undefined;
  // A wildcard is covered where any name in its place is.
  return leaf.checkHost(value.replace(/^\*\./, "any-name.")) !== undefined;
}

/** The URLs of the other chains that a Link field names (RFC 8288), absolute. */
export function alternateUrls(link: string, base: string): readonly string[] {
  const urls: string[] = [];
  for (const [, target = "", parameters = ""] of link.matchAll(/<([^<>]*)>([^<]*)/g))
    if (/;\s*rel\s*=\s*"?alternate"?\s*(?:[;,]|$)/i.test(parameters) && URL.canParse(target, base))
      urls.push(new URL(target, base).href);
  return urls.slice(0, MAX_ALTERNATES);
}
