// One worker's channel: a Unix stream socket with frames in both directions (docs/worker-protocol.md,
// "Channel"). And the door: the listening socket in the private directory, where a worker proves with
// its one-time token which worker it is. Knows frames, not what they mean.

import { createServer, type Server, type Socket } from "node:net";

import {
  encodeFrame,
  FrameDecoder,
  FrameFault,
  FrameType,
  type FrameReceiver,
} from "./wire.ts";

/** Connections at the door that have not yet said HELLO. */
const MAX_STRANGERS = 64;

export interface ChannelListener extends FrameReceiver {
  /** The socket has ended: the worker is gone or has closed it. `fault`: it broke the protocol. */
  onChannelEnd(fault: string | null): void;
}

/** Frames to and from one worker. */
export class Channel {
  readonly #socket: Socket;
  readonly #decoder: FrameDecoder;
  #listener: ChannelListener;
  #fault: string | null = null;
  #isClosed = false;

  constructor(socket: Socket, listener: ChannelListener) {
    this.#socket = socket;
    this.#listener = listener;
    this.#decoder = new FrameDecoder({
      onFrame: (type, id, isEnd, count, payload) =>
        this.#listener.onFrame(type, id, isEnd, count, payload),
    });
    socket.on("data", (bytes: Buffer) => this.#push(bytes));
    socket.on("error", () => socket.destroy());
    socket.on("close", () => this.#end());
  }

  /** From here on somebody else listens (the worker, after the door). */
  set listener(listener: ChannelListener) {
    this.#listener = listener;
  }

  /** Nothing more will come. */
  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** Sends a whole frame made by wire.ts. After the end it goes nowhere. */
  send(frame: Buffer): void {
    if (!this.#socket.destroyed) this.#socket.write(frame);
  }

  /** Sends a frame without a payload. */
  say(type: number, id = 0, count = 0): void {
    this.send(encodeFrame(type, id, null, { count }));
  }

  destroy(): void {
    this.#socket.destroy();
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

/** A worker that has said HELLO. */
export interface Arrival {
  readonly worker: number;
  readonly token: string;
  readonly channel: Channel;
}

/** The listening socket that workers connect to. */
export class Door {
  readonly #server: Server;
  readonly #strangers = new Set<Channel>();

  /** `onArrival` returns the listener of a worker that it knows by number and token, else null. */
  constructor(path: string, onArrival: (arrival: Arrival) => ChannelListener | null) {
    this.#server = createServer((socket) => this.#meet(socket, onArrival));
    this.#server.listen(path);
  }

  close(): void {
    this.#server.close();
    for (const channel of this.#strangers) channel.destroy();
  }

  #meet(socket: Socket, onArrival: (arrival: Arrival) => ChannelListener | null): void {
    if (this.#strangers.size >= MAX_STRANGERS) {
      socket.destroy();
      return;
    }
    const channel: Channel = new Channel(socket, {
      onFrame: (type, _id, _isEnd, _count, payload) => {
        this.#strangers.delete(channel);
        const hello = type === FrameType.HELLO ? readHello(payload) : null;
        const listener = hello === null ? null : onArrival({ ...hello, channel });
        if (listener === null) channel.destroy();
        else channel.listener = listener;
      },
      onChannelEnd: () => this.#strangers.delete(channel),
    });
    this.#strangers.add(channel);
  }
}

function readHello(payload: Buffer): { readonly worker: number; readonly token: string } | null {
  const hello = readJson(payload);
  const worker = Number(hello.get("worker"));
  const token = hello.get("token");
  return Number.isSafeInteger(worker) && typeof token === "string" ? { worker, token } : null;
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
