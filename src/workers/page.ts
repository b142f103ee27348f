// The pages of the queue, and the notes that workers make of them: encoding and decoding, pure.
// docs/worker-protocol.md specifies both; the worker (python/typhon_worker) is the other side, and the tests
// of both read test/vectors/. Knows bytes only: no descriptor, no request.

import { msToWireTime, wireTimeToMs } from "./clock.ts";

export const PAGE_BYTES = 4096;
export const PAGE_HEADER_BYTES = 32;

const MAGIC = 0x31505954;
const TWO_32 = 4_294_967_296;

export const PageFlag = {
  BODY_INLINE: 1,
  BODY_ON_CHANNEL: 2,
  BODY_IN_FILE: 4,
  RECORD_ON_CHANNEL: 8,
  FENCE: 16,
  BODY_STREAMED: 32,
  WEBSOCKET: 64,
  WEBSOCKET_SOCKET: 128,
} as const;

/** The content of a page. Names and values are latin-1 blocks (docs/worker-protocol.md, "The record"). */
export interface PageContent {
  readonly names: string;
  readonly values: string;
  /** A body in memory, or null. */
  readonly body: Buffer | null;
  /** Whether the last value names a file that holds the body. */
  readonly isBodyInFile: boolean;
  /** Whether the body comes on the channel while the request runs, when the worker asks for it. */
  readonly isBodyStreamed: boolean;
  /** Whether the request is a WebSocket handshake. */
  readonly isWebSocket: boolean;
  /** Whether the worker offers the application of a WebSocket a socket; else messages. */
  readonly offersSocket: boolean;
}

/** Pages that one write puts into the pipe: encodes requests one behind the other. */
export class PageBatch {
  readonly bytes: Buffer;
  readonly #capacity: number;
  /** Where each page's content ends: a shorter one that takes its place zeroes the rest. */
  readonly #ends: number[];
  #pages = 0;

  /** `capacity`: pages that fit. */
  constructor(capacity: number) {
    this.#capacity = capacity;
    this.bytes = Buffer.alloc(capacity * PAGE_BYTES);
    this.#ends = Array.from({ length: capacity }, () => 0);
  }

  get pages(): number {
    return this.#pages;
  }

  get isFull(): boolean {
    return this.#pages === this.#capacity;
  }

  /**
   * Adds a request. `latest`: until when it may be begun, CLOCK_MONOTONIC milliseconds, 0 = any time. Of a
   * request that does not fit into a page first the body, then the record is left out, and a flag says
   * so. There must be room.
   */
  add(id: number, latest: number, content: PageContent): void {
    const { names, values, body } = content;
    const record = names.length + values.length;
    const at = this.#pages * PAGE_BYTES + PAGE_HEADER_BYTES;
    let flags = content.isBodyInFile ? PageFlag.BODY_IN_FILE : 0;
    if (content.isBodyStreamed) flags |= PageFlag.BODY_STREAMED;
    if (content.isWebSocket)
      flags |= content.offersSocket ? PageFlag.WEBSOCKET_SOCKET : PageFlag.WEBSOCKET;
    if (PAGE_HEADER_BYTES + record > PAGE_BYTES) {
      flags |= PageFlag.RECORD_ON_CHANNEL;
      if (body !== null) flags |= PageFlag.BODY_ON_CHANNEL;
      this.#header(id, latest, flags, 0, 0, 0);
      return;
    }
    this.bytes.write(names + values, at, "latin1");
    let used = record;
    if (body !== null && PAGE_HEADER_BYTES + record + body.length <= PAGE_BYTES) {
      flags |= PageFlag.BODY_INLINE;
      body.copy(this.bytes, at + record);
      used += body.length;
    } else if (body !== null) flags |= PageFlag.BODY_ON_CHANNEL;
    this.#header(id, latest, flags, used, names.length, values.length);
  }

  /** Adds a page without a request: the worker that takes it says so and goes on. There must be room. */
  addFence(id: number): void {
    this.#header(id, 0, PageFlag.FENCE, 0, 0, 0);
  }

  /** All pages have been written. */
  clear(): void {
    this.#pages = 0;
  }

  /** Only the first `pages` pages have been written: the others move up. */
  drop(pages: number): void {
    this.bytes.copyWithin(0, pages * PAGE_BYTES, this.#pages * PAGE_BYTES);
    // The places that the pages moved from are zeroed whole when they are used again.
    this.#ends.fill(PAGE_BYTES);
    this.#pages -= pages;
  }

  #header(
    id: number,
    latest: number,
    flags: number,
    used: number,
    names: number,
    values: number,
  ): void {
    const { bytes } = this;
    const at = this.#pages * PAGE_BYTES;
    const end = PAGE_HEADER_BYTES + used;
    const before = this.#ends[this.#pages] ?? PAGE_BYTES;
    if (end < before) bytes.fill(0, at + end, at + before);
    this.#ends[this.#pages] = end;
    this.#pages += 1;
    bytes.writeUInt32LE(MAGIC, at);
    bytes.writeUInt32LE(used | (flags << 16), at + 4);
    bytes.writeUInt32LE(id % TWO_32, at + 8);
    bytes.writeUInt32LE(Math.floor(id / TWO_32), at + 12);
    bytes.writeDoubleLE(msToWireTime(latest), at + 16);
    bytes.writeUInt32LE(names, at + 24);
    bytes.writeUInt32LE(values, at + 28);
  }
}

/** Bytes of one slot of a worker's notes: the page as read, the second of taking, the thread's ids. */
export const SLOT_BYTES = PAGE_BYTES + 64;

/** A request that a worker has noted as taken. */
export interface Note {
  readonly id: number;
  /** CLOCK_MONOTONIC milliseconds; 0 while the worker has read the page and not yet noted the time. */
  readonly takenAt: number;
  /** Python's name of the thread that runs it (`threading.get_ident()`), in hexadecimal. */
  readonly thread: string;
}

/** The requests noted in a worker's slots; fences and empty slots are left out. */
export function decodeNotes(notes: Buffer): Note[] {
  const found: Note[] = [];
  for (let at = 0; at + SLOT_BYTES <= notes.length; at += SLOT_BYTES) {
    const id = notes.readUInt32LE(at + 8) + notes.readUInt32LE(at + 12) * TWO_32;
    const flags = notes.readUInt16LE(at + 6);
    if (id === 0 || (flags & PageFlag.FENCE) !== 0) continue;
    found.push({
      id,
      takenAt: wireTimeToMs(notes.readDoubleLE(at + PAGE_BYTES)),
      thread: notes.readBigUInt64LE(at + PAGE_BYTES + 16).toString(16),
    });
  }
  return found;
}
