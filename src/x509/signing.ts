// How certificates and requests are signed: their algorithms, keys and PEM (RFC 5280 §4.1.1.2, RFC 7468).

import { createHash, sign, type KeyObject } from "node:crypto";

import { bitString, nothing, oid, readElements, sequence } from "./der.ts";

const ECDSA_WITH_SHA256 = sequence(oid("1.2.840.10045.4.3.2"));
const RSA_WITH_SHA256 = sequence(oid("1.2.840.113549.1.1.11"), nothing());

/** The algorithm of signatures by a key, with SHA-256. Throws TypeError for other keys than EC and RSA. */
export function signatureAlgorithm(key: KeyObject): Buffer {
  if (key.asymmetricKeyType === "ec") return ECDSA_WITH_SHA256;
  if (key.asymmetricKeyType === "rsa") return RSA_WITH_SHA256;
  throw new TypeError(`a key of the kind ${key.asymmetricKeyType} signs no certificate here`);
}

/** A signed structure: the bytes, the algorithm, and the signature. */
export function signed(bytes: Buffer, key: KeyObject): Buffer {
  return sequence(bytes, signatureAlgorithm(key), bitString(sign("sha256", bytes, key)));
}

/** A public key as certificates carry it. */
export function publicKeyDer(key: KeyObject): Buffer {
  return key.export({ type: "spki", format: "der" });
}

/** SHA-1 of a public key's bits (RFC 5280 §4.2.1.2, method 1): a name, which nothing trusts. */
export function keyIdentifier(publicKey: KeyObject): Buffer {
  const [info] = readElements(publicKeyDer(publicKey));
  const [, bits] = info === undefined ? [] : readElements(info.content);
  return createHash("sha1")
    .update(bits?.content.subarray(1) ?? Buffer.alloc(0))
    .digest();
}

/** PEM of DER: lines of 64 characters between its two labels, "CERTIFICATE" for example. */
export function toPem(label: string, der: Buffer): string {
  const lines = der.toString("base64").match(/.{1,64}/g) ?? [];
  return `-----BEGIN ${label}-----\n${lines.join("\n")}\n-----END ${label}-----\n`;
}
