// The tables of HPACK (RFC 7541 §2.3): the static one, and the dynamic one of each direction of a connection.
// A field of a table keeps its decoded strings and what the server knows of its name, so that a field which a
// peer sends as an index allocates nothing and is looked up nowhere. Pure.

import { type FieldName, fieldName } from "../http/headers.ts";

/** The size of a table before SETTINGS say otherwise (RFC 9113 §6.5.2), and the most that we use. */
export const DEFAULT_TABLE_BYTES = 4096;
/** What a field counts besides its name and value (RFC 7541 §4.1), in a table and in a field section. */
const FIELD_OVERHEAD_BYTES = 32;
/** Index of the first field of the dynamic table. */
export const FIRST_DYNAMIC_INDEX = 62;

/** One field line, latin-1. */
export interface HeaderField {
  /** As sent; one shared string if `known` has it. May be a pseudo-header field, or no valid name at all. */
  readonly name: string;
  readonly value: string;
  /** The name's kinds; null for a pseudo-header field and for a name that is no token. */
  readonly known: FieldName | null;
  /** Length of name and value, and FIELD_OVERHEAD_BYTES. */
  readonly bytes: number;
}

/** The field with this name and value. */
export function headerField(name: string, value: string): HeaderField {
  const known = fieldName(name);
  return {
    // The shared string; a name in upper case stays, because HTTP/2 refuses it.
    name: known !== null && known.lower === name ? known.lower : name,
    value,
    known,
    bytes: name.length + value.length + FIELD_OVERHEAD_BYTES,
  };
}

/** The field with the name of another one. */
export function withValue({ name, known }: HeaderField, value: string): HeaderField {
  return { name, value, known, bytes: name.length + value.length + FIELD_OVERHEAD_BYTES };
}

/** RFC 7541 Appendix A; the first has index 1. */
export const STATIC_TABLE: readonly HeaderField[] = [
  ":authority",
  ":method GET",
  ":method POST",
  ":path /",
  ":path /index.html",
  ":scheme http",
  ":scheme https",
  ":status 200",
  ":status 204",
  ":status 206",
  ":status 304",
  ":status 400",
  ":status 404",
  ":status 500",
  "accept-charset",
  "accept-encoding gzip, deflate",
  "accept-language",
  "accept-ranges",
  "accept",
  "access-control-allow-origin",
  "age",
  "allow",
  "authorization",
  "cache-control",
  "content-disposition",
  "content-encoding",
  "content-language",
  "content-length",
  "content-location",
  "content-range",
  "content-type",
  "cookie",
  "date",
  "etag",
  "expect",
  "expires",
  "from",
  "host",
  "if-match",
  "if-modified-since",
  "if-none-match",
  "if-range",
  "if-unmodified-since",
  "last-modified",
  "link",
  "location",
  "max-forwards",
  "proxy-authenticate",
  "proxy-authorization",
  "range",
  "referer",
  "refresh",
  "retry-after",
  "server",
  "set-cookie",
  "strict-transport-security",
  "transfer-encoding",
  "user-agent",
  "vary",
  "via",
  "www-authenticate",
].map((line) => {
  const end = line.indexOf(" ", 1);
  return end === -1 ? headerField(line, "") : headerField(line.slice(0, end), line.slice(end + 1));
});

/** The fields that were added last; the oldest leave when there is no room. A ring that grows with its fields. */
export class DynamicTable {
  /** Number of fields. */
  length = 0;
  /** Sum of the fields' bytes. */
  bytes = 0;
  maxBytes: number;
  // The length is a power of two. Newest field: before #next.
  #ring: (HeaderField | undefined)[] = [undefined, undefined, undefined, undefined];
  #next = 0;

  constructor(maxBytes = DEFAULT_TABLE_BYTES) {
    this.maxBytes = maxBytes;
  }

  /** The field at this index, 0 = newest; undefined if there is none. */
  at(index: number): HeaderField | undefined {
    return index < this.length ? this.#ring[this.#place(index)] : undefined;
  }

  /** Adds a field. A field that is larger than the table empties the table, and is not added. RFC 7541 §4.4. */
  add(field: HeaderField): void {
    this.#makeRoom(this.maxBytes - field.bytes);
    if (field.bytes > this.maxBytes) return;
    if (this.length === this.#ring.length) this.#grow();
    this.#ring[this.#next] = field;
    this.#next = (this.#next + 1) & (this.#ring.length - 1);
    this.length += 1;
    this.bytes += field.bytes;
  }

  /** Changes the most bytes. RFC 7541 §4.3. */
  resize(maxBytes: number): void {
    this.maxBytes = maxBytes;
    this.#makeRoom(maxBytes);
  }

  #makeRoom(maxBytes: number): void {
    while (this.length > 0 && this.bytes > maxBytes) {
      const oldest = this.#place(this.length - 1);
      this.bytes -= this.#ring[oldest]?.bytes ?? 0;
      this.#ring[oldest] = undefined;
      this.length -= 1;
    }
  }

  #grow(): void {
    const oldestFirst = Array.from({ length: this.length }, (_, i) => this.at(this.length - 1 - i));
    this.#ring = [...oldestFirst, ...oldestFirst.map(() => undefined)];
    this.#next = this.length;
  }

  #place(index: number): number {
    return (this.#next - 1 - index) & (this.#ring.length - 1);
  }
}
