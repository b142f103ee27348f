// WebSocket frames through Typhon's reader and writer, and through those of the library `ws`, without
// sockets: a read brings one masked frame, and a payload goes out as one frame. Prints µs a frame, the
// least of the rounds. The system calls for a real socket, write and writev, are not in the figures.
//
//   node benchmarks/websocket-frames.ts [rounds] [ms]

import { Duplex, type Writable } from "node:stream";

import * as library from "ws";

import { FrameReader } from "../src/websocket/frame-reader.ts";
import { FrameWriter } from "../src/websocket/frame-writer.ts";
import { binary } from "../test/websocket/frames.ts";

interface LibrarySender {
  send(bytes: Buffer, options: object, onDone: () => void): void;
}

// The type declarations of the library leave out Receiver and Sender.
const Receiver: new (settings: object) => Writable = Reflect.get(library, "Receiver");
const Sender: new (socket: Duplex, extensions: object) => LibrarySender = Reflect.get(
  library,
  "Sender",
);

const LENGTHS = [16, 125, 1024, 8192, 65_536];
const [rounds = 5, ms = 30] = process.argv.slice(2).map(Number);

let seen = 0;
const ignore = (): void => undefined;
const onBytes = (bytes: Buffer): void => void (seen += bytes.length);

class Sink extends Duplex {
  override _write(_bytes: Buffer, _encoding: string, done: () => void): void {
    done();
  }
  override _writev(_chunks: unknown, done: () => void): void {
    done();
  }
}

function readOurs(): (chunk: Buffer) => void {
  const listener = {
    onMessage: onBytes,
    onPing: ignore,
    onPong: ignore,
    onInflated: ignore,
    onLast: ignore,
    onReady: ignore,
  };
  const reader = new FrameReader(listener, null, 16_777_216);
  return (chunk) => void reader.read(chunk);
}

function readLibrary(): (chunk: Buffer) => void {
  const receiver = new Receiver({ isServer: true });
  receiver.on("message", onBytes);
  return (chunk) => void receiver.write(Buffer.from(chunk));
}

function writeOurs(): (payload: Buffer) => void {
  const writer = new FrameWriter(new Sink(), null);
  return (payload) => writer.send(payload, false, true, ignore);
}

function writeLibrary(): (payload: Buffer) => void {
  const sender = new Sender(new Sink(), {});
  const options = { binary: true, compress: false, fin: true, mask: false };
  return (payload) => sender.send(Buffer.from(payload), options, ignore);
}

/** µs for one frame, in a stretch that lets the event loop turn now and then, as in service. */
async function measure(act: (bytes: Buffer) => void, bytes: Buffer): Promise<number> {
  const end = performance.now() + ms;
  let spent = 0;
  let count = 0;
  while (performance.now() < end) {
    const start = performance.now();
    for (let index = 0; index < 64; index += 1) act(bytes);
    await new Promise(setImmediate);
    spent += performance.now() - start;
    count += 64;
  }
  return (spent * 1000) / count;
}

for (const length of LENGTHS) {
  const payload = Buffer.alloc(length, "payload");
  const frame = binary(payload);
  const runs = [
    ["read ours", readOurs(), frame],
    ["library", readLibrary(), frame],
    ["write ours", writeOurs(), payload],
    ["library", writeLibrary(), payload],
  ] as const;
  // The first measurement is thrown away: V8 has not compiled the code yet.
  for (const [, act, bytes] of runs) await measure(act, bytes);
  const least = runs.map(() => Infinity);
  for (let round = 0; round < rounds; round += 1)
    for (const [index, [, act, bytes]] of runs.entries())
      least[index] = Math.min(least[index] ?? Infinity, await measure(act, bytes));
  const cells = runs.map(([name], index) => `${name} ${(least[index] ?? 0).toFixed(2)}`);
  console.log(`${String(length).padStart(6)} bytes: ${cells.join(", ")} µs`);
}
if (seen === 0) throw new Error("no message was read");
