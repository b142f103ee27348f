// A certificate with its chain and its private key in one PEM text, as the state folder has it, and the checks that
// one passes before it is used. Pure.

import { createPrivateKey, X509Certificate, type KeyObject } from "node:crypto";
import { isIP } from "node:net";

const BLOCK = /-----BEGIN ([A-Z ]+)-----[\w+/=\s]+-----END \1-----/g;
/** Public authorities send two or three. */
const MAX_CHAIN = 10;

export interface StoredCertificate {
  readonly chainPem: string;
  readonly keyPem: string;
  readonly leaf: X509Certificate;
  readonly notBefore: number;
  readonly notAfter: number;
}

/** A certificate that is not to be used; the message says why. */
export class CertificateFault extends Error {}

/** Reads the key and the chain for a set of names. Throws CertificateFault. */
export function readCertificate(pem: string, names: readonly string[]): StoredCertificate {
  const blocks = [...pem.matchAll(BLOCK)].map(([text, label = ""]) => ({ text, label }));
  if (blocks.length < pem.split("-----BEGIN ").length - 1)
    throw new CertificateFault("is cut off, or damaged");
  const chain = blocks.filter(({ label }) => label === "CERTIFICATE").map(({ text }) => text);
  const keyPem = blocks.find(({ label }) => label.endsWith("PRIVATE KEY"))?.text ?? "";
  const certificates = parseChain(chain);
  const [leaf] = certificates;
  if (leaf === undefined) throw new CertificateFault("contains no certificate");
  if (!leaf.checkPrivateKey(parseKey(keyPem)))
    throw new CertificateFault("the private key belongs to another certificate");
  certificates.slice(1).forEach((issuer, at) => {
    if (certificates[at]?.checkIssued(issuer) !== true)
      throw new CertificateFault("the chain is not in order");
  });
  const missing = names.find((name) => !covers(leaf, name));
  if (missing !== undefined) throw new CertificateFault(`is not for ${missing}`);
  return {
    chainPem: `${chain.join("\n")}\n`,
    keyPem: `${keyPem}\n`,
    leaf,
    notBefore: leaf.validFromDate.getTime(),
    notAfter: leaf.validToDate.getTime(),
  };
}

function parseChain(blocks: readonly string[]): readonly X509Certificate[] {
  if (blocks.length > MAX_CHAIN)
    throw new CertificateFault(`more than ${MAX_CHAIN} certificates in the chain`);
  try {
    return blocks.map((text) => new X509Certificate(text));
  } catch {
    throw new CertificateFault("a certificate of the chain cannot be read");
  }
}

function parseKey(pem: string): KeyObject {
  try {
    return createPrivateKey(pem);
  } catch {
    throw new CertificateFault("the private key cannot be read");
  }
}

function covers(leaf: X509Certificate, name: string): boolean {
  if (isIP(name) !== 0) return leaf.checkIP(name) !== undefined;
  // A wildcard is covered where any name in its place is.
  return leaf.checkHost(name.replace(/^\*\./, "any-name.")) !== undefined;
}
