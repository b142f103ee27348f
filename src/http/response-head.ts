// Heads of answers: read from a worker's record (docs/worker-protocol.md, "The head of an answer"), or
// made by the front. Everything that could split or bend a message is a fault here, whatever the HTTP
// version that carries it. Applications repeat their heads, so records are cached, bounded.

import { endOf, FIELD_VALUE, isAllOf, DIGIT } from "./grammar.ts";
import {
  CONNECTION,
  CONTENT_LENGTH,
  DATE,
  fieldName,
  HOP_BY_HOP,
  SERVER,
  TRANSFER_ENCODING,
} from "./headers.ts";
import type { ResponseHead } from "./message.ts";

/** Fields of one answer; browsers and proxies take about as many. */
export const MAX_RESPONSE_FIELDS = 256;
/** Records in each of the cache's two generations, and the longest one kept. */
const MAX_CACHED_RECORDS = 512;
const MAX_CACHED_RECORD_LENGTH = 2048;
const MAX_QUOTED_CHARACTERS = 60;

/** An answer that must not be sent; the message names the fault for the log, bytes escaped. */
export class ResponseFault extends Error {}

/**
 * What becomes of Transfer-Encoding, Connection and Keep-Alive from an application. "refuse": a fault, as
 * PEP 3333 has it. "drop": they are not sent, as ASGI has it for Transfer-Encoding; the others stand in
 * most examples of event streams. `Connection: close` is obeyed then.
 */
export type ConnectionFields = "refuse" | "drop";

interface Known {
  readonly head: ResponseHead;
  readonly count: number;
}

// Two generations: what is asked for moves into the younger one, so that heads that never repeat push
// out only one another.
class KnownHeads {
  #recent = new Map<string, Known>();
  #older = new Map<string, Known>();

  get(record: string): Known | undefined {
    const known = this.#recent.get(record);
    if (known !== undefined) return known;
    const old = this.#older.get(record);
    if (old !== undefined) this.keep(record, old);
    return old;
  }

  keep(record: string, known: Known): void {
    if (record.length > MAX_CACHED_RECORD_LENGTH) return;
    if (this.#recent.size >= MAX_CACHED_RECORDS) {
      this.#older = this.#recent;
      this.#recent = new Map();
    }
    this.#recent.set(record, known);
  }
}

const KNOWN: Readonly<Record<ConnectionFields, KnownHeads>> = {
  refuse: new KnownHeads(),
  drop: new KnownHeads(),
};

/**
 * Reads `status NUL name NUL value …` with `count` fields. The same record gives the same object.
 * Throws ResponseFault.
 */
export function parseResponseHead(
  record: string,
  count: number,
  connectionFields: ConnectionFields = "refuse",
): ResponseHead {
  const heads = KNOWN[connectionFields];
  let known = heads.get(record);
  if (known === undefined) {
    known = { head: readRecord(record, count, connectionFields), count };
    heads.keep(record, known);
  }
  if (known.count !== count) throw wrongCount(count);
  return known.head;
}

/** The head of an answer that the front makes. Throws ResponseFault, which would be a fault of ours. */
export function responseHead(
  status: number,
  reason: string,
  fields: readonly (readonly [name: string, value: string])[],
): ResponseHead {
  return checkHead(
    status,
    reason,
    fields.map(([name]) => name),
    fields.map(([, value]) => value),
  );
}

/** Whether an answer to this method with this status has a body on the wire. RFC 9112 §6.3. */
export function mayHaveBody(method: string, status: number): boolean {
  return method !== "HEAD" && status !== 204 && status !== 304;
}

function readRecord(
  record: string,
  count: number,
  connectionFields: ConnectionFields,
): ResponseHead {
  const parts = record.split("\0");
  if (parts.length !== 2 * count + 1) throw wrongCount(count);
  const line = parts[0] ?? "";
  if (!/^[2-5]\d\d(?: |$)/.test(line))
    throw new ResponseFault(`the status ${quote(line)} is not "200 OK" … "599 Reason"`);
  const names: string[] = [];
  const values: string[] = [];
  let closes = false;
  for (let i = 1; i < parts.length; i += 2) {
    const name = parts[i] ?? "";
    const value = parts[i + 1] ?? "";
    if (connectionFields === "drop" && isOfConnection(name)) closes ||= saysClose(name, value);
    else {
      names.push(name);
      values.push(value);
    }
  }
  const head = checkHead(Number(line.slice(0, 3)), line.slice(4), names, values);
  return closes ? { ...head, closes } : head;
}

function checkHead(
  status: number,
  reason: string,
  names: readonly string[],
  values: readonly string[],
): ResponseHead {
  if (!isFieldValue(reason))
    throw new ResponseFault(`the reason ${quote(reason)} holds control characters`);
  if (names.length > MAX_RESPONSE_FIELDS)
    throw new ResponseFault(`${names.length} fields are more than ${MAX_RESPONSE_FIELDS}`);
  let contentLength: number | null = null;
  let kinds = 0;
  for (let i = 0; i < names.length; i += 1) {
    const value = values[i] ?? "";
    const kind = checkField(names[i] ?? "", value);
    if ((kind & CONTENT_LENGTH) !== 0) {
      if (contentLength !== null) throw new ResponseFault("there are two Content-Length fields");
      contentLength = readContentLength(value);
    }
    kinds |= kind;
  }
  return {
    status,
    reason,
    names,
    values,
    contentLength,
    hasDate: (kinds & DATE) !== 0,
    hasServer: (kinds & SERVER) !== 0,
    closes: false,
  };
}

function isOfConnection(name: string): boolean {
  const field = fieldName(name);
  if (field === null) return false;
  return (field.kind & (CONNECTION | TRANSFER_ENCODING)) !== 0 || field.lower === "keep-alive";
}

function saysClose(name: string, value: string): boolean {
  return name.toLowerCase() === "connection" && /(?:^|,)[ \t]*close[ \t]*(?:,|$)/i.test(value);
}

/** Returns the kind of a field that may be sent (headers.ts). Throws ResponseFault. */
export function checkField(name: string, value: string): number {
  const field = fieldName(name);
  if (field === null) throw new ResponseFault(`the field name ${quote(name)} is not a token`);
  if ((field.kind & HOP_BY_HOP) !== 0)
    throw new ResponseFault(`${field.lower} is the server's to send (hop-by-hop)`);
  if (!isFieldValue(value))
    throw new ResponseFault(`the value of ${name} holds control characters: ${quote(value)}`);
  return field.kind;
}

function isFieldValue(value: string): boolean {
  return endOf(value, 0, FIELD_VALUE) === value.length;
}

function readContentLength(value: string): number {
  const length = isAllOf(value, DIGIT) ? Number(value) : Number.NaN;
  if (!Number.isSafeInteger(length))
    throw new ResponseFault(`Content-Length ${quote(value)} is not a decimal number`);
  return length;
}

function wrongCount(count: number): ResponseFault {
  return new ResponseFault(`the head does not hold ${count} fields: a name or a value holds NUL`);
}

// For a log line: printable ASCII between quotes, all else escaped, shortened.
function quote(text: string): string {
  const cut = text.slice(0, MAX_QUOTED_CHARACTERS);
  const escaped = cut.replaceAll(
    /[^ !#-[\]-~]/g,
    (character) => `\\x${character.charCodeAt(0).toString(16).padStart(2, "0")}`,
  );
  return cut.length < text.length ? `"${escaped}…"` : `"${escaped}"`;
}
