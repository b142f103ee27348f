// Answers that the front makes itself: for errors of the table, and for `OPTIONS *`. Each is made once.

import { ALLOWED_METHODS, type HttpError } from "../http/error.ts";
import type { ResponseHead } from "../http/message.ts";
import { responseHead } from "../http/response-head.ts";
import { reasonPhrase } from "../http/status.ts";

export interface Answer {
  readonly head: ResponseHead;
  readonly body: Buffer;
}

const answers = new WeakMap<HttpError, Answer>();

/** A short text for a person, and the code that the log has. */
export function errorAnswer(error: HttpError): Answer {
  const known = answers.get(error);
  if (known !== undefined) return known;
  const fields: [string, string][] = [["Content-Type", "text/plain; charset=utf-8"]];
  if (error.retryAfter > 0) fields.push(["Retry-After", String(error.retryAfter)]);
  if (error.allow !== "") fields.push(["Allow", error.allow]);
  const answer = {
    head: responseHead(error.status, reasonPhrase(error.status), fields),
    body: Buffer.from(
      `${error.status} ${reasonPhrase(error.status)}\n${error.text} (${error.code})\n`,
    ),
  };
  answers.set(error, answer);
  return answer;
}

/** What `OPTIONS *` gets. RFC 9110 §9.3.7. */
export const SERVER_OPTIONS: Answer = {
  head: responseHead(200, "OK", [["Allow", ALLOWED_METHODS]]),
  body: Buffer.alloc(0),
};
