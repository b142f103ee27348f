// What an authority refuses, and what it says wrongly: problem documents (RFC 7807, RFC 8555 §6.7) as errors.

import type { Identifier } from "./identifier.ts";

/** One cause of an error, for one identifier (RFC 8555 §6.7.1). */
export interface Subproblem {
  readonly type: string;
  readonly detail: string;
  readonly identifier: Identifier | null;
}

export interface Problem {
  /** "rateLimited", without the prefix of ACME's URN; "connection", "malformedResponse" and "timeout" are ours. */
  readonly type: string;
  /** One line of printable text. */
  readonly detail: string;
  /** The response's status; 0 without a response. */
  readonly status: number;
  /** How long the authority asks to wait; 0: it does not say. */
  readonly retryAfterMs: number;
  readonly subproblems: readonly Subproblem[];
}

/** A request to an authority, or an order, that failed. Its message is one line and safe to log. */
export class AcmeError extends Error implements Problem {
  readonly type: string;
  readonly detail: string;
  readonly status: number;
  readonly retryAfterMs: number;
  readonly subproblems: readonly Subproblem[];
  /** The same request may succeed later without a change of the configuration. */
  readonly isRetryable: boolean;

  constructor(problem: Problem, what: string) {
    const causes = problem.subproblems.map(
      ({ identifier, detail }) => `; ${identifier?.value ?? "?"}: ${detail}`,
    );
    super(`${what}: ${problem.type}: ${problem.detail}${causes.join("")}`);
    this.name = "AcmeError";
    this.type = problem.type;
    this.detail = problem.detail;
    this.status = problem.status;
    this.retryAfterMs = problem.retryAfterMs;
    this.subproblems = problem.subproblems;
    this.isRetryable = !PERMANENT.has(problem.type);
  }
}

/** Types that only a changed configuration cures (RFC 8555 §6.7). */
const PERMANENT: ReadonlySet<string> = new Set([
  "accountDoesNotExist",
  "badCSR",
  "badPublicKey",
  "badSignatureAlgorithm",
  "externalAccountRequired",
  "invalidContact",
  "invalidProfile",
  "rejectedIdentifier",
  "unauthorized",
  "unsupportedContact",
  "unsupportedIdentifier",
  "userActionRequired",
]);
