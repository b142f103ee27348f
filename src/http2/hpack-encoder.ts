// Encodes the response heads and trailers of one connection (RFC 7541).
//
// A head is one object for many responses. Its fixed fields are encoded once and kept, as long as the table does
// not change; Date and X-Request-ID are added to each response. For this the table comes to rest: a field is
// added only where there is room, so that nothing leaves the table but by the peer's setting, and a name has few
// values in it, so that a field which differs each time (a nonce, a duration) cannot fill it.

import type { FieldSection } from "../http/field-section.ts";
import type { ResponseHead } from "../http/message.ts";
import { addResponseFields, fixedFields } from "../http/server-fields.ts";
import { HpackOutput } from "./hpack-output.ts";
import {
  DEFAULT_TABLE_BYTES,
  DynamicTable,
  FIRST_DYNAMIC_INDEX,
  headerField,
  STATIC_TABLE,
} from "./hpack-tables.ts";

/** Most values of one name in the table: an application has about so many content types. */
const MAX_VALUES_OF_NAME = 8;
/** A field of more than this part of the table is not added: a policy of a page fits, four of them fill it. */
const LARGEST_PART = 1 / 4;
/** Heads of which a connection keeps the bytes, and the most bytes of one. */
const MAX_KEPT_HEADS = 8;
const MAX_KEPT_HEAD_BYTES = 512;
/** Names of which the process keeps how they are encoded; an application uses some hundred at most. */
const MAX_KEPT_NAMES = 512;
const MAX_KEPT_NAME_LENGTH = 64;

// First bits of the representations of a field, and the bits of an index after them. RFC 7541 §6.
const FIELD_OF_TABLE = 0x80;
const INDEXED = 0x40;
const SIZE_UPDATE = 0x20;
const NEVER_INDEXED = 0x10;
const NOT_INDEXED = 0x00;
type Literal = typeof INDEXED | typeof NEVER_INDEXED | typeof NOT_INDEXED;

/** Secrets, which no intermediary may put into its table. RFC 7541 §7.1.3. */
const SECRET = new Set(["authorization", "cookie", "proxy-authorization", "set-cookie"]);
/** Fields that differ from response to response. */
const CHANGING = new Set(
  `age content-length content-location content-range date etag expires last-modified location retry-after
  x-request-id`.split(/\s+/),
);

/** How a field of this name is encoded. */
interface NamePlan {
  readonly lower: string;
  readonly literal: Literal;
  /** Index of the name in the static table, 0 = none. */
  readonly index: number;
  /** The name as a string. */
  readonly string: Uint8Array;
}

/** A head that this connection has sent. */
interface KeptHead {
  head: ResponseHead | null;
  /** Its encoded fixed fields, good while the table has this `version`; null before the second response. */
  bytes: Uint8Array | null;
  version: number;
}

/** Version of a head that was not sent before. */
const NEW = -1;

const plans = new Map<string, NamePlan>();
const scratch = new HpackOutput();
const STATUS = planOf(":status");
const CONTENT_LENGTH = planOf("content-length");

// The last Date, encoded. It changes once a second.
let date = "";
let dateBytes: Uint8Array = new Uint8Array(0);

/** Each block must be sent, in the order of encoding: the peer's table follows the blocks. */
export class HpackEncoder {
  readonly #table = new DynamicTable();
  readonly #hsts: string;
  /** Changes with the table: an index means something else then. */
  #version = 0;
  /** The table's size as the peer's settings allow, and the smallest since the last block. */
  #maxBytes = DEFAULT_TABLE_BYTES;
  #smallestBytes = DEFAULT_TABLE_BYTES;
  #hasNewSize = false;
  readonly #kept: KeptHead[] = [];
  #nextKept = 0;

  /** `hsts`: Strict-Transport-Security of each response, "" = none. */
  constructor(hsts = "") {
    this.#hsts = hsts;
  }

  /** Takes the peer's SETTINGS_HEADER_TABLE_SIZE; the next block says the size that we use. RFC 7541 §4.2. */
  setMaxTableBytes(maxTableBytes: number): void {
    this.#maxBytes = Math.min(maxTableBytes, DEFAULT_TABLE_BYTES);
    this.#smallestBytes = Math.min(this.#smallestBytes, this.#maxBytes);
    this.#hasNewSize = true;
  }

