// Heads of answers as text (RFC 9112 §4, §5). Pure. What a head always says is made once and kept by
// the head's identity; what depends on the exchange and the connection is added behind it.

import { currentDate } from "../http/date.ts";
import type { FieldSection } from "../http/field-section.ts";
import type { ResponseHead } from "../http/message.ts";
import { reasonPhrase } from "../http/status.ts";

export const CONTINUE = "HTTP/1.1 100 Continue\r\n\r\n";

// What a connection adds, as whole lines.
export const CLOSE = "Connection: close\r\n";
export const KEEP_ALIVE = "Connection: keep-alive\r\n";
export const CHUNKED = "Transfer-Encoding: chunked\r\n";

export const LAST_CHUNK = "0\r\n\r\n";

interface FixedText {
  readonly text: string;
  /** The head's own X-Request-ID lines, "" if none. */
  readonly requestIds: string;
}

const fixedTexts = new WeakMap<ResponseHead, FixedText>();

/**
 * The head with its empty line, latin-1. `requestId`: "" = none, else it stands for the head's own;
 * `length`: Content-Length where the head has none, -1 = no such field; `lines`: what the connection
 * adds.
 */
export function headText(
  head: ResponseHead,
  requestId: string,
  length: number,
  lines: string,
): string {
  let fixed = fixedTexts.get(head);
  if (fixed === undefined) {
    fixed = fixedText(head);
    fixedTexts.set(head, fixed);
  }
  let text = fixed.text;
  if (!head.hasDate) text += `Date: ${currentDate()}\r\n`;
  if (requestId !== "") text += `X-Request-ID: ${requestId}\r\n`;
  else text += fixed.requestIds;
  if (length >= 0 && head.contentLength === null) text += `Content-Length: ${length}\r\n`;
  return `${text}${lines}\r\n`;
}

/** The line before a chunk's bytes. */
export function chunkLine(bytes: number): string {
  return `${bytes.toString(16)}\r\n`;
}

/** An interim answer before the final one (RFC 8297). */
export function earlyHintText(fields: FieldSection): string {
  return `HTTP/1.1 103 Early Hints\r\n${fieldLines(fields)}\r\n`;
}

/** The last chunk with its trailer section (RFC 9112 §7.1.2). */
export function lastChunkText(trailers: FieldSection): string {
  return `0\r\n${fieldLines(trailers)}\r\n`;
}

function fieldLines({ names, values }: FieldSection): string {
  return names.map((name, index) => `${name}: ${values[index] ?? ""}\r\n`).join("");
}

function fixedText(head: ResponseHead): FixedText {
  const reason = head.reason === "" ? reasonPhrase(head.status) : head.reason;
  let text = `HTTP/1.1 ${head.status} ${reason}\r\n`;
  let requestIds = "";
  for (let i = 0; i < head.names.length; i += 1) {
    const name = head.names[i] ?? "";
    const line = `${name}: ${head.values[i] ?? ""}\r\n`;
    const lower = name.toLowerCase();
    if (lower === "x-request-id") requestIds += line;
    // A 204 has no length, whatever the application says. RFC 9110 §8.6.
    else if (head.status !== 204 || lower !== "content-length") text += line;
  }
  if (!head.hasServer) text += "Server: typhon\r\n";
  return { text, requestIds };
}
