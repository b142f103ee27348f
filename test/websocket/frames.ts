// A WebSocket client by hand: sends exactly the frames that it is told to, masked or not, and reads the
// server's strictly. What a library would refuse to send is what the tests are about.

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";

import type { DeflateOffer } from "../../src/websocket/deflate-offers.ts";
import { RawClient, type Address, type ResponseHead } from "../support/raw-client.ts";

export const Opcode = {
  CONTINUATION: 0,
  TEXT: 1,
  BINARY: 2,
  CLOSE: 8,
  PING: 9,
  PONG: 10,
} as const;

export interface FrameOptions {
  readonly fin?: boolean;
  readonly rsv?: number;
  readonly mask?: boolean;
  /** What the length says, where that is not the payload's. */
  readonly length?: number;
  /** Bytes of the length field beyond the shortest: 2 or 8. */
  readonly lengthBytes?: 0 | 2 | 8;
}

export interface Frame {
  readonly fin: boolean;
  readonly rsv: number;
  readonly opcode: number;
  readonly payload: Buffer;
}

export const KEY = "dGhlIHNhbXBsZSBub25jZQ==";
export const HANDSHAKE =
  "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n" +
  `Sec-WebSocket-Key: ${KEY}\r\n`;

/** An offer of compression without parameters. */
export const ANY_WINDOW: DeflateOffer = { serverWindowBits: null, clientWindowBits: null };

/** One frame of a client. */
export function frame(
  opcode: number,
  payload: string | Buffer = "",
  options: FrameOptions = {},
): Buffer {
  const { fin = true, rsv = 0, mask = true } = options;
  const bytes = Buffer.from(payload);
  const length = options.length ?? bytes.length;
  const shortest = length < 126 ? 0 : length < 65_536 ? 2 : 8;
  const size = options.lengthBytes ?? shortest;
  const head = Buffer.alloc(2 + size);
  head[0] = (fin ? 0x80 : 0) | (rsv << 4) | opcode;
  head[1] = (mask ? 0x80 : 0) | (size === 0 ? length : size === 2 ? 126 : 127);
  if (size === 2) head.writeUInt16BE(length, 2);
  if (size === 8) head.writeBigUInt64BE(BigInt(length), 2);
  if (!mask) return Buffer.concat([head, bytes]);
  const key = randomBytes(4);
  const masked = Buffer.alloc(bytes.length);
  for (let at = 0; at < bytes.length; at += 1) masked[at] = (bytes[at] ?? 0) ^ (key[at & 3] ?? 0);
  return Buffer.concat([head, key, masked]);
}

export const text = (payload: string | Buffer, options?: FrameOptions): Buffer =>
  frame(Opcode.TEXT, payload, options);
export const binary = (payload: string | Buffer, options?: FrameOptions): Buffer =>
  frame(Opcode.BINARY, payload, options);
export const more = (payload: string | Buffer, options?: FrameOptions): Buffer =>
  frame(Opcode.CONTINUATION, payload, options);
export const ping = (payload: string | Buffer = "", options?: FrameOptions): Buffer =>
  frame(Opcode.PING, payload, options);

/** A close frame; without a code an empty one. */
export function close(code?: number, reason: string | Buffer = "", options?: FrameOptions): Buffer {
  if (code === undefined) return frame(Opcode.CLOSE, "", options);
  const head = Buffer.alloc(2);
  head.writeUInt16BE(code);
  return frame(Opcode.CLOSE, Buffer.concat([head, Buffer.from(reason)]), options);
}

/** "text hello", "close 1002 …", "pong x": what a frame says. */
export function tell({ opcode, payload, fin }: Frame): string {
  const part = fin ? "" : "…";
  if (opcode === Opcode.CLOSE)
    return payload.length === 0
      ? "close"
      : `close ${payload.readUInt16BE(0)} ${payload.toString("utf8", 2)}`.trim();
  const name = { 0: "more", 1: "text", 2: "binary", 9: "ping", 10: "pong" }[opcode];
  return `${name ?? opcode} ${payload.toString(opcode === Opcode.TEXT ? "utf8" : "latin1")}${part}`;
}

export class FrameClient {
  readonly raw: RawClient;
  readonly head: ResponseHead;

  private constructor(raw: RawClient, head: ResponseHead) {
    this.raw = raw;
    this.head = head;
  }

  /** Opens a WebSocket. `fields`: whole lines beside the handshake's own. */
  static async open(
    address: Address,
    fields = "",
    behind: Buffer = Buffer.alloc(0),
    path = "/ws",
  ): Promise<FrameClient> {
    const raw = await RawClient.connect(address);
    const request = `GET ${path} HTTP/1.1\r\nHost: a\r\n${HANDSHAKE}${fields}\r\n`;
    raw.write(Buffer.concat([Buffer.from(request), behind]));
    const head = await raw.readHead();
    assert.equal(head.status, 101);
    return new FrameClient(raw, head);
  }

  /** Sends frames in one write. */
  send(...frames: readonly Buffer[]): void {
    this.raw.write(Buffer.concat(frames));
  }

  /** Sends bytes one by one, each in a write of its own. */
  async chop(bytes: Buffer, size = 1): Promise<void> {
    for (let at = 0; at < bytes.length; at += size)
      await this.raw.send(bytes.subarray(at, at + size));
  }

  /** The server's next frame, which must be unmasked and no longer than it has to be. */
  async read(): Promise<Frame> {
    const head = await this.raw.readBytes(2);
    const [first = 0, second = 0] = head;
    assert.equal(second & 0x80, 0, "a server must not mask");
    let length = second;
    if (second === 126) length = (await this.raw.readBytes(2)).readUInt16BE();
    if (second === 127) length = Number((await this.raw.readBytes(8)).readBigUInt64BE());
    assert(second < 126 || length >= (second === 126 ? 126 : 65_536), "the shortest length");
    const payload = await this.raw.readBytes(length);
    return { fin: (first & 0x80) !== 0, rsv: (first >> 4) & 7, opcode: first & 15, payload };
  }

  /** What the next frames say. */
  async hear(count: number): Promise<string[]> {
    const heard: string[] = [];
    while (heard.length < count) heard.push(tell(await this.read()));
    return heard;
  }

  /** The code of the server's close frame, before which nothing else may come, and the connection's end. */
  async readClose(): Promise<number> {
    const { opcode, payload } = await this.read();
    assert.equal(opcode, Opcode.CLOSE, "a close frame");
    assert.equal((await this.raw.readUntilCut()).length, 0, "nothing behind a close frame");
    return payload.length === 0 ? 1005 : payload.readUInt16BE(0);
  }

  destroy(): void {
    this.raw.destroy();
  }
}