  /**
   * Appends the block of a response's head. `requestId`: "" = none; `length`: Content-Length to add to the head's
   * fields, -1 = none.
   */
  encodeHead(head: ResponseHead, requestId: string, length: number, output: HpackOutput): void {
    if (this.#hasNewSize) this.#updateSize(output);
    const kept = this.#keptOf(head);
    if (kept.bytes !== null && kept.version === this.#version) output.append(kept.bytes);
    else this.#encodeFixed(head, kept, output);
    if (length >= 0) writeLiteral(CONTENT_LENGTH, length.toString(), output);
    addResponseFields(output, addChanging, head, requestId, this.#hsts);
  }

  /** Appends the block of an interim response: 100, or 103 with the fields of an early hint. */
  encodeInterim(status: number, fields: FieldSection, output: HpackOutput): void {
    if (this.#hasNewSize) this.#updateSize(output);
    this.#encode(STATUS, status.toString(), output);
    this.#encodeFields(fields, output);
  }

  /** Appends the block of a trailer section. */
  encodeTrailers(fields: FieldSection, output: HpackOutput): void {
    if (this.#hasNewSize) this.#updateSize(output);
    this.#encodeFields(fields, output);
  }

  /** The smallest size tells the peer what has left the table, the last one what may come. */
  #updateSize(output: HpackOutput): void {
    if (this.#smallestBytes < this.#table.maxBytes) this.#resize(this.#smallestBytes, output);
    if (this.#maxBytes !== this.#table.maxBytes) this.#resize(this.#maxBytes, output);
    this.#smallestBytes = this.#maxBytes;
    this.#hasNewSize = false;
  }

  #resize(maxBytes: number, output: HpackOutput): void {
    output.integer(SIZE_UPDATE, 0x1f, maxBytes);
    this.#table.resize(maxBytes);
    this.#version += 1;
  }

  /** What is kept of the head; a new head takes the place of the one that came first. */
  #keptOf(head: ResponseHead): KeptHead {
    for (const kept of this.#kept) if (kept.head === head) return kept;
    if (this.#kept.length < MAX_KEPT_HEADS) {
      const kept = { head, bytes: null, version: NEW };
      this.#kept.push(kept);
      return kept;
    }
    const kept = this.#kept[this.#nextKept] ?? { head, bytes: null, version: NEW };
    this.#nextKept = (this.#nextKept + 1) % MAX_KEPT_HEADS;
    kept.head = head;
    kept.version = NEW;
    return kept;
  }

  #encodeFixed(head: ResponseHead, kept: KeptHead, output: HpackOutput): void {
    const version = this.#version;
    const start = output.length;
    this.#encode(STATUS, head.status.toString(), output);
    this.#encodeFields(fixedFields(head), output);
    // A head that is sent once is not copied, and bytes that add to the table are good for once.
    const isKept = kept.version !== NEW && version === this.#version;
    kept.bytes = isKept ? copyOf(output, start) : null;
    kept.version = this.#version;
    if (output.length - start > MAX_KEPT_HEAD_BYTES) kept.head = null;
  }

  #encodeFields({ names, values }: FieldSection, output: HpackOutput): void {
    for (let i = 0; i < names.length; i += 1)
      this.#encode(planOf(names[i] ?? ""), values[i] ?? "", output);
  }

  #encode(plan: NamePlan, value: string, output: HpackOutput): void {
    if (plan.literal !== INDEXED) {
      writeLiteral(plan, value, output);
      return;
    }
    for (let i = plan.index; i > 0 && STATIC_TABLE[i - 1]?.name === plan.lower; i += 1) {
      if (STATIC_TABLE[i - 1]?.value !== value) continue;
      output.integer(FIELD_OF_TABLE, 0x7f, i);
      return;
    }
    let { index } = plan;
    let values = 0;
    for (let i = 0; i < this.#table.length; i += 1) {
      const field = this.#table.at(i);
      if (field?.name !== plan.lower) continue;
      if (field.value === value) {
        output.integer(FIELD_OF_TABLE, 0x7f, FIRST_DYNAMIC_INDEX + i);
        return;
      }
      if (index === 0) index = FIRST_DYNAMIC_INDEX + i;
      values += 1;
    }
    const isAdded = values < MAX_VALUES_OF_NAME && this.#add(plan.lower, value);
    writeName(plan, isAdded ? INDEXED : NOT_INDEXED, index, output);
    // A field that is added is sent once, so that the shorter code is worth its time.
    if (isAdded) output.codedString(value);
    else output.string(value);
  }

  /** Adds the field to the table if there is room. */
  #add(name: string, value: string): boolean {
    const { bytes, maxBytes } = this.#table;
    const field = headerField(name, value);
    if (field.bytes > maxBytes * LARGEST_PART || bytes + field.bytes > maxBytes) return false;
    this.#table.add(field);
    this.#version += 1;
    return true;
  }
}

function writeName(plan: NamePlan, literal: Literal, index: number, output: HpackOutput): void {
  output.integer(literal, literal === INDEXED ? 0x3f : 0x0f, index);
  if (index === 0) output.append(plan.string);
}

function writeLiteral(plan: NamePlan, value: string, output: HpackOutput): void {
  writeName(plan, plan.literal, plan.index, output);
  output.string(value);
}

/** Writes a field that `addResponseFields` adds, and never into the table. */
function addChanging(output: HpackOutput, name: string, value: string): HpackOutput {
  if (name !== "Date") {
    const plan = planOf(name);
    writeName(plan, plan.literal === INDEXED ? NOT_INDEXED : plan.literal, plan.index, output);
    output.string(value);
  } else {
    if (value !== date) encodeDate(value);
    output.append(dateBytes);
  }
  return output;
}

function encodeDate(value: string): void {
  date = value;
  const plan = planOf("date");
  scratch.clear();
  writeName(plan, plan.literal, plan.index, scratch);
  scratch.codedString(value);
  dateBytes = copyOf(scratch, 0);
}

function planOf(name: string): NamePlan {
  const known = plans.get(name);
  if (known !== undefined) return known;
  const lower = name.toLowerCase();
  scratch.clear();
  scratch.codedString(lower);
  const plan: NamePlan = {
    lower,
    literal: SECRET.has(lower) ? NEVER_INDEXED : CHANGING.has(lower) ? NOT_INDEXED : INDEXED,
    index: STATIC_TABLE.findIndex((field) => field.name === lower) + 1,
    string: copyOf(scratch, 0),
  };
  if (plans.size < MAX_KEPT_NAMES && name.length <= MAX_KEPT_NAME_LENGTH) plans.set(name, plan);
  return plan;
}

/** What was written from `start`, in memory of its own. */
function copyOf({ bytes, length }: HpackOutput, start: number): Uint8Array {
  return new Uint8Array(bytes.subarray(start, length));
}
