// All certificates of a server and the choice among them: by the name that the client asks for, by the address
// that it has connected to, else the default. Certificates come from files, from ACME and from the local authority,
// in this order where two of them name the same host, and are replaced while connections are open: a connection
// keeps the context that it began with.

import { randomBytes } from "node:crypto";
import type { SecureContext } from "node:tls";

import { readCertificate, type Certificate } from "./certificate.ts";
import type { ClientHello } from "./client-hello.ts";
import { makeContext, TICKET_KEY_BYTES, type ClientPolicy } from "./contexts.ts";
import { mostSpecific, serverName, wildcardOf } from "./server-name.ts";

/** What a handshake is made under. */
export interface TlsChoice {
  readonly context: SecureContext;
  /** Null: no certificate is asked of the client. */
  readonly client: ClientPolicy | null;
  /** The host of the policy that holds for the name, also of one that asks for nothing; "" = every host's. */
  readonly policyHost: string;
  /** Whether the handshake is the challenge tls-alpn-01, after which nothing follows. */
  readonly isChallenge: boolean;
}

/** The protocol of that challenge (RFC 8737 §3). */
export const ACME_TLS = "acme-tls/1";

/** Whether a hello begins a challenge. */
export function isChallenge({ protocols }: ClientHello): boolean {
  return protocols.length === 1 && protocols[0] === ACME_TLS;
}

/** Where a certificate comes from; the earlier wins. */
const SOURCES = ["files", "acme", "internal"] as const;
type Source = (typeof SOURCES)[number];

/** A key of tickets is replaced after this time; tickets under the old one then cost a full handshake. */
const TICKET_KEY_MS = 12 * 3_600_000;

interface StoreOptions {
  /** For TLS 1.2; "" = Typhon's. */
  readonly ciphers: string;
  /** The policies of hosts; none: no certificates are asked of clients. */
  readonly clients: readonly ClientPolicy[];
  /** The certificate of a challenge for a name, wherever it was ordered; null: there is none. Never rejects. */
  readonly challengeFor?: (name: string) => Promise<ChallengePem | null>;
  /** Milliseconds of a clock that nobody sets. */
  readonly now?: () => number;
}

/** A certificate for tls-alpn-01 (RFC 8737 §3). */
export interface ChallengePem {
  readonly certPem: string;
  readonly keyPem: string;
}

