// A client that makes TLS handshakes for so many seconds, in some lanes side by side, and closes each connection
// when its handshake is done. Arguments: port, seconds, lanes, "full" or "resumed". A handshake of the wrong kind
// ends it with an error. Prints one line of JSON, times in microseconds.

import { once } from "node:events";
import { connect } from "node:tls";
import { percentile } from "../statistics.ts";

const [port = 0, seconds = 0, lanes = 0] = process.argv.slice(2, 5).map(Number);
const isResumed = process.argv[5] === "resumed";
const times: number[] = [];
const begin = performance.now();

/** One handshake, resumed with a ticket; returns the first ticket that the server sends, if one is waited for. */
async function shakeHands(ticket: Buffer | undefined): Promise<Buffer | undefined> {
  const since = performance.now();
  const socket = connect({
    port,
    host: "127.0.0.1",
    rejectUnauthorized: false,
    ALPNProtocols: ["http/1.1"],
    ...(ticket === undefined ? {} : { session: ticket }),
  });
  const [given] = await Promise.all([
    isResumed ? once(socket, "session") : [],
    once(socket, "secureConnect"),
  ]);
  if (socket.isSessionReused() !== (ticket !== undefined))
    throw new Error("a handshake of the wrong kind");
  times.push((performance.now() - since) * 1000);
  socket.resume().end();
  await once(socket, "close");
  const [next]: unknown[] = given;
  return Buffer.isBuffer(next) ? next : undefined;
}

/** Handshakes one after the other; a ticket is used once (RFC 8446 §C.4). */
async function run(): Promise<void> {
  let ticket: Buffer | undefined;
  while (performance.now() - begin < seconds * 1000) ticket = await shakeHands(ticket);
}

await Promise.all(Array.from({ length: lanes }, run));
const sorted = Float64Array.from(times).sort();
const outcome = {
  requests: times.length,
  micros: (performance.now() - begin) * 1000,
  p50: percentile(sorted, 0.5),
  p99: percentile(sorted, 0.99),
  max: sorted.at(-1) ?? 0,
};
process.stdout.write(`${JSON.stringify(outcome)}\n`);
