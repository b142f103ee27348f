// What OpenSSL is told about the connections of a group of hosts: certificate, versions, ciphers, tickets, and
// which client certificates are wanted. One context serves all connections that agree in these.

import { createHash, constants } from "node:crypto";
import { createSecureContext, type SecureContext } from "node:tls";

import { CertificateError, type Certificate } from "./certificate.ts";

/** Which client certificates a host asks for. */
export interface ClientPolicy {
  /** A host as in a route; "" = every host that has no policy of its own. */
  readonly host: string;
  readonly mode: "none" | "optional" | "required";
  /** Certificates of the authorities, PEM; "" with mode "none". */
  readonly caCerts: string;
}

/**
 * Ciphers of TLS 1.2: forward secrecy and authenticated encryption only, the "intermediate" list of Mozilla
 * without finite-field Diffie-Hellman.
 */
const DEFAULT_CIPHERS = [
  "ECDHE-ECDSA-AES128-GCM-SHA256",
  "ECDHE-RSA-AES128-GCM-SHA256",
  "ECDHE-ECDSA-AES256-GCM-SHA384",
  "ECDHE-RSA-AES256-GCM-SHA384",
  "ECDHE-ECDSA-CHACHA20-POLY1305",
  "ECDHE-RSA-CHACHA20-POLY1305",
].join(":");
/** The suites of TLS 1.3, in OpenSSL's order. */
const TLS13 = "TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256:TLS_AES_128_GCM_SHA256";

/** How long a session may be resumed, seconds; its ticket key lives longer. */
const SESSION_SECONDS = 3600;
/** Bytes of a key of tickets: name, HMAC key, AES key. */
export const TICKET_KEY_BYTES = 48;

interface ContextOptions {
  /** For TLS 1.2, in OpenSSL's words; "" = DEFAULT_CIPHERS. */
  readonly ciphers: string;
  /** Null, or a policy that asks for certificates. */
  readonly client: ClientPolicy | null;
  /** The key of tickets that contexts without client certificates share. */
  readonly ticketKey: Buffer;
}

/** Throws CertificateError where OpenSSL knows none of the ciphers; "" = DEFAULT_CIPHERS. */
export function checkCiphers(ciphers: string): void {
  try {
    createSecureContext({ ca: [], ciphers: cipherList(ciphers) });
  } catch (error) {
    throw new CertificateError(`--ciphers: OpenSSL refuses the list: ${reasonOf(error)}`);
  }
}

function cipherList(ciphers: string): string {
  return `${TLS13}:${ciphers === "" ? DEFAULT_CIPHERS : ciphers}`;
}

/** Throws CertificateError where OpenSSL accepts the certificate or the ciphers not. */
export function makeContext(
  { chainPem, keyPem, leaf }: Certificate,
  { ciphers, client, ticketKey }: ContextOptions,
): SecureContext {
  // A session is resumed under the same certificate and policy only.
  const group = createHash("sha256")
    .update(`${client?.host ?? ""}\0${client?.mode ?? ""}\0${leaf.fingerprint256}`)
    .digest("hex");
  // Without tickets no session is resumed at all, since no session is kept here: whoever resumes a session shows
  // no certificate again.
  const noTickets = client === null ? 0 : constants.SSL_OP_NO_TICKET;
  try {
    return createSecureContext({
      cert: chainPem,
      key: keyPem,
      // Without client certificates no authority is trusted, and the machine's are not loaded.
      ca: client === null ? [] : client.caCerts,
      minVersion: "TLSv1.2",
      maxVersion: "TLSv1.3",
      ciphers: cipherList(ciphers),
      honorCipherOrder: true,
      secureOptions:
        constants.SSL_OP_NO_RENEGOTIATION |
        constants.SSL_OP_PRIORITIZE_CHACHA |
        constants.SSL_OP_NO_COMPRESSION |
        noTickets,
      sessionIdContext: group.slice(0, 32),
      sessionTimeout: SESSION_SECONDS,
      ticketKeys: ticketKey,
    });
  } catch (error) {
    throw new CertificateError(`OpenSSL refuses it: ${reasonOf(error)}`);
  }
}

/** OpenSSL's reason ("no cipher match", "ee key too small"), without its codes. */
function reasonOf(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  return text.split(":").at(-1)?.trim() ?? text;
}
