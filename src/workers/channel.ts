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

/** Ticks (of 100 ms) in which a frame that has begun has to end: 5 s. Not a time, because the front may be stopped. */
const MAX_FRAME_TICKS = 50;

/** Frames to and from one worker. */
export class Channel {
  readonly #socket: Socket;
  readonly #decoder: FrameDecoder;
  readonly #onEnd: (fault: string | null) => void;
  /** Frames that are written at the end of this turn, and their bytes. */
  #gathered: Buffer[] = [];
  #gatheredBytes = 0;
  #fault: string | null = null;
  /** The unfinished frame at the last tick, and for how many ticks it has been so. */
  #unfinished = 0;
  #unfinishedTicks = 0;
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

  /** Called by the coarse clock: ends a channel whose worker has begun a frame and does not end it. */
  tick(): void {
    const { unfinished } = this.#decoder;
    this.#unfinishedTicks = unfinished === this.#unfinished ? this.#unfinishedTicks + 1 : 0;
    this.#unfinished = unfinished;
    if (unfinished !== 0 && this.#unfinishedTicks >= MAX_FRAME_TICKS)
      this.#fail("a frame was begun and not ended");
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
      // Whatever was thrown, the frames behind it are lost, so that the worker cannot go on.
      this.#fail(error instanceof Error ? error.message : String(error));
      // A fault of the front itself is logged as one.
      if (!(error instanceof FrameFault)) throw error;
    }
  }

  #fail(fault: string): void {
    this.#fault ??= fault;
    this.#socket.destroy();
  }

  #end(): void {
    this.#isClosed = true;
    const cut = this.#decoder.unfinished > 0 ? "the channel ended inside a frame" : null;
    this.#onEnd(this.#fault ?? cut);
  }
}

/** The members of a JSON object, which are texts; throws FrameFault on anything else. */
export function readJson(payload: Buffer): ReadonlyMap<string, string> {
  let value: unknown;
  try {
    value = JSON.parse(payload.toString("utf8"));
  } catch {
    throw new FrameFault("a payload that is not JSON");
  }
  if (typeof value !== "object" || value === null)
    throw new FrameFault("a payload that is no JSON object");
  const members = new Map<string, string>();
  for (const [name, member] of Object.entries(value)) {
    if (typeof member !== "string") throw new FrameFault("a JSON object with more than texts");
    members.set(name, member);
  }
  return members;
}
