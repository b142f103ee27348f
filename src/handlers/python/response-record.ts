// Records of a worker about a response (docs/worker-protocol.md): heads, early hints, trailers, acceptances
// of a WebSocket. Each is a text of parts with NUL between them. What the fields may be is decided in http/.
// Applications repeat their heads, so heads are cached by their record, bounded.

import { connectionKind, type DroppedFields } from "../../http/connection-fields.ts";
import { checkedHint, checkedTrailers, type FieldSection } from "../../http/field-section.ts";
import type { ResponseHead } from "../../http/message.ts";
import { checkedHead, quote, ResponseFault } from "../../http/response-head.ts";

/** Records in each of the cache's two generations, and the longest one kept. */
const MAX_CACHED_RECORDS = 512;
const MAX_CACHED_RECORD_LENGTH = 2048;

const EARLY_HINTS = "103 Early Hints";

/** A head, and how many fields its record has. */
type KnownHead = readonly [head: ResponseHead, count: number];

// Two generations: a record that is asked for moves into the younger one, so that heads that never repeat
// push out only one another.
class KnownHeads {
  #recent = new Map<string, KnownHead>();
  #older = new Map<string, KnownHead>();

  get(record: string): KnownHead | undefined {
    const known = this.#recent.get(record);
    if (known !== undefined) return known;
    const old = this.#older.get(record);
    if (old !== undefined) this.keep(record, old);
    return old;
  }

  keep(record: string, known: KnownHead): void {
    if (record.length > MAX_CACHED_RECORD_LENGTH) return;
    if (this.#recent.size >= MAX_CACHED_RECORDS) {
      this.#older = this.#recent;
      this.#recent = new Map();
    }
    this.#recent.set(record, known);
  }
}

const KNOWN: Readonly<Record<DroppedFields, KnownHeads>> = {
  restated: new KnownHeads(),
  any: new KnownHeads(),
};

/**
 * Splits `first NUL name NUL value …` with `count` fields; names and values stand index for index. Throws
 * ResponseFault.
 */
export function splitRecord(
  record: string,
  count: number,
): FieldSection & { readonly first: string } {
  const parts = record.split("\0");
  if (parts.length !== 2 * count + 1) throw wrongCount(count);
  const names: string[] = [];
  const values: string[] = [];
  for (let i = 1; i < parts.length; i += 2) {
    names.push(parts[i] ?? "");
    values.push(parts[i + 1] ?? "");
  }
  return { first: parts[0] ?? "", names, values };
}

/** Reads `status NUL name NUL value …`. The same record gives the same object. Throws ResponseFault. */
export function parseResponseHead(
  record: string,
  count: number,
  dropped: DroppedFields = "restated",
): ResponseHead {
  const heads = KNOWN[dropped];
  let known = heads.get(record);
  if (known === undefined) {
    known = [readHead(record, count, dropped), count];
    heads.keep(record, known);
  }
  const [head, knownCount] = known;
  if (knownCount !== count) throw wrongCount(count);
  return head;
}

/** Reads `103 Early Hints NUL name NUL value …` (RFC 8297). Throws ResponseFault. */
export function parseEarlyHint(record: string, count: number): FieldSection {
  const { first, names, values } = splitRecord(record, count);
  if (first !== EARLY_HINTS) throw new ResponseFault("an early hint has the status 103");
  return checkedHint({ names, values });
}

/** Reads `name NUL value NUL name NUL value …`. Throws ResponseFault. */
export function parseTrailers(record: string, count: number): FieldSection {
  // A record without fields has no NUL.
  const { names, values } = splitRecord(record === "" ? "" : `\0${record}`, count);
  return checkedTrailers({ names, values });
}

function readHead(record: string, count: number, dropped: DroppedFields): ResponseHead {
  const { first, names, values } = splitRecord(record, count);
  if (!/^[2-5]\d\d(?: |$)/.test(first))
    throw new ResponseFault(`the status ${quote(first)} is not "200 OK" … "599 Reason"`);
  const status = Number(first.slice(0, 3));
  const reason = first.slice(4);
  const kept = { names: [] as string[], values: [] as string[] };
  const options: string[] = [];
  for (const [index, name] of names.entries()) {
    const value = values[index] ?? "";
    const kind = connectionKind(name, value, dropped);
    if (kind === "option") options.push(value);
    if (kind !== "sent") continue;
    kept.names.push(name);
    kept.values.push(value);
  }
  return checkedHead(status, reason, kept, options.join());
}

function wrongCount(count: number): ResponseFault {
  return new ResponseFault(`there are not ${count} fields: a name or a value holds NUL`);
}
