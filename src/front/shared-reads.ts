// One read buffer for all client sockets. Node gives each read of an accepted socket a buffer of its own;
// only sockets that a program connects itself may bring one (`onread`). So the sockets are made here,
// around the handles that the server's own handle hands over. Handles are Node's own affair: where they
// look different from what is known here, Node makes the sockets, and a hello costs 5 … 10 % more CPU
// (benchmarks/run.ts).

import { Socket, type Server, type SocketConstructorOpts } from "node:net";

import { READ_BYTES, WIDE_READ_BYTES, type WideReader } from "../net/wide-reader.ts";

/** As large as Node's; and while a large body comes. */
const BUFFER = Buffer.allocUnsafeSlow(READ_BYTES);
const WIDE_BUFFER = Buffer.allocUnsafeSlow(WIDE_READ_BYTES);

const ON_READ = { buffer: BUFFER, callback: onRead };

/** A socket that reads into memory that all of them share. */
class SharingSocket extends Socket implements WideReader {
  /** What it reads into. */
  buffer = BUFFER;
  readonly #handle: Methods<"useUserBuffer">;

  constructor(handle: Methods<"useUserBuffer">, highWaterMark: number) {
    const options: SocketConstructorOpts = { allowHalfOpen: true, onread: ON_READ };
    // Not among the documented options.
    Object.assign(options, { handle, highWaterMark });
    super(options);
    this.#handle = handle;
  }

  readWide(isWide: boolean): void {
    const buffer = isWide ? WIDE_BUFFER : BUFFER;
    if (buffer === this.buffer || this.destroyed) return;
    this.buffer = buffer;
    this.#handle.useUserBuffer(buffer);
  }
}

/**
 * Makes a listening server give sockets to `accept` whose "data" is valid during the call only. False:
 * it cannot be had, and the server's "connection" event goes on as it was.
 */
export function shareReads(
  server: Server,
  highWaterMark: number,
  accept: (socket: Socket) => void,
): boolean {
  const listening: unknown = Reflect.get(server, "_handle");
  if (!hasMethods(listening, ["onconnection"])) return false;
  const original: unknown = Reflect.get(listening, "onconnection");
  if (typeof original !== "function") return false;
  const onConnection = (status: number, handle: unknown): void => {
    if (status !== 0 || !hasMethods(handle, ["useUserBuffer", "readStart", "readStop"])) {
      Reflect.apply(original, listening, [status, handle]);
      return;
    }
    if (hasMethods(handle, ["setNoDelay"])) handle.setNoDelay(true);
    accept(new SharingSocket(handle, highWaterMark));
  };
  return Reflect.set(listening, "onconnection", onConnection);
}

type Methods<N extends string> = Record<N, (...values: unknown[]) => unknown>;

function hasMethods<N extends string>(value: unknown, names: readonly N[]): value is Methods<N> {
  if (typeof value !== "object" || value === null) return false;
  return names.every((name) => typeof Reflect.get(value, name) === "function");
}

// Called by Node with the socket as `this`.
function onRead(this: SharingSocket, length: number): boolean {
  this.emit("data", this.buffer.subarray(0, length));
  return true;
}
