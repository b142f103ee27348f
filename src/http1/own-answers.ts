// Answers that the front makes itself: for errors of the table, for `OPTIONS *` and for TRACE. Each is
// made once.

import { ALLOWED_METHODS, ERRORS, type HttpError } from "../http/error.ts";
import type { Exchange } from "../http/exchange.ts";
import type { ResponseHead } from "../http/message.ts";
import { responseHead } from "../http/response-head.ts";
import { reasonPhrase } from "../http/status.ts";

interface Answer {
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
  const head = responseHead(error.status, reasonPhrase(error.status), fields);
  const answer = {
    head: error.offersWebSocket ? withUpgrade(head) : head,
    body: Buffer.from(
      `${error.status} ${reasonPhrase(error.status)}\n${error.text} (${error.code})\n`,
    ),
  };
  answers.set(error, answer);
  return answer;
}

// Fields that no other head of an answer may have.
function withUpgrade(head: ResponseHead): ResponseHead {
  const names = [...head.names, "Sec-WebSocket-Version", "Upgrade", "Connection"];
  return { ...head, names, values: [...head.values, "13", "websocket", "Upgrade"] };
}

const SERVER_OPTIONS: Answer = {
  head: responseHead(200, "OK", [["Allow", ALLOWED_METHODS]]),
  body: Buffer.alloc(0),
};

/**
 * Answers what is for the server and no application: `OPTIONS *` (RFC 9110 §9.3.7), and TRACE, which would
 * show a client fields that are meant for nobody. False: it is for an application.
 */
export function answerItself(exchange: Exchange): boolean {
  if (exchange.head.path === "*") exchange.respond(SERVER_OPTIONS.head, SERVER_OPTIONS.body);
  else if (exchange.head.method === "TRACE") exchange.fail(ERRORS.METHOD_TRACE);
  else return false;
  return true;
}
