// A client that sends exactly the given frames, right or wrong, and keeps every frame that comes. Independent of
// the engine's reader and writers; only HPACK is the engine's.

import assert from "node:assert/strict";
import { once } from "node:events";
import { connect, type Socket } from "node:net";

import { FieldList, HpackDecoder } from "../../src/http2/hpack-decoder.ts";
import { until } from "../support/deadline.ts";

export const PREFACE = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
export const Type = {
  DATA: 0,
  HEADERS: 1,
  PRIORITY: 2,
  RST_STREAM: 3,
  SETTINGS: 4,
  PUSH_PROMISE: 5,
  PING: 6,
  GOAWAY: 7,
  WINDOW_UPDATE: 8,
  CONTINUATION: 9,
  PRIORITY_UPDATE: 16,
} as const;
export const END_STREAM = 1;
export const ACK = 1;
export const END_HEADERS = 4;
export const PADDED = 8;

export type Field = readonly [name: string, value: string];

export interface Frame {
  readonly type: number;
  readonly flags: number;
  readonly id: number;
  readonly payload: Buffer;
  /** Of HEADERS whose block is whole. */
  readonly fields: readonly Field[];
}

export interface ClientResponse {
  readonly status: number;
  readonly fields: readonly Field[];
  readonly body: Buffer;
}

export const GET: readonly Field[] = [
  [":method", "GET"],
  [":scheme", "http"],
  [":path", "/"],
  [":authority", "a"],
];
export const POST: readonly Field[] = [[":method", "POST"], ...GET.slice(1)];

/** The bytes of a frame. */
export function frame(
  type: number,
  flags: number,
  id: number,
  payload: Uint8Array = Buffer.alloc(0),
): Buffer {
  const header = Buffer.alloc(9);
  header.writeUIntBE(payload.length, 0, 3);
  header[3] = type;
  header[4] = flags;
  header.writeUInt32BE(id, 5);
  return Buffer.concat([header, payload]);
}

/** A field block of literals that change no table (RFC 7541 §6.2.2). */
export function block(fields: readonly Field[]): Buffer {
  const parts = fields.flatMap(([name, value]) => [Buffer.from([0]), text(name), text(value)]);
  return Buffer.concat(parts);
}

function text(value: string): Buffer {
  const bytes = Buffer.from(value, "latin1");
  return Buffer.concat([integer(bytes.length), bytes]);
}

/** RFC 7541 §5.1, with a prefix of 7 bits. */
function integer(value: number): Buffer {
  if (value < 127) return Buffer.from([value]);
  const bytes = [127];
  let rest = value - 127;
  for (; rest >= 128; rest >>= 7) bytes.push((rest & 127) | 128);
  return Buffer.from([...bytes, rest]);
}

export function uint32(...values: number[]): Buffer {
  const bytes = Buffer.alloc(4 * values.length);
  for (const [index, value] of values.entries()) bytes.writeUInt32BE(value, 4 * index);
  return bytes;
}

export class FrameClient {
  readonly socket: Socket;
  readonly frames: Frame[] = [];
  /** Pieces in which bytes have come. */
  reads = 0;
  isClosed = false;
  #rest = Buffer.alloc(0);
  #block = Buffer.alloc(0);
  readonly #decoder = new HpackDecoder();
  readonly #fields = new FieldList(1_000_000, 1000);
  /** Index of the next frame that `next` looks at. */
  #at = 0;

  private constructor(socket: Socket) {
    this.socket = socket;
    socket.on("data", (bytes: Buffer) => {
      this.reads += 1;
      this.#rest = Buffer.concat([this.#rest, bytes]);
      this.#parse();
    });
    // A reset is one of the ends; tests ask for the state.
    socket.on("error", () => undefined);
    socket.on("close", () => (this.isClosed = true));
  }

  /** Connects without a word. */
  static async open(port: number): Promise<FrameClient> {
    const socket = connect({ host: "127.0.0.1", port, noDelay: true });
    await once(socket, "connect");
    return new FrameClient(socket);
  }

  /** Connects, and exchanges settings. */
  static async connect(
    port: number,
    settings: readonly (readonly [id: number, value: number])[] = [],
  ): Promise<FrameClient> {
    const client = await FrameClient.open(port);
    const pairs = settings.map(([id, value]) =>
      Buffer.concat([Buffer.from([0, id]), uint32(value)]),
    );
    const payload = Buffer.concat(pairs);
    client.write(PREFACE, frame(Type.SETTINGS, 0, 0, payload), frame(Type.SETTINGS, ACK, 0));
    await client.next((one) => one.type === Type.SETTINGS && one.flags === ACK);
    return client;
  }