export class CertificateStore {
  readonly #ciphers: string;
  readonly #now: () => number;
  #clients: readonly ClientPolicy[];
  readonly #bySource: Record<Source, readonly Certificate[]> = {
    files: [],
    acme: [],
    internal: [],
  };
  /** Host names, patterns and addresses. */
  #byName: ReadonlyMap<string, Certificate> = new Map();
  #default: Certificate | null = null;
  /** Of a certificate, by the host of the policy for client certificates; made when first needed. */
  #contexts = new WeakMap<Certificate, Map<string, SecureContext>>();
  #ticketKey: Buffer = randomBytes(TICKET_KEY_BYTES);
  #ticketKeySince: number;
  readonly #challengeFor: (name: string) => Promise<ChallengePem | null>;

  constructor({ ciphers, clients, challengeFor = noChallenge, now = monotonic }: StoreOptions) {
    this.#ciphers = ciphers;
    this.#challengeFor = challengeFor;
    this.#clients = clients;
    this.#now = now;
    this.#ticketKeySince = now();
  }

  /** All certificates, each once. */
  get all(): readonly Certificate[] {
    return [...new Set(SOURCES.flatMap((source) => this.#bySource[source]))];
  }

  /** The policies for client certificates. */
  get clients(): readonly ClientPolicy[] {
    return this.#clients;
  }

  /** Replaces the certificates of the files; the first is the default. Throws CertificateError; nothing changes. */
  setFiles(certificates: readonly Certificate[]): void {
    this.#replace("files", certificates);
  }

  /** Replaces the certificates of ACME. Throws CertificateError; nothing changes. */
  setAcme(certificates: readonly Certificate[]): void {
    this.#replace("acme", certificates);
  }

  /** Replaces the certificates of the local authority. Throws CertificateError. */
  setInternal(certificates: readonly Certificate[]): void {
    this.#replace("internal", certificates);
  }

  /** Replaces the policies for client certificates. Throws CertificateError; nothing changes. */
  setClients(clients: readonly ClientPolicy[]): void {
    const before = this.#clients;
    this.#clients = clients;
    const contexts = this.#contexts;
    this.#contexts = new WeakMap();
    try {
      this.check(this.all);
    } catch (error) {
      this.#clients = before;
      this.#contexts = contexts;
      throw error;
    }
  }

  /** The certificate for a server name ("" = none) at a local address; null: there is none at all. */
  certificateFor(name: string, localAddress: string): Certificate | null {
    const byName = this.#byName.get(name) ?? this.#byName.get(wildcardOf(name));
    if (name !== "" && byName !== undefined) return byName;
    return (name === "" ? this.#byName.get(localAddress) : undefined) ?? this.#default;
  }

  /** What a handshake at a local address is made under; null: there is no certificate for it. */
  choose({ serverName: name }: ClientHello, localAddress: string): TlsChoice | null {
    const certificate = this.certificateFor(name, localAddress);
    if (certificate === null) return null;
    const policy = mostSpecific(this.#clients, name);
    const client = policy === undefined || policy.mode === "none" ? null : policy;
    const context = this.#contextOf(certificate, client);
    return { context, client, policyHost: policy?.host ?? "", isChallenge: false };
  }

  /** The same for the handshake of a challenge. Rejects with CertificateError. */
  async chooseChallenge({ serverName: name }: ClientHello): Promise<TlsChoice | null> {
    const pem = name === "" ? null : await this.#challengeFor(name);
    if (pem === null) return null;
    const certificate = readCertificate({ cert: pem.certPem, key: pem.keyPem, password: null });
    const context = this.#makeContext(certificate, null, this.#ticketKey);
    return { context, client: null, policyHost: "", isChallenge: true };
  }

  /** Rotates the key of tickets when it is old; to be called now and then. */
  tick(): void {
    const now = this.#now();
    if (now - this.#ticketKeySince < TICKET_KEY_MS) return;
    this.#ticketKeySince = now;
    this.#ticketKey = randomBytes(TICKET_KEY_BYTES);
    this.#contexts = new WeakMap();
  }

  #contextOf(certificate: Certificate, client: ClientPolicy | null): SecureContext {
    const made = this.#contexts.get(certificate) ?? new Map<string, SecureContext>();
    this.#contexts.set(certificate, made);
    // A policy's host is "" or a name, never "-".
    const key = client === null ? "-" : client.host;
    let context = made.get(key);
    if (context === undefined) {
      context = this.#makeContext(certificate, client, this.#ticketKey);
      made.set(key, context);
    }
    return context;
  }

  #makeContext(
    certificate: Certificate,
    client: ClientPolicy | null,
    ticketKey: Buffer,
  ): SecureContext {
    return makeContext(certificate, { ciphers: this.#ciphers, client, ticketKey });
  }

  /** Makes every context that a handshake may need, so that none fails later. Throws CertificateError. */
  check(certificates: readonly Certificate[]): void {
    for (const certificate of certificates) {
      this.#contextOf(certificate, null);
      for (const policy of this.#clients)
        if (policy.mode !== "none") this.#contextOf(certificate, policy);
    }
  }

  #replace(source: Source, certificates: readonly Certificate[]): void {
    this.check(certificates);
    this.#bySource[source] = certificates;
    const byName = new Map<string, Certificate>();
    for (const certificate of this.all)
      for (const name of certificate.names)
        if (!byName.has(name) && isKnownForm(name)) byName.set(name, certificate);
    this.#byName = byName;
    this.#default = this.all[0] ?? null;
  }
}

function monotonic(): number {
  return performance.now();
}

async function noChallenge(): Promise<null> {
  return null;
}

/** A name, a pattern whose first label is "*", or an address. */
function isKnownForm(name: string): boolean {
  const plain = name.startsWith("*.") ? name.slice(2) : name;
  return serverName(plain) !== "" || /^[\d.]+$|:/.test(plain);
}
