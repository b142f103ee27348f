// What an authority refuses, and what it says wrongly: problem documents (RFC 7807, RFC 8555 §6.7) as errors.
// An authority's texts are made printable here, so each message is safe to log.

import type { Identifier } from "./identifier.ts";
import { asObject, asObjects, asText, printable, type JsonObject } from "./json.ts";

const URN = "urn:ietf:params:acme:error:";
/** Most causes of one error that are kept: an order has at most 100 identifiers. */
const MAX_SUBPROBLEMS = 100;
/** Most causes in one message. */
const MAX_TOLD = 5;

/** Types that only a changed configuration or account cures. */
const PERMANENT: ReadonlySet<string> = new Set([
  "accountDoesNotExist",
  "badCSR",
  "badPublicKey",
  "badSignatureAlgorithm",
  "externalAccountRequired",
  "invalidContact",
  "invalidProfile",
  "noChallenge",
  "rejectedIdentifier",
  "unauthorized",
  "unsupportedContact",
  "unsupportedIdentifier",
  "userActionRequired",
]);

/** One cause of an error, for one identifier (RFC 8555 §6.7.1). */
export interface Subproblem {
  readonly type: string;
  readonly detail: string;
  readonly identifier: Identifier | null;
}

export interface Problem {
  /**
   * "rateLimited" and the others of RFC 8555 §6.7, without the prefix. Ours: "connection", "timeout",
   * "malformedResponse", "noChallenge", "challengeFailed".
   */
  readonly type: string;
  /** One line of printable text. */
  readonly detail: string;
  /** The response's status; 0 without a response. */
  readonly status: number;
  /** How long the authority asks to wait; 0: it does not say. */
  readonly retryAfterMs: number;
  readonly subproblems: readonly Subproblem[];
}

/** A request to an authority, or an order, that failed. */
export class AcmeError extends Error implements Problem {
  readonly type: string;
  readonly detail: string;
  readonly status: number;
  readonly retryAfterMs: number;
  readonly subproblems: readonly Subproblem[];
  /** Whether the same request may succeed later, with the same configuration. */
  readonly isRetryable: boolean;

  constructor(problem: Problem) {
    const told = problem.subproblems.slice(0, MAX_TOLD).map(describe);
    const more = problem.subproblems.length - told.length;
    if (more > 0) told.push(`and ${more} more`);
    super([`${problem.type}: ${problem.detail}`, ...told].join("; "));
    this.name = "AcmeError";
    this.type = problem.type;
    this.detail = problem.detail;
    this.status = problem.status;
    this.retryAfterMs = problem.retryAfterMs;
    this.subproblems = problem.subproblems;
    this.isRetryable = !PERMANENT.has(problem.type);
  }
}

function describe({ type, detail, identifier }: Subproblem): string {
  return `${identifier?.value ?? "all names"}: ${type}: ${detail}`;
}

/** An error of our own finding, without a problem document. */
export function fault(type: string, detail: string, status = 0): AcmeError {
  return new AcmeError({
    type,
    detail: printable(detail),
    status,
    retryAfterMs: 0,
    subproblems: [],
  });
}

/** The type and text of a problem document. */
export function problemText(document: JsonObject | null): {
  readonly type: string;
  readonly detail: string;
} {
  const type = printable(asText(document?.["type"]));
  return {
    type: type.startsWith(URN) ? type.slice(URN.length) : type || "malformedResponse",
    detail: printable(asText(document?.["detail"])) || "without a reason",
  };
}

/** A response's problem document as an error; null: the response has none. */
export function problemError(
  document: JsonObject | null,
  status: number,
  retryAfterMs: number,
): AcmeError {
  const causes = asObjects(document?.["subproblems"]).slice(0, MAX_SUBPROBLEMS);
  const { type, detail } =
    document === null
      ? { type: "malformedResponse", detail: `status ${status} without a problem document` }
      : problemText(document);
  return new AcmeError({
    type,
    detail,
    status,
    retryAfterMs,
    subproblems: causes.map((cause) => ({
      ...problemText(cause),
      identifier: readIdentifier(cause["identifier"]),
    })),
  });
}

/** The identifier in an authority's object, made printable; null: none of a kind that we order. */
export function readIdentifier(value: unknown): Identifier | null {
  const object = asObject(value);
  const type = object?.["type"];
  if (type !== "dns" && type !== "ip") return null;
  return { type, value: printable(asText(object?.["value"])) };
}
