// Responses as text (RFC 9112 §4, §5, §7). Pure. The fixed text of a head is made once and cached by the head
// object; the fields of one response and of the connection are appended.

import type { FieldSection } from "../http/field-section.ts";
import type { ResponseHead } from "../http/message.ts";
import { addResponseFields, fixedFields } from "../http/server-fields.ts";
import { reasonPhrase } from "../http/status.ts";

export const CONTINUE = "HTTP/1.1 100 Continue\r\n\r\n";

// Fields of the connection, as complete lines.
export const CLOSE = "Connection: close\r\n";
export const KEEP_ALIVE = "Connection: keep-alive\r\n";
export const CHUNKED = "Transfer-Encoding: chunked\r\n";

const fixedTexts = new WeakMap<ResponseHead, string>();

/**
 * The head with its empty line, latin-1. `requestId`: "" = none; `length`: Content-Length to add to the head's
 * fields, -1 = none; `lines`: the connection's fields; `hsts`: "" = none.
 */
export function headText(
  head: ResponseHead,
  requestId: string,
  length: number,
  lines: string,
  hsts = "",
): string {
  let fixed = fixedTexts.get(head);
  if (fixed === undefined) {
    fixed = fixedText(head);
    fixedTexts.set(head, fixed);
  }
  const text = addResponseFields(fixed, addLine, head, requestId, hsts);
  if (length < 0) return `${text}${lines}\r\n`;
  return `${text}Content-Length: ${length}\r\n${lines}\r\n`;
}

/** The line before a chunk's bytes. */
export function chunkLine(bytes: number): string {
  return `${bytes.toString(16)}\r\n`;
}

/** An interim response before the final one (RFC 8297). */
export function earlyHintText(fields: FieldSection): string {
  return `HTTP/1.1 103 Early Hints\r\n${fieldLines(fields)}\r\n`;
}

/** The last chunk with its trailer section, if any (RFC 9112 §7.1.2). */
export function lastChunkText(trailers: FieldSection | null): string {
  return trailers === null ? "0\r\n\r\n" : `0\r\n${fieldLines(trailers)}\r\n`;
}

function fieldLines({ names, values }: FieldSection): string {
  return names.reduce((text, name, index) => addLine(text, name, values[index] ?? ""), "");
}

function addLine(text: string, name: string, value: string): string {
  return `${text}${name}: ${value}\r\n`;
}

function fixedText(head: ResponseHead): string {
  const reason = head.reason === "" ? reasonPhrase(head.status) : head.reason;
  return `HTTP/1.1 ${head.status} ${reason}\r\n${fieldLines(fixedFields(head))}${offerLines(head)}`;
}

/** A 426 response names the wanted protocol in Upgrade, which needs Connection: Upgrade. RFC 9110 §15.5.22. */
function offerLines({ status, names }: ResponseHead): string {
  const offersWebSocket = names.some((name) => name.toLowerCase() === "sec-websocket-version");
  return status === 426 && offersWebSocket ? "Upgrade: websocket\r\nConnection: Upgrade\r\n" : "";
}
