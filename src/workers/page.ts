// The pages of the queue and the notes that are made of them: encoding and decoding, pure.
// The specification is docs/worker-protocol.md; python/typhon_worker/wire/ is the other side, and
// test/vectors/ is read by the tests of both. Knows bytes only: no descriptor, no request.

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
} as const;

/** What goes into a page; the blocks are latin-1, as docs/worker-protocol.md has them. */
export interface PageContent {
  readonly id: number;
  /** CLOCK_MONOTONIC seconds; 0 = any time. */
  readonly latest: number;
  readonly names: string;
  readonly values: string;
  /** A body in memory, or null. */
  readonly body: Buffer | null;
  /** The last value names a file that holds the body. */
  readonly isBodyInFile: boolean;
  /** The body comes on the channel while the request runs. */
  readonly isBodyStreamed: boolean;
  /** A WebSocket handshake. */
  readonly isWebSocket: boolean;
}

/** Pages on their way into the pipe: encodes requests one behind the other. */
export class PageBatch {
  readonly bytes: Buffer;
  readonly #capacity: number;
  /** Where each page's content ends, so that the next content leaves nothing of it behind. */
  readonly #ends: number[];
  #pages = 0;

  /** Room for `capacity` pages. */
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
   * Adds a request. What does not fit into a page stays behind and a flag says so: first the body,
   * then the record. There must be room.
   */
  add(content: PageContent): void {
    const { names, values, body } = content;
    const record = names.length + values.length;
    const at = this.#pages * PAGE_BYTES + PAGE_HEADER_BYTES;
    let flags = content.isBodyInFile ? PageFlag.BODY_IN_FILE : 0;
    if (content.isBodyStreamed) flags |= PageFlag.BODY_STREAMED;
    if (content.isWebSocket) flags |= PageFlag.WEBSOCKET;
    if (PAGE_HEADER_BYTES + record > PAGE_BYTES) {
      flags |= PageFlag.RECORD_ON_CHANNEL;
      if (body !== null) flags |= PageFlag.BODY_ON_CHANNEL;
      this.#header(content.id, content.latest, flags, 0, 0, 0);
      return;
    }
    this.bytes.write(names + values, at, "latin1");
    let used = record;
    if (body !== null && PAGE_HEADER_BYTES + record + body.length <= PAGE_BYTES) {
      flags |= PageFlag.BODY_INLINE;
      body.copy(this.bytes, at + record);
      used += body.length;
    } else if (body !== null) flags |= PageFlag.BODY_ON_CHANNEL;
    this.#header(content.id, content.latest, flags, used, names.length, values.length);
  }

  /** Adds a page that is no request: who takes it says so and goes on. There must be room. */
  addFence(id: number): void {
    this.#header(id, 0, PageFlag.FENCE, 0, 0, 0);
  }

  /** All pages have been written. */
  clear(): void {
    this.#pages = 0;
  }

  /** Only the first `pages` pages have been written: the others move to the front. */
  drop(pages: number): void {
    this.bytes.copyWithin(0, pages * PAGE_BYTES, this.#pages * PAGE_BYTES);
    // What stands where the moved pages came from is zeroed whole.
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
    bytes.writeDoubleLE(latest, at + 16);
    bytes.writeUInt32LE(names, at + 24);
    bytes.writeUInt32LE(values, at + 28);
  }
}

/** Bytes of one slot of a worker's notes: the page as read, the second of taking, the thread's names. */
export const SLOT_BYTES = PAGE_BYTES + 64;

/** One request that a worker has noted as taken. */
export interface Note {
  readonly id: number;
  /** CLOCK_MONOTONIC seconds; 0 while the worker is between reading and noting the time. */
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
      takenAt: notes.readDoubleLE(at + PAGE_BYTES),
      thread: notes.readBigUInt64LE(at + PAGE_BYTES + 16).toString(16),
    });
  }
  return found;
}
