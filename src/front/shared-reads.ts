// One read buffer for all client sockets. Node gives each read of an accepted socket a buffer of its own;
// only sockets that a program connects itself may bring one (`onread`). So an accepted socket is made
// anew around its handle. The handle is Node's own affair: where it looks different from what is known
// here, the socket stays as it is and costs more (5 … 10 % of the CPU of a hello, benchmarks/run.ts).

import { Socket, type SocketConstructorOpts } from "node:net";

/** Bytes read from a socket at a time, as Node reads them. */
const READ_BYTES = 65_536;
const READ_BUFFER = Buffer.allocUnsafeSlow(READ_BYTES);

const ON_READ = { buffer: READ_BUFFER, callback: onRead };

/**
 * Gives the socket to use instead of `accepted`, which was accepted with `pauseOnConnect`; each "data"
 * of it is valid during the call only. `accepted` itself, where that is not to be had.
 */
export function shareReads(accepted: Socket, highWaterMark: number): Socket {
  const handle: unknown = Reflect.get(accepted, "_handle");
  if (!isKnown(handle) || !Reflect.set(accepted, "_handle", null)) return accepted.resume();
  const options: SocketConstructorOpts = { allowHalfOpen: true, onread: ON_READ };
  // Not among the documented options.
  Object.assign(options, { handle, highWaterMark });
  return new Socket(options);
}

function isKnown(handle: unknown): handle is object {
  if (typeof handle !== "object" || handle === null) return false;
  return ["useUserBuffer", "readStart", "readStop"].every(
    (name) => typeof Reflect.get(handle, name) === "function",
  );
}

// Called by Node with the socket as `this`.
function onRead(this: Socket, length: number): boolean {
  this.emit("data", READ_BUFFER.subarray(0, length));
  return true;
}