  write(...parts: readonly Uint8Array[]): void {
    this.socket.write(Buffer.concat(parts));
  }

  headers(id: number, fields: readonly Field[], isLast = true): void {
    this.write(headers(id, fields, isLast));
  }

  data(id: number, bytes: string | Buffer, isLast = false): void {
    this.write(frame(Type.DATA, isLast ? END_STREAM : 0, id, Buffer.from(bytes)));
  }

  reset(id: number): void {
    this.write(frame(Type.RST_STREAM, 0, id, uint32(8)));
  }

  /** More window, for a stream or with 0 for the connection. */
  update(id: number, increment: number): void {
    this.write(frame(Type.WINDOW_UPDATE, 0, id, uint32(increment)));
  }

  /** The next frame for which `test` holds, those before it left out. */
  async next(test: (frame: Frame) => boolean): Promise<Frame> {
    return await until("a frame", () => {
      while (this.#at < this.frames.length) {
        const one = this.frames[this.#at];
        this.#at += 1;
        if (one !== undefined && test(one)) return one;
      }
      assert.ok(!this.isClosed, "the connection has closed without the frame");
      return null;
    });
  }

  /** The whole response on a stream. */
  async response(id: number): Promise<ClientResponse> {
    await until(`the response on ${id}`, () => {
      const isLast = (one: Frame): boolean =>
        one.type <= Type.HEADERS && (one.flags & END_STREAM) !== 0;
      const isWhole = this.of(id).some(isLast);
      assert.ok(isWhole || !this.isClosed, "the connection has closed without the response");
      return isWhole;
    });
    const heads = this.of(id).filter(({ type }) => type === Type.HEADERS);
    const last = heads.findLast(({ fields }) => fields[0]?.[0] === ":status");
    return {
      status: Number(last?.fields[0]?.[1]),
      fields: last?.fields.slice(1) ?? [],
      body: this.bodyOf(id),
    };
  }

  of(id: number): Frame[] {
    return this.frames.filter((one) => one.id === id);
  }

  bodyOf(id: number): Buffer {
    const data = this.of(id).filter(({ type }) => type === Type.DATA);
    return Buffer.concat(data.map(({ payload }) => payload));
  }

  /** The code of the RST_STREAM on a stream. */
  async resetCode(id: number): Promise<number> {
    const isReset = (one: Frame): boolean => one.type === Type.RST_STREAM && one.id === id;
    const found = await until(`the reset of ${id}`, () => this.frames.find(isReset));
    return found.payload.readUInt32BE(0);
  }

  /** The last GOAWAY before the end of the connection. */
  async goAway(): Promise<{ lastId: number; code: number; reason: string }> {
    await until("the end of the connection", () => this.isClosed || this.socket.readableEnded);
    const found = this.frames.findLast(({ type }) => type === Type.GOAWAY);
    assert.ok(found !== undefined, "the connection has ended without GOAWAY");
    const { payload } = found;
    return {
      lastId: payload.readUInt32BE(0),
      code: payload.readUInt32BE(4),
      reason: payload.toString("latin1", 8),
    };
  }

  /** A round trip: the server has read all that was sent. */
  async ping(): Promise<void> {
    this.write(frame(Type.PING, 0, 0, Buffer.alloc(8, "p")));
    await this.next(({ type, flags, payload }) => {
      return type === Type.PING && flags === ACK && payload[0] === "p".charCodeAt(0);
    });
  }

  #parse(): void {
    while (this.#rest.length >= 9) {
      const length = this.#rest.readUIntBE(0, 3);
      if (this.#rest.length < 9 + length) return;
      const [type = 0, flags = 0] = this.#rest.subarray(3, 5);
      const payload = Buffer.from(this.#rest.subarray(9, 9 + length));
      const id = this.#rest.readUInt32BE(5);
      this.#rest = this.#rest.subarray(9 + length);
      this.frames.push({ type, flags, id, payload, fields: this.#fieldsOf(type, flags, payload) });
    }
  }

  #fieldsOf(type: number, flags: number, payload: Buffer): readonly Field[] {
    if (type !== Type.HEADERS && type !== Type.CONTINUATION) return [];
    this.#block = Buffer.concat([this.#block, payload]);
    if ((flags & END_HEADERS) === 0) return [];
    this.#decoder.decode(this.#block, 0, this.#block.length, this.#fields);
    this.#block = Buffer.alloc(0);
    return this.#fields.fields.map(({ name, value }) => [name, value]);
  }
}

export function headers(id: number, fields: readonly Field[], isLast = true): Buffer {
  return frame(Type.HEADERS, END_HEADERS | (isLast ? END_STREAM : 0), id, block(fields));
}
