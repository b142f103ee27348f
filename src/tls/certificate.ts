// One certificate of a server with its chain and its key: read from PEM, checked, and what the rest of tls/ has to
// know of it. Pure: texts in, values out; knows no files.

import { createPrivateKey, X509Certificate, type KeyObject } from "node:crypto";

import { plainAddress } from "../net/address.ts";
import { extensionOf } from "../x509/certificate.ts";
import { alternativeNames, commonNameOf } from "./names-of-certificate.ts";

export interface CertificatePem {
  /** The server's certificate, then the certificates of the authorities between it and a root. */
  readonly cert: string;
  readonly key: string;
  /** Of the key; null = the key is not encrypted. */
  readonly password: string | null;
}

export interface Certificate {
  /** Host names, patterns ("*.example.com") and addresses that it is valid for, in lower case. */
  readonly names: readonly string[];
  readonly leaf: X509Certificate;
  readonly chainPem: string;
  /** Decrypted. */
  readonly keyPem: string;
  /** Milliseconds since 1970. */
  readonly notBefore: number;
  readonly notAfter: number;
  /** What an operator should know, one line each. */
  readonly warnings: readonly string[];
}

/** A certificate or its key cannot be used; the message is one line for the operator. */
export class CertificateError extends Error {}

const CERTIFICATE =
  /-----BEGIN (?:TRUSTED |X509 )?CERTIFICATE-----[\s\S]+?-----END (?:TRUSTED |X509 )?CERTIFICATE-----/g;
/** The extension "TLS feature" (RFC 7633): clients that honour it want a stapled OCSP response. */
const MUST_STAPLE = "1.3.6.1.5.5.7.1.24";

/** Throws CertificateError. */
export function readCertificate({ cert, key, password }: CertificatePem): Certificate {
  const chain = readChain(cert);
  const [leaf] = chain;
  if (leaf === undefined) throw new CertificateError("there is no certificate in PEM form");
  const privateKey = readKey(key, password);
  if (!leaf.checkPrivateKey(privateKey)) {
    const isLater = chain.some((one) => one.checkPrivateKey(privateKey));
    throw new CertificateError(
      isLater
        ? "the server's own certificate must be the first one of the file"
        : "the key does not belong to the certificate",
    );
  }
  const names = namesOf(leaf);
  return {
    names,
    leaf,
    chainPem: chain.map(String).join(""),
    keyPem: privateKey.export({ type: "pkcs8", format: "pem" }).toString(),
    notBefore: Date.parse(leaf.validFrom),
    notAfter: Date.parse(leaf.validTo),
    warnings: warningsOf(chain, names),
  };
}

/** The certificates of a PEM text, in its order. Throws CertificateError. */
export function readChain(pem: string): X509Certificate[] {
  try {
    return Array.from(pem.matchAll(CERTIFICATE), ([block]) => new X509Certificate(block));
  } catch {
    throw new CertificateError("a certificate cannot be read: it is damaged");
  }
}

function readKey(key: string, password: string | null): KeyObject {
  const isEncrypted = /ENCRYPTED/.test(key);
  if (isEncrypted && password === null)
    throw new CertificateError(
      "the key is encrypted; name the file of its password with --keyfile-password-file",
    );
  try {
    return createPrivateKey(password === null ? key : { key, passphrase: password });
  } catch {
    throw new CertificateError(
      isEncrypted
        ? "the password does not open the key"
        : "there is no private key in PEM form; name the file of the key with --keyfile",
    );
  }
}

function namesOf(leaf: X509Certificate): string[] {
  const names: string[] = [];
  for (const name of alternativeNames(leaf)) {
    if (name.startsWith("DNS:")) names.push(name.slice(4).toLowerCase());
    if (name.startsWith("IP Address:")) names.push(addressText(name.slice(11)));
  }
  // Browsers ignore the common name; it still says which host the certificate is meant for.
  if (names.length === 0 && commonNameOf(leaf) !== "") names.push(commonNameOf(leaf).toLowerCase());
  return names;
}

/** "2001:DB8:0:0:0:0:0:1", as OpenSSL writes it, in the form that sockets have. */
function addressText(address: string): string {
  if (!address.includes(":")) return address;
  return plainAddress(new URL(`http://[${address}]`).hostname.slice(1, -1));
}

function warningsOf(chain: readonly X509Certificate[], names: readonly string[]): string[] {
  const warnings: string[] = [];
  const [leaf] = chain;
  chain.forEach((one, at) => {
    const next = chain[at + 1];
    if (next !== undefined && !one.checkIssued(next))
      warnings.push(
        `certificate ${at + 2} of the chain has not issued the one before it: some clients will refuse it`,
      );
  });
  if (names.length === 0) warnings.push("the certificate names no host");
  if (leaf !== undefined && extensionOf(leaf, MUST_STAPLE) !== null)
    warnings.push(
      "the certificate asks for OCSP stapling, which Typhon does not do: order it without must-staple",
    );
  return warnings;
}

/** A certificate is told about so long before it expires, ms. */
const SOON_MS = 14 * 86_400_000;

/** Whether a certificate is valid, expires within 14 days, has expired, or is not valid yet. */
export function validity(
  { notBefore, notAfter }: Pick<Certificate, "notBefore" | "notAfter">,
  now: number,
): "valid" | "expires soon" | "expired" | "not valid yet" {
  if (now < notBefore) return "not valid yet";
  if (now >= notAfter) return "expired";
  // A certificate of a few days is renewed late in its short life.
  const soon = Math.min(SOON_MS, (notAfter - notBefore) / 4);
  return now >= notAfter - soon ? "expires soon" : "valid";
}
