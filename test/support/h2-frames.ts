// A client of HTTP/2 that sends exactly the frames that it is given, right or wrong, and notes the frames that
// come. It shares no code with the server: bytes are put together here by RFC 9113 §4.1 and §6, field sections as
// plain literals of RFC 7541 §6.2.2. It acknowledges nothing and opens no window by itself.

import assert from "node:assert/strict";
import { connect as openSocket, type Socket } from "node:net";
import { connect as openTls } from "node:tls";

import { PATIENCE_MS, within } from "./deadline.ts";

export const FRAME = {
  data: 0,
  headers: 1,
  priority: 2,
  resetStream: 3,
  settings: 4,
  ping: 6,
  goAway: 7,
  windowUpdate: 8,
  continuation: 9,
} as const;

export const FLAG = { endStream: 0x1, ack: 0x1, endHeaders: 0x4 } as const;

/** RFC 9113 §7. */
export const CODE = {
  noError: 0,
  protocolError: 1,
  flowControlError: 3,
  streamClosed: 5,
  frameSizeError: 6,
  refusedStream: 7,
  cancel: 8,
  compressionError: 9,
  enhanceYourCalm: 11,
} as const;

const PREFACE = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "latin1");
const HEAD_BYTES = 9;

/** One frame, its reserved bit zero. */
export function frame(
  type: number,
  flags: number,
  stream: number,
  payload: Buffer | string = "",
): Buffer {
  const bytes = typeof payload === "string" ? Buffer.from(payload, "latin1") : payload;
  const head = Buffer.alloc(HEAD_BYTES);
  head.writeUIntBE(bytes.length, 0, 3);
  head[3] = type;
  head[4] = flags;
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, bytes]);
}

/** A number of 32 bits, as the payload of RST_STREAM and WINDOW_UPDATE. */
export function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

/** The payload of SETTINGS. */
export function settings(pairs: readonly (readonly [id: number, value: number])[]): Buffer {
  return Buffer.concat(
    pairs.map(([id, value]) => {
      const bytes = Buffer.alloc(6);
      bytes.writeUInt16BE(id, 0);
      bytes.writeUInt32BE(value, 2);
      return bytes;
    }),
  );
}

/** A string of HPACK without Huffman coding (RFC 7541 §5.2). */
export function text(value: string): Buffer {
  const bytes = Buffer.from(value, "latin1");
  return Buffer.concat([integer(bytes.length, 7), bytes]);
}

/** An integer with a prefix of so many bits, the bits before it zero (RFC 7541 §5.1). */
function integer(value: number, bits: number): Buffer {
  const most = 2 ** bits - 1;
  if (value < most) return Buffer.from([value]);
  const bytes = [most];
  let rest = value - most;
  for (; rest > 127; rest = Math.floor(rest / 128)) bytes.push((rest % 128) | 0x80);
  bytes.push(rest);
  return Buffer.from(bytes);
}

/** Fields without indexing, as a block of HPACK. */
function block(fields: readonly (readonly [name: string, value: string])[]): Buffer {
  return Buffer.concat(
    fields.flatMap(([name, value]) => [Buffer.from([0]), text(name), text(value)]),
  );
}

export interface Received {
  readonly type: number;
  readonly flags: number;
  readonly stream: number;
  readonly payload: Buffer;
}

export interface FrameTarget {
  readonly port: number;
  /** Certificate of the authority for TLS; null: prior knowledge without TLS. */
  readonly authority: string | Buffer | null;
}

export class FrameClient {
  /** Every frame that has come, DATA without their payload; the newest of a flood only. */
  readonly frames: Received[] = [];
  /** Frames that have come, by type; and bytes of DATA. */
  readonly counts: number[] = [];
  dataBytes = 0;
  /** The code of GOAWAY; null while none has come. */
  goAway: number | null = null;
  isClosed = false;
  readonly #socket: Socket;
  readonly #scheme: "http" | "https";
  #rest: Buffer = Buffer.alloc(0);
  #wake: (() => void)[] = [];
  #lastStream = -1;

