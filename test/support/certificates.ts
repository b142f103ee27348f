// Certificates for tests, made in memory: an authority, and what it issues.

import { createPublicKey, generateKeyPairSync, X509Certificate, type KeyObject } from "node:crypto";

import { makeCertificate } from "../../src/x509/certificate.ts";
import { toPem } from "../../src/x509/signing.ts";

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

export interface Issued {
  readonly cert: string;
  readonly key: string;
  readonly password: null;
}

export interface IssueOptions {
  readonly subject?: string;
  readonly names: readonly string[];
  readonly notBefore?: number;
  readonly notAfter?: number;
  readonly extensions?: readonly Buffer[];
  readonly usage?: "serverAuth" | "clientAuth";
  /** Default: EC. */
  readonly privateKey?: KeyObject;
}

/** A private key as most certificates have it today. */
export function makeKey(): KeyObject {
  return generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey;
}

export class TestAuthority {
  readonly cert: string;
  readonly #key = makeKey();
  readonly #certificate: X509Certificate;

  constructor(subject: string, validFrom = Date.now() - DAY_MS) {
    const der = makeCertificate({
      subject,
      names: [],
      isAuthority: true,
      issuer: null,
      signingKey: this.#key,
      publicKey: createPublicKey(this.#key),
      notBefore: validFrom,
      notAfter: validFrom + 3650 * DAY_MS,
      usages: [],
      extensions: [],
    });
    this.#certificate = new X509Certificate(der);
    this.cert = toPem("CERTIFICATE", der);
  }

  issue(options: IssueOptions): Issued {
    const key = options.privateKey ?? makeKey();
    const der = makeCertificate({
      subject: options.subject ?? "",
      names: options.names,
      isAuthority: false,
      issuer: this.#certificate,
      signingKey: this.#key,
      publicKey: createPublicKey(key),
      notBefore: options.notBefore ?? Date.now() - HOUR_MS,
      notAfter: options.notAfter ?? Date.now() + 90 * DAY_MS,
      usages: [options.usage ?? "serverAuth"],
      extensions: options.extensions ?? [],
    });
    const pem = key.export({ type: "pkcs8", format: "pem" }).toString();
    return { cert: toPem("CERTIFICATE", der), key: pem, password: null };
  }
}
