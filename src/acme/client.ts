// A client of ACME (RFC 8555): an account, orders, and renewal information (RFC 9773) of one certificate
// authority. It keeps no files and listens nowhere: the caller has the keys, and responds to challenges.

import type { KeyObject, X509Certificate } from "node:crypto";

import type { Identifier } from "./identifier.ts";

export type ChallengeType = "http-01" | "tls-alpn-01" | "dns-01";

export interface AcmeClientOptions {
  readonly directoryUrl: string;
  /** PEM of a private authority's root, for HTTPS to the authority; null: Node's own roots. */
  readonly caRoot: string | null;
  /** A private key on P-256. */
  readonly accountKey: KeyObject;
  /** "" for none. */
  readonly email: string;
  /** External account binding (RFC 8555 §7.3.4). */
  readonly eab: { readonly kid: string; readonly hmacKey: Buffer } | null;
  readonly userAgent: string;
  /** Milliseconds since 1970; Date.now unless a test moves the clock. */
  readonly now?: () => number;
  /** Waits; rejects with the signal's reason when the signal aborts. */
  readonly delay?: (ms: number, signal: AbortSignal) => Promise<void>;
}

export interface PresentedChallenge {
  readonly type: ChallengeType;
  /** Without "*.": the name whose control is proved. */
  readonly identifier: Identifier;
  readonly token: string;
  readonly keyAuthorization: string;
}

/** Responds to the challenges of an order; implemented by the caller. */
export interface ChallengeResponder {
  /** The types that can be responded to for an identifier, best first; empty: none. */
  types(identifier: Identifier, isWildcard: boolean): readonly ChallengeType[];
  /** Resolves when the authority may look. */
  present(challenge: PresentedChallenge): Promise<void>;
  /** Called once for each challenge presented or begun, also when the order fails. */
  remove(challenge: PresentedChallenge): Promise<void>;
}

export interface OrderRequest {
  readonly identifiers: readonly Identifier[];
  /** A certificate signing request for the same identifiers, in DER. */
  readonly csr: Buffer;
  /** "" for the authority's default. */
  readonly profile: string;
  /** `certificateId` of the certificate that the new one is to replace (RFC 9773 §5); "" for none. */
  readonly replaces: string;
}

export interface IssuedCertificate {
  /** The certificate and its intermediates, in PEM, as the authority sent them. */
  readonly chain: string;
  /** The other chains that the authority offers, in PEM (RFC 8555 §7.4.2). */
  readonly alternates: readonly string[];
}

export interface RenewalWindow {
  /** Milliseconds since 1970. */
  readonly start: number;
  readonly end: number;
  /** When the authority is to be asked again, within the bounds of RFC 9773 §4.3.2. */
  readonly retryAfterMs: number;
  /** A page of the authority that gives the reason; "" for none. */
  readonly explanationUrl: string;
}

/** Every method rejects with AcmeError, or with the signal's reason. */
export declare class AcmeClient {
  constructor(options: AcmeClientOptions);
  /** Finds or creates the account → its URL. To call once before the first order. */
  ensureAccount(knownUrl: string | null, signal: AbortSignal): Promise<string>;
  /** Orders, responds to challenges, waits, and fetches the certificate. */
  order(
    request: OrderRequest,
    responder: ChallengeResponder,
    signal: AbortSignal,
  ): Promise<IssuedCertificate>;
  /** When a certificate is to be renewed; null: the authority has no such information. */
  renewalInfo(certificate: X509Certificate, signal: AbortSignal): Promise<RenewalWindow | null>;
  /** The authority's profiles: name → description. */
  profiles(signal: AbortSignal): Promise<ReadonlyMap<string, string>>;
}