  private constructor(socket: Socket, scheme: "http" | "https") {
    this.#socket = socket;
    this.#scheme = scheme;
    socket.on("data", (bytes: Buffer) => this.#take(bytes));
    socket.on("error", () => undefined); // "close" follows and says all.
    socket.on("close", () => {
      this.isClosed = true;
      this.#notify();
    });
  }

  /** Connects, and sends the preface with these settings. */
  static async open(
    { port, authority }: FrameTarget,
    given: Buffer = Buffer.alloc(0),
  ): Promise<FrameClient> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const socket =
      authority === null
        ? openSocket({ port, host: "127.0.0.1", noDelay: true }, resolve)
        : openTls(
            {
              port,
              host: "127.0.0.1",
              servername: "localhost",
              ca: authority,
              ALPNProtocols: ["h2"],
            },
            resolve,
          );
    socket.once("error", reject);
    await within(PATIENCE_MS, promise, "the connection opens");
    socket.off("error", reject);
    if ("alpnProtocol" in socket) assert.equal(socket.alpnProtocol, "h2");
    const client = new FrameClient(socket, authority === null ? "http" : "https");
    client.write(Buffer.concat([PREFACE, frame(FRAME.settings, 0, 0, given)]));
    return client;
  }

  /** Whether the server has said that it ends the connection, or has ended it. */
  get isOver(): boolean {
    return this.goAway !== null || this.isClosed;
  }

  /** The number of the next stream. */
  nextStream(): number {
    this.#lastStream += 2;
    return this.#lastStream;
  }

  /** The block of a request's head. */
  requestBlock(
    path: string,
    method = "GET",
    more: readonly (readonly [string, string])[] = [],
  ): Buffer {
    const pseudo = [
      [":method", method],
      [":scheme", this.#scheme],
      [":authority", "localhost"],
      [":path", path],
    ] as const;
    return block([...pseudo, ...more]);
  }

  /** A whole HEADERS frame of a request. */
  request(stream: number, path: string, method = "GET", hasContent = false): Buffer {
    const flags = FLAG.endHeaders | (hasContent ? 0 : FLAG.endStream);
    return frame(FRAME.headers, flags, stream, this.requestBlock(path, method));
  }

  /** Writes bytes; nothing happens once the connection is over. */
  write(bytes: Buffer): void {
    if (!this.isClosed) this.#socket.write(bytes);
  }

  /** Writes, and waits until the kernel has taken it or the connection is over. */
  async send(bytes: Buffer): Promise<void> {
    if (this.isClosed || this.#socket.write(bytes)) return;
    this.#socket.once("drain", () => this.#notify());
    await this.until("the server reads on", () => this.isOver || !this.#socket.writableNeedDrain);
  }

  /** Reads no more: what the server sends stays in the kernel. */
  stopReading(): void {
    this.#socket.pause();
  }

  async until(what: string, isEnough: () => boolean, ms: number = PATIENCE_MS): Promise<void> {
    const wait = async (): Promise<void> => {
      while (!isEnough()) {
        const { promise, resolve } = Promise.withResolvers<void>();
        this.#wake.push(resolve);
        await promise;
      }
    };
    await within(ms, wait(), `${what}; ${this.#told()}`);
  }

  /** The last frame of a type for a stream. */
  last(type: number, stream: number): Received | undefined {
    return this.frames.findLast((one) => one.type === type && one.stream === stream);
  }

  destroy(): void {
    this.#socket.destroy();
  }

  #take(bytes: Buffer): void {
    this.#rest = this.#rest.length === 0 ? bytes : Buffer.concat([this.#rest, bytes]);
    for (;;) {
      if (this.#rest.length < HEAD_BYTES) break;
      const length = this.#rest.readUIntBE(0, 3);
      if (this.#rest.length < HEAD_BYTES + length) break;
      const payload = Buffer.from(this.#rest.subarray(HEAD_BYTES, HEAD_BYTES + length));
      const [type = 0, flags = 0] = this.#rest.subarray(3, 5);
      this.#note({ type, flags, stream: this.#rest.readUInt32BE(5) & 0x7fff_ffff, payload });
      this.#rest = this.#rest.subarray(HEAD_BYTES + length);
    }
    this.#notify();
  }

  #note(received: Received): void {
    const { type, payload } = received;
    this.counts[type] = (this.counts[type] ?? 0) + 1;
    if (type === FRAME.goAway) this.goAway = payload.readUInt32BE(4);
    if (type === FRAME.data) this.dataBytes += payload.length;
    if (this.frames.length >= 10_000) this.frames.shift();
    this.frames.push(type === FRAME.data ? { ...received, payload: Buffer.alloc(0) } : received);
  }

  #told(): string {
    return `frames by type: ${this.counts.map((count, type) => `${type}: ${count}`).join(", ")}`;
  }

  #notify(): void {
    const woken = this.#wake;
    this.#wake = [];
    for (const wake of woken) wake();
  }
}
