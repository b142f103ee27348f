// One worker's channel: a Unix stream socket with frames in both directions (docs/worker-protocol.md,
// "Channel"). Knows frames, not what they mean.

import { connect, type Socket } from "node:net";

import { bufferPool, MIN_RELEASED_BYTES } from "../net/buffer-pool.ts";
import { encodeFrame, FrameDecoder, FrameFault, type FrameReceiver } from "./frame.ts";

/** Bytes read from a channel at a time; the payload of a large frame comes in several. */
const READ_BYTES = 65_536;
/** All channels read into this: what a callback does not use at once it copies. */
const READ_BUFFER = Buffer.allocUnsafeSlow(READ_BYTES);
/** Smaller frames wait for others of the same turn, at most so many bytes: each write wakes the worker. */
const GATHERED_BYTES = 8192;

export interface ChannelListener extends FrameReceiver {
  /** The socket has ended: the worker is gone or has closed it. `fault`: it broke the protocol. */
  onChannelEnd(fault: string | null): void;
}

/** Frames to and from one worker. */
export class Channel {
  readonly #socket: Socket;
  readonly #decoder: FrameDecoder;
  #listener: ChannelListener;
  /** Frames that go when this turn is over, and their bytes. */
  #gathered: Buffer[] = [];
  #gatheredBytes = 0;
  #fault: string | null = null;
  #isClosed = false;

  /** Connects to the socket at `path`, on which the worker listens. */
  constructor(path: string, listener: ChannelListener) {
    this.#listener = listener;
    this.#decoder = new FrameDecoder({
      onFrame: (type, id, isEnd, count, payload) =>
        this.#listener.onFrame(type, id, isEnd, count, payload),
    });
    const socket = connect({
      path,
      onread: {
        buffer: READ_BUFFER,
        callback: (length) => {
          this.#push(READ_BUFFER.subarray(0, length));
          return true;
        },
      },
    });
    this.#socket = socket;
    socket.on("error", () => socket.destroy());
    socket.on("close", () => this.#end());
  }

  /** From here on somebody else listens. */
  set listener(listener: ChannelListener) {
    this.#listener = listener;
  }

  /** Nothing more will come. */
  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** Sends whole frames, which are the channel's from here on. After the end they go nowhere. */
  send(frame: Buffer): void {
    const gathered = this.#gatheredBytes + frame.length;
    if (gathered > GATHERED_BYTES) {
      this.#flush();
      this.#write(frame);
      return;
    }
    if (this.#gatheredBytes === 0) setImmediate(this.#flush);
    this.#gathered.push(frame);
    this.#gatheredBytes = gathered;
  }

  /** Sends a frame without a payload. */
  say(type: number, id = 0, count = 0): void {
    this.send(encodeFrame(type, id, null, { count }));
  }

  destroy(): void {
    this.#socket.destroy();
  }

  readonly #flush = (): void => {
    const frames = this.#gathered;
    const [first] = frames;
    if (first === undefined) return;
    const bytes = frames.length === 1 ? first : Buffer.concat(frames, this.#gatheredBytes);
    this.#gathered = [];
    this.#gatheredBytes = 0;
    this.#write(bytes);
  };

  #write(bytes: Buffer): void {
    const socket = this.#socket;
    if (socket.destroyed) return;
    if (bytes.length < MIN_RELEASED_BYTES) socket.write(bytes);
    else
      socket.write(bytes, (error) => {
        if (error === null || error === undefined) bufferPool.release(bytes);
      });
  }

  #push(bytes: Buffer): void {
    try {
      this.#decoder.push(bytes);
    } catch (error) {
      // Only the sender's bytes may end the sender; a fault of our own is not its fault.
      if (!(error instanceof FrameFault)) throw error;
      this.#fault = error.message;
      this.#socket.destroy();
    }
  }

  #end(): void {
    this.#isClosed = true;
    const cut = this.#decoder.isInsideFrame ? "the channel ended inside a frame" : null;
    this.#listener.onChannelEnd(this.#fault ?? cut);
  }
}

/** The members of a JSON object; throws FrameFault on anything else. */
export function readJson(payload: Buffer): ReadonlyMap<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(payload.toString("utf8"));
  } catch {
    throw new FrameFault("a payload that is not JSON");
  }
  if (typeof value !== "object" || value === null)
    throw new FrameFault("a payload that is no JSON object");
  return new Map(Object.entries(value));
}
