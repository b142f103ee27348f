// One read buffer for all client sockets. Node gives each read of an accepted socket a buffer of its own;
// only sockets that a program connects itself may bring one (`onread`). So the sockets are made here,
// around the handles that the server's own handle hands over. Handles are Node's own affair: where they
// look different from what is known here, Node makes the sockets, and a hello costs 5 … 10 % more CPU
// (benchmarks/run.ts).

import { Socket, type Server, type SocketConstructorOpts } from "node:net";

/** Bytes read from a socket at a time, as Node reads them. */
const READ_BYTES = 65_536;
const READ_BUFFER = Buffer.allocUnsafeSlow(READ_BYTES);

const ON_READ = { buffer: READ_BUFFER, callback: onRead };

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
    const options: SocketConstructorOpts = { allowHalfOpen: true, onread: ON_READ };
    // Not among the documented options.
    Object.assign(options, { handle, highWaterMark });
    accept(new Socket(options));
  };
  return Reflect.set(listening, "onconnection", onConnection);
}

function hasMethods<N extends string>(
  value: unknown,
  names: readonly N[],
): value is Record<N, (...values: unknown[]) => unknown> {
  if (typeof value !== "object" || value === null) return false;
  return names.every((name) => typeof Reflect.get(value, name) === "function");
}

// Called by Node with the socket as `this`.
function onRead(this: Socket, length: number): boolean {
  this.emit("data", READ_BUFFER.subarray(0, length));
  return true;
}
