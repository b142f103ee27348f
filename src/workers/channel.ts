// One worker's channel: a Unix stream socket with frames in both directions (docs/worker-protocol.md,
// "Channel"). Knows how frames are cut and gathered, not what they mean.

import { connect, type Socket } from "node:net";

import { bufferPool, MIN_RELEASED_BYTES } from "../net/buffer-pool.ts";
import { encodeFrame, FrameDecoder, FrameFault, type FrameReceiver } from "./frame.ts";

/** Bytes read from a channel at a time; a large frame comes in several reads. */
const READ_BYTES = 65_536;
/** All channels read into this buffer: a receiver copies the bytes that it keeps. */
const READ_BUFFER = Buffer.allocUnsafeSlow(READ_BYTES);
/** Bytes of small frames gathered during one turn of the event loop: each write wakes the worker. */
const GATHERED_BYTES = 8192;

/** Frames to and from one worker. */
export class Channel {
  readonly #socket: Socket;
  readonly #decoder: FrameDecoder;
  readonly #onEnd: (fault: string | null) => void;
  /** Frames that are written at the end of this turn, and their bytes. */
  #gathered: Buffer[] = [];
  #gatheredBytes = 0;
  #fault: string | null = null;
  #isClosed = false;

  /**
   * Connects to the socket at `path`, on which the worker listens. `onEnd` is called once, when the
   * socket has ended: the worker is gone or has closed it. `fault`: how the worker broke the protocol.
   */
  constructor(path: string, receiver: FrameReceiver, onEnd: (fault: string | null) => void) {
    this.#onEnd = onEnd;
    this.#decoder = new FrameDecoder(receiver);
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

  /** Nothing more will come. */
  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** Sends whole frames, whose memory is the channel's from here on; dropped after the channel's end. */
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
  say(type: number, id: number): void {
    this.send(encodeFrame(type, id));
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
      // Only the worker's own bytes may end the worker: a fault of the front is no FrameFault.
      if (!(error instanceof FrameFault)) throw error;
      this.#fault = error.message;
      this.#socket.destroy();
    }
  }

  #end(): void {
    this.#isClosed = true;
    const cut = this.#decoder.isInsideFrame ? "the channel ended inside a frame" : null;
    this.#onEnd(this.#fault ?? cut);
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
