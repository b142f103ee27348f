// What a finished handshake has agreed, as plain data (http/tls-facts). Connections that agree in everything share
// one object: most clients of a server use the same few versions, ciphers and names.

import type { X509Certificate } from "node:crypto";
import type { TLSSocket } from "node:tls";

import type { ClientCertificate, TlsFacts } from "../http/tls-facts.ts";
import { alternativeNames, distinguishedName } from "./names-of-certificate.ts";

/** Registered numbers of the suites that a handshake may agree on, by OpenSSL's names (RFC 8446 §B.4, RFC 5289, 7905). */
const CIPHER_CODES: Readonly<Record<string, number>> = {
  TLS_AES_128_GCM_SHA256: 0x1301,
  TLS_AES_256_GCM_SHA384: 0x1302,
  TLS_CHACHA20_POLY1305_SHA256: 0x1303,
  TLS_AES_128_CCM_SHA256: 0x1304,
  TLS_AES_128_CCM_8_SHA256: 0x1305,
  "ECDHE-ECDSA-AES128-GCM-SHA256": 0xc02b,
  "ECDHE-ECDSA-AES256-GCM-SHA384": 0xc02c,
  "ECDHE-RSA-AES128-GCM-SHA256": 0xc02f,
  "ECDHE-RSA-AES256-GCM-SHA384": 0xc030,
  "ECDHE-RSA-CHACHA20-POLY1305": 0xcca8,
  "ECDHE-ECDSA-CHACHA20-POLY1305": 0xcca9,
  "ECDHE-ECDSA-AES128-SHA": 0xc009,
  "ECDHE-ECDSA-AES256-SHA": 0xc00a,
  "ECDHE-RSA-AES128-SHA": 0xc013,
  "ECDHE-RSA-AES256-SHA": 0xc014,
  "ECDHE-ECDSA-AES128-SHA256": 0xc023,
  "ECDHE-ECDSA-AES256-SHA384": 0xc024,
  "ECDHE-RSA-AES128-SHA256": 0xc027,
  "ECDHE-RSA-AES256-SHA384": 0xc028,
  "AES128-GCM-SHA256": 0x009c,
  "AES256-GCM-SHA384": 0x009d,
  "AES128-SHA": 0x002f,
  "AES256-SHA": 0x0035,
};

/** Versions as Node writes them, and on the wire. */
const VERSION_CODES: Readonly<Record<string, number>> = { "TLSv1.2": 0x0303, "TLSv1.3": 0x0304 };

/** Shared facts are forgotten together when there are so many: clients choose among the names of a wildcard. */
const MAX_SHARED = 256;
/** Certificates that a client may send above its own. */
const MAX_CHAIN = 10;

export class TlsFactsReader {
  readonly #shared = new Map<string, TlsFacts>();

  /** `serverName`, `clientPolicy`: what the handshake was made under. */
  read(socket: TLSSocket, serverName: string, clientPolicy: string): TlsFacts {
    const version = socket.getProtocol() ?? "";
    const cipher = socket.getCipher().name;
    const certificate = socket.getPeerX509Certificate();
    const key =
      certificate === undefined ? `${version} ${cipher} ${serverName} ${clientPolicy}` : "";
    const known = this.#shared.get(key);
    if (known !== undefined) return known;
    const facts: TlsFacts = {
      version,
      versionCode: VERSION_CODES[version] ?? 0,
      cipher,
      cipherCode: CIPHER_CODES[cipher] ?? 0,
      serverName,
      clientPolicy,
      client: certificate === undefined ? null : clientCertificate(certificate),
    };
    if (this.#shared.size >= MAX_SHARED) this.#shared.clear();
    if (key !== "") this.#shared.set(key, facts);
    return facts;
  }
}

function clientCertificate(certificate: X509Certificate): ClientCertificate {
  const chain = [certificate.toString()];
  let next = certificate.issuerCertificate;
  // A root is its own issuer; a client does not send it, the context knows it.
  while (next !== undefined && !isRoot(next) && chain.length < MAX_CHAIN) {
    chain.push(next.toString());
    next = next.issuerCertificate;
  }
  return {
    chain,
    subject: distinguishedName(certificate.subject),
    issuer: distinguishedName(certificate.issuer),
    serialNumber: certificate.serialNumber,
    alternativeNames: alternativeNames(certificate),
    notBefore: Date.parse(certificate.validFrom),
    notAfter: Date.parse(certificate.validTo),
  };
}

function isRoot(certificate: X509Certificate): boolean {
  return certificate.checkIssued(certificate);
}
