// Makes X.509 certificates (RFC 5280): an authority's own, one that an authority signs, one that signs itself.
// Reads the parts of certificates that node:crypto's X509Certificate does not show.

import { createPublicKey, randomBytes, type KeyObject, type X509Certificate } from "node:crypto";

import {
  bitString,
  boolean,
  element,
  octetString,
  oid,
  readElements,
  sequence,
  setOf,
  time,
  unsigned,
  utf8String,
  type Element,
} from "./der.ts";
import { generalNames } from "./general-names.ts";
import { keyIdentifier, publicKeyDer, signatureAlgorithm, signed } from "./signing.ts";

export interface CertificateRequest {
  /** The common name; "" for a certificate that has alternative names only. */
  readonly subject: string;
  /** Subject alternative names: names in ASCII, also "*.example.com", and addresses. */
  readonly names: readonly string[];
  /** Whether the certificate may sign certificates, of servers and clients, not of authorities. */
  readonly isAuthority: boolean;
  /** The authority; null: the certificate signs itself, and `signingKey` belongs to `publicKey`. */
  readonly issuer: X509Certificate | null;
  /** A private key of kind EC or RSA. */
  readonly signingKey: KeyObject;
  readonly publicKey: KeyObject;
  /** Milliseconds since 1970; the certificate has whole seconds. */
  readonly notBefore: number;
  readonly notAfter: number;
  /** What a certificate that is no authority's is for. */
  readonly usages: readonly ("serverAuth" | "clientAuth")[];
  /** Further extensions, made by `extension`. */
  readonly extensions: readonly Buffer[];
}

const USAGES = { serverAuth: "1.3.6.1.5.5.7.3.1", clientAuth: "1.3.6.1.5.5.7.3.2" } as const;
const COMMON_NAME = "2.5.4.3";
export const SUBJECT_ALT_NAME = "2.5.29.17";
const SUBJECT_KEY = "2.5.29.14";
const AUTHORITY_KEY = "2.5.29.35";
/** Bytes of a serial number: RFC 5280 allows 20, and 64 random bits are asked of authorities. */
const SERIAL_BYTES = 16;

/** Makes a certificate → DER. Throws RangeError for a name beyond ASCII, TypeError for an unsuitable key. */
export function makeCertificate(request: CertificateRequest): Buffer {
  const { subject, issuer, signingKey, publicKey } = request;
  // The first bit is 0 and the second 1: a positive number whose length is always the same.
  const serial = randomBytes(SERIAL_BYTES);
  serial.writeUInt8((serial.readUInt8(0) & 0x7f) | 0x40, 0);
  const content = sequence(
    element(0xa0, unsigned(Buffer.from([2]))),
    unsigned(serial),
    signatureAlgorithm(signingKey),
    issuer === null ? distinguishedName(subject) : subjectOf(issuer),
    sequence(time(request.notBefore), time(request.notAfter)),
    distinguishedName(subject),
    publicKeyDer(publicKey),
    element(0xa3, sequence(...extensionsOf(request))),
  );
  return signed(content, signingKey);
}

/** An extension of a certificate or of a request. */
export function extension(id: string, isCritical: boolean, value: Buffer): Buffer {
  return sequence(oid(id), ...(isCritical ? [boolean(true)] : []), octetString(value));
}

export function distinguishedName(commonName: string): Buffer {
  if (commonName === "") return sequence();
  return sequence(setOf(sequence(oid(COMMON_NAME), utf8String(commonName))));
}

function extensionsOf(request: CertificateRequest): readonly Buffer[] {
  const { names, isAuthority, issuer, signingKey, publicKey, usages } = request;
  const isRsa = publicKey.asymmetricKeyType === "rsa";
  const authorityKey =
    (issuer === null ? null : subjectKeyIdentifier(issuer)) ??
    keyIdentifier(createPublicKey(signingKey));
  const extensions = [
    // An authority of ours signs no further authorities: path length 0.
    extension(
      "2.5.29.19",
      true,
      isAuthority ? sequence(boolean(true), unsigned(Buffer.from([0]))) : sequence(),
    ),
    extension("2.5.29.15", true, isAuthority ? AUTHORITY_KEY_USAGE : leafKeyUsage(isRsa)),
    extension(SUBJECT_KEY, false, octetString(keyIdentifier(publicKey))),
    extension(AUTHORITY_KEY, false, sequence(element(0x80, authorityKey))),
  ];
  if (!isAuthority && usages.length > 0)
    extensions.push(
      extension("2.5.29.37", false, sequence(...usages.map((usage) => oid(USAGES[usage])))),
    );
  // Critical where the subject is empty (RFC 5280 §4.2.1.6).
  if (names.length > 0)
    extensions.push(extension(SUBJECT_ALT_NAME, request.subject === "", generalNames(names)));
  return [...extensions, ...request.extensions];
}

/** keyCertSign and cRLSign, bits 5 and 6. */
const AUTHORITY_KEY_USAGE = bitString(Buffer.from([0b0000_0110]), 1);

/** digitalSignature, and keyEncipherment (bit 2) for the RSA key exchange of TLS 1.2. */
function leafKeyUsage(isRsa: boolean): Buffer {
  return isRsa ? bitString(Buffer.from([0b1010_0000]), 5) : bitString(Buffer.from([0x80]), 7);
}

/** The fields of a certificate's signed part, from its serial number on (RFC 5280 §4.1). */
function fieldsOf(certificate: X509Certificate): readonly Element[] {
  const [whole] = readElements(certificate.raw);
  const [signedPart] = whole === undefined ? [] : readElements(whole.content);
  const fields = signedPart === undefined ? [] : readElements(signedPart.content);
  // Version 1 leaves the version out.
  return fields[0]?.tag === 0xa0 ? fields.slice(1) : fields;
}

// What follows throws RangeError for bytes that are no DER: OpenSSL reads some of them.

/** The serial number's bytes, as the certificate has them: the first bit is its sign. */
export function serialBytes(certificate: X509Certificate): Buffer {
  return fieldsOf(certificate)[0]?.content ?? Buffer.alloc(0);
}

/** The subject in DER, as a certificate that it issues has to repeat it. */
function subjectOf(certificate: X509Certificate): Buffer {
  return fieldsOf(certificate)[4]?.whole ?? sequence();
}

/** The value of an extension; null: the certificate has none of that kind. */
export function extensionOf(certificate: X509Certificate, id: string): Buffer | null {
  const list = fieldsOf(certificate).find(({ tag }) => tag === 0xa3);
  const [members] = list === undefined ? [] : readElements(list.content);
  for (const { content } of members === undefined ? [] : readElements(members.content)) {
    const parts = readElements(content);
    if (parts[0]?.whole.equals(oid(id)) === true) return parts.at(-1)?.content ?? null;
  }
  return null;
}

function subjectKeyIdentifier(certificate: X509Certificate): Buffer | null {
  const value = extensionOf(certificate, SUBJECT_KEY);
  return value === null ? null : (readElements(value)[0]?.content ?? null);
}

/** The identifier of the key that signed a certificate; null: the certificate does not name it. */
export function authorityKeyIdentifier(certificate: X509Certificate): Buffer | null {
  const value = extensionOf(certificate, AUTHORITY_KEY);
  const [list] = value === null ? [] : readElements(value);
  const parts = list === undefined ? [] : readElements(list.content);
  return parts.find(({ tag }) => tag === 0x80)?.content ?? null;
}
