// Renewal information (RFC 9773): the name of a certificate, and the window in which it is to be renewed. Pure.

import type { X509Certificate } from "node:crypto";

import { authorityKeyIdentifier, serialBytes } from "../x509/certificate.ts";
import { fault } from "./acme-error.ts";
import type { AuthorityResponse } from "./authority-request.ts";
import { asObject, asText, printable } from "./json.ts";
import { retryAfterMs } from "./retry-after.ts";

/** An authority that asks to be asked again sooner is asked after a minute (RFC 9773 §4.3.2). */
const MIN_ASK_MS = 60_000;
/** Where the authority does not say. */
const USUAL_ASK_MS = 21_600_000;

export interface RenewalWindow {
  /** Milliseconds since 1970. */
  readonly start: number;
  readonly end: number;
  /** When the authority is to be asked again: 1 minute to 1 day. */
  readonly retryAfterMs: number;
  /** A page of the authority that gives the reason; "" for none. */
  readonly explanationUrl: string;
}

/**
 * The name of a certificate in renewal information and in `replaces`; "" where the certificate does not name its
 * issuer's key, or names it in bytes that OpenSSL reads and DER does not allow.
 */
export function certificateId(certificate: X509Certificate): string {
  try {
    const issuerKey = authorityKeyIdentifier(certificate);
    if (issuerKey === null) return "";
    return `${issuerKey.toString("base64url")}.${serialBytes(certificate).toString("base64url")}`;
  } catch (error) {
    if (error instanceof RangeError) return "";
    throw error;
  }
}

/** Reads a window. Throws AcmeError where it is none. */
export function readRenewalWindow(response: AuthorityResponse, nowMs: number): RenewalWindow {
  const suggested = asObject(response.object?.["suggestedWindow"]);
  const start = Date.parse(asText(suggested?.["start"]));
  const end = Date.parse(asText(suggested?.["end"]));
  // An end that is not after the start is to be ignored (RFC 9773 §4.2).
  if (!(end > start)) throw fault("malformedResponse", "renewal information without a window");
  const asked = retryAfterMs(response.retryAfter, nowMs);
  return {
    start,
    end,
    retryAfterMs: asked === 0 ? USUAL_ASK_MS : Math.max(asked, MIN_ASK_MS),
    explanationUrl: printable(asText(response.object?.["explanationURL"])),
  };
}
