// What a request for a file gets: all of its bytes, parts of them, or none (RFC 9110 §13, §14). Pure: sees heads
// and lengths, never bytes. The whole response's head is the base of all others, so that fields which an
// application or a policy has set are in each of them.

import { randomBytes } from "node:crypto";

import { evaluateConditions, isRangeCurrent, type Validators } from "./conditions.ts";
import { ERRORS, type HttpError } from "./error.ts";
import { HAS_CONDITION, HAS_RANGE, type RequestHead, type ResponseHead } from "./message.ts";
import { contentRange, multipart, selectRanges, type ByteRange } from "./ranges.ts";
import { responseHead } from "./response-head.ts";
import { reasonPhrase } from "./status.ts";

/** Something that a GET may get. */
export interface Representation extends Validators {
  /** Of a GET without conditions and ranges, with Content-Length. */
  readonly head: ResponseHead;
  readonly length: number;
}

/** A part of the body: bytes of the representation, or a text between them. */
type BodyPart = ByteRange | string;

export type Selection =
  | "whole"
  | "not-modified"
  | { readonly kind: "error"; readonly error: HttpError }
  | { readonly kind: "parts"; readonly head: ResponseHead; readonly parts: readonly BodyPart[] };

/** Fields of a 200 response that describe its body, and do not belong to a 304. RFC 9110 §15.4.5. */
const OF_BODY: ReadonlySet<string> = new Set([
  "accept-ranges",
  "content-encoding",
  "content-language",
  "content-length",
  "content-range",
  "content-type",
  "x-content-type-options",
]);

/** Evaluates conditions, then ranges. `now`: seconds since 1970. */
export function select(request: RequestHead, current: Representation, now: number): Selection {
  if ((request.fields & HAS_CONDITION) !== 0) {
    const verdict = evaluateConditions(request, current);
    if (verdict === "not-modified") return "not-modified";
    if (verdict === "failed") return { kind: "error", error: ERRORS.PRECONDITION_FAILED };
  }
  // Only GET has ranges. RFC 9110 §14.2.
  if ((request.fields & HAS_RANGE) === 0 || request.method !== "GET") return "whole";
  if (!isRangeCurrent(request, current, now)) return "whole";
  const value = request.values[request.names.indexOf("range")] ?? "";
  const ranges = selectRanges(value, current.length);
  if (ranges === "whole") return "whole";
  if (ranges === "unsatisfiable") return { kind: "error", error: unsatisfiable(current.length) };
  return partsOf(current, ranges);
}

/** The head of a 304 for a representation. RFC 9110 §15.4.5. */
export function notModifiedHead(head: ResponseHead): ResponseHead {
  const kept = pairsOf(head).filter(([name]) => !OF_BODY.has(name.toLowerCase()));
  return responseHead(304, reasonPhrase(304), kept);
}

function partsOf({ head, length }: Representation, ranges: readonly ByteRange[]): Selection {
  const pairs = pairsOf(head);
  const [first, second] = ranges;
  if (first !== undefined && second === undefined) {
    const changed = { "content-length": String(first.end - first.start) };
    const added = [["Content-Range", contentRange(first, length)]] as const;
    return { kind: "parts", head: partial(pairs, changed, added), parts: ranges };
  }
  const type = pairs.find(([name]) => name.toLowerCase() === "content-type")?.[1] ?? "";
  const body = multipart(ranges, length, type, randomBytes(16).toString("hex"));
  const changed = { "content-length": String(body.length), "content-type": body.contentType };
  const parts = ranges.flatMap((range, index) => [body.heads[index] ?? "", range]);
  return { kind: "parts", head: partial(pairs, changed, []), parts: [...parts, body.tail] };
}

function partial(
  pairs: readonly (readonly [string, string])[],
  changed: Readonly<Record<string, string>>,
  added: readonly (readonly [string, string])[],
): ResponseHead {
  const fields = pairs.map(
    ([name, value]) => [name, changed[name.toLowerCase()] ?? value] as const,
  );
  return responseHead(206, reasonPhrase(206), [...fields, ...added]);
}

function pairsOf({ names, values }: ResponseHead): (readonly [string, string])[] {
  return names.map((name, index) => [name, values[index] ?? ""] as const);
}

function unsatisfiable(length: number): HttpError {
  const fields = [["Content-Range", contentRange(null, length)]] as const;
  return { ...ERRORS.RANGE_UNSATISFIABLE, fields };
}
