// Decodes the field blocks of one connection (RFC 7541). A block is whole: HEADERS and its CONTINUATION frames,
// whose limit bounds the work of a block. The decoder knows no field's meaning: request-head judges names and
// values. A block that breaks the coding is a fault, after which the tables of both sides may differ, so that the
// connection must end.

import { huffmanDecode } from "./hpack-huffman.ts";
import {
  DEFAULT_TABLE_BYTES,
  DynamicTable,
  FIRST_DYNAMIC_INDEX,
  type HeaderField,
  headerField,
  STATIC_TABLE,
  withValue,
} from "./hpack-tables.ts";

/** Most bytes of an integer after its prefix: 2^28 is more than any length or index that can be right. */
const MAX_INTEGER_BYTES = 4;
/** Most changes of the table's size in a block: the smallest and the last of several settings. RFC 7541 §4.2. */
const MAX_SIZE_UPDATES = 2;

const EMPTY = Buffer.alloc(0);

/** A block that breaks the coding: a connection error of type COMPRESSION_ERROR (RFC 9113 §4.3). */
export class HpackFault extends Error {}

/**
 * The fields of one block, up to a limit. One list serves all connections, because a block's fields are read
 * before the next block is decoded.
 */
export class FieldList {
  readonly fields: HeaderField[] = [];
  /** Whether the block has more than the limits allow; `fields` has those before. */
  isTooLarge = false;
  readonly #maxBytes: number;
  readonly #maxFields: number;
  #bytes = 0;

  /** `maxBytes`: SETTINGS_MAX_HEADER_LIST_SIZE, which counts each field as often as it is sent. RFC 9113 §6.5.2. */
  constructor(maxBytes: number, maxFields: number) {
    this.#maxBytes = maxBytes;
    this.#maxFields = maxFields;
  }

  /** What all fields count, those beyond the limit included. */
  get bytes(): number {
    return this.#bytes;
  }

  add(field: HeaderField): void {
    this.#bytes += field.bytes;
    if (this.#bytes > this.#maxBytes || this.fields.length >= this.#maxFields)
      this.isTooLarge = true;
    else this.fields.push(field);
  }

  clear(): void {
    this.fields.length = 0;
    this.isTooLarge = false;
    this.#bytes = 0;
  }
}

export class HpackDecoder {
  readonly #table: DynamicTable;
  /** SETTINGS_HEADER_TABLE_SIZE as the peer has acknowledged it. */
  #limit: number;
  /** The block that is read, and the index of its next byte. */
  #block: Buffer = EMPTY;
  #at = 0;
  #end = 0;

  constructor(maxTableBytes = DEFAULT_TABLE_BYTES) {
    this.#limit = maxTableBytes;
    this.#table = new DynamicTable(maxTableBytes);
  }

  /**
   * Sets our SETTINGS_HEADER_TABLE_SIZE; to be called when the peer acknowledges it. If the table is larger, the
   * next block must begin with an update. RFC 9113 §4.3.1.
   */
  setMaxTableBytes(maxTableBytes: number): void {
    this.#limit = maxTableBytes;
  }

  /**
   * Decodes the block from `start` to `end` into the list, which is cleared before. A block with too many fields
   * is decoded to its end: the table must stay in step. Throws HpackFault.
   */
  decode(block: Buffer, start: number, end: number, into: FieldList): void {
    into.clear();
    this.#block = block;
    this.#at = start;
    this.#end = end;
    this.#readSizeUpdates();
    while (this.#at < end) {
      const byte = block[this.#at] ?? 0;
      if (byte >= 0x80) into.add(this.#field(this.#integer(0x7f)));
      else if (byte >= 0x40) {
        const field = this.#literal(0x3f);
        this.#table.add(field);
        into.add(field);
      } else if (byte >= 0x20)
        throw new HpackFault("an update of the table's size is not at the begin of its block");
      else into.add(this.#literal(0x0f));
    }
    // An idle connection keeps no block.
    this.#block = EMPTY;
  }

  #readSizeUpdates(): void {
    for (let updates = 0; this.#at < this.#end; updates += 1) {
      if (((this.#block[this.#at] ?? 0) & 0xe0) !== 0x20) break;
      if (updates === MAX_SIZE_UPDATES) throw new HpackFault("a block has three size updates");
      const maxBytes = this.#integer(0x1f);
      if (maxBytes > this.#limit) throw new HpackFault("a size update is above the setting");
      this.#table.resize(maxBytes);
    }
    if (this.#table.maxBytes > this.#limit)
      throw new HpackFault("a block does not begin with the size update that a setting asks for");
  }

  #literal(prefix: number): HeaderField {
    const index = this.#integer(prefix);
    if (index === 0) {
      const name = this.#string();
      return headerField(name, this.#string());
    }
    const named = this.#field(index);
    return withValue(named, this.#string());
  }

  #field(index: number): HeaderField {
    const field =
      index < FIRST_DYNAMIC_INDEX
        ? STATIC_TABLE[index - 1]
        : this.#table.at(index - FIRST_DYNAMIC_INDEX);
    if (field === undefined) throw new HpackFault("an index is in no table");
    return field;
  }

  #string(): string {
    const isCoded = (this.#block[this.#at] ?? 0) >= 0x80;
    const length = this.#integer(0x7f);
    const start = this.#at;
    const end = start + length;
    if (end > this.#end) throw new HpackFault("a string is longer than its block");
    this.#at = end;
    if (!isCoded) return this.#block.toString("latin1", start, end);
    const text = huffmanDecode(this.#block, start, end);
    if (text === null) throw new HpackFault("a string breaks the Huffman code");
    return text;
  }

  /** Reads an integer whose prefix has these bits (RFC 7541 §5.1). */
  #integer(prefix: number): number {
    if (this.#at >= this.#end) throw new HpackFault("a block ends within a field");
    let value = (this.#block[this.#at] ?? 0) & prefix;
    this.#at += 1;
    if (value < prefix) return value;
    for (let i = 0; i < MAX_INTEGER_BYTES; i += 1) {
      if (this.#at >= this.#end) throw new HpackFault("a block ends within an integer");
      const byte = this.#block[this.#at] ?? 0;
      this.#at += 1;
      value += (byte & 0x7f) << (7 * i);
      if (byte < 0x80) return value;
    }
    throw new HpackFault("an integer has too many bytes");
  }
}
