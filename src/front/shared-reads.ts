// One read buffer for all client sockets. Node allocates a new buffer for each read of an accepted socket;
// only a socket that the program itself connects can have its own buffer (`onread`). So this file makes the
// sockets around the handles that Node's server accepts. Handles are internal to Node. If they do not look as
// expected here, Node makes the sockets as usual, and a hello costs 5 … 10 % more CPU (benchmarks/run.ts).

import { Socket, type Server, type SocketConstructorOpts } from "node:net";

import { READ_BYTES, WIDE_READ_BYTES, type WideReader } from "../net/wide-reader.ts";

/** The usual buffer is as large as Node's; the wide one is used while a large body comes. */
const BUFFER = Buffer.allocUnsafeSlow(READ_BYTES);
const WIDE_BUFFER = Buffer.allocUnsafeSlow(WIDE_READ_BYTES);

const ON_READ = { buffer: BUFFER, callback: onRead };

/** A socket that reads into the shared buffer. */
class SharingSocket extends Socket implements WideReader {
  /** The buffer that the socket reads into now. */
  buffer = BUFFER;
  readonly #handle: Methods<"useUserBuffer">;

  constructor(handle: Methods<"useUserBuffer">, highWaterMark: number) {
    const options: SocketConstructorOpts = { allowHalfOpen: true, onread: ON_READ };
    // These options are not documented.
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
 * Makes a listening server pass sockets to `accept` whose "data" is valid only during the event. False if
 * the handles are not as expected: then the server's "connection" event passes ordinary sockets.
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
    const socket = new SharingSocket(handle, highWaterMark);
    try {
      accept(socket);
    } catch (error) {
      // A fault of ours: nobody else would close the connection.
      socket.destroy();
      throw error;
    }
  };
  return Reflect.set(listening, "onconnection", onConnection);
}

type Methods<N extends string> = Record<N, (...values: unknown[]) => unknown>;

function hasMethods<N extends string>(value: unknown, names: readonly N[]): value is Methods<N> {
  if (typeof value !== "object" || value === null) return false;
  return names.every((name) => typeof Reflect.get(value, name) === "function");
}

// Node calls this function with the socket as `this`.
function onRead(this: SharingSocket, length: number): boolean {
  this.emit("data", this.buffer.subarray(0, length));
  return true;
}
