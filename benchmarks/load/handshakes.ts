// A client that opens TLS connections for so many seconds, in some lanes side by side, with one request on each:
// some servers send tickets with their first response only. Arguments: port, seconds, lanes, "full" or "resumed". A handshake of the wrong kind
// ends it with an error. Prints one line of JSON, times in microseconds.

import { once } from "node:events";
import { connect } from "node:tls";
import { percentile } from "../statistics.ts";

const [port = 0, seconds = 0, lanes = 0] = process.argv.slice(2, 5).map(Number);
const isResumed = process.argv[5] === "resumed";
const times: number[] = [];
const begin = performance.now();

/** One connection, resumed with a ticket if there is one; returns the newest ticket that the server has sent. */
async function shakeHands(ticket: Buffer | undefined): Promise<Buffer | undefined> {
  const since = performance.now();
  let newest = ticket;
  const socket = connect({
    port,
    host: "127.0.0.1",
    rejectUnauthorized: false,
    ALPNProtocols: ["http/1.1"],
    ...(ticket === undefined ? {} : { session: ticket }),
  });
  socket.on("session", (given: Buffer) => (newest = given));
  const closed = once(socket, "close");
  await once(socket, "secureConnect");
  if (socket.isSessionReused() !== (ticket !== undefined))
    throw new Error("a handshake of the wrong kind");
  times.push((performance.now() - since) * 1000);
  socket.resume();
  socket.write("GET / HTTP/1.1\r\nHost: bench\r\nConnection: close\r\n\r\n");
  await closed;
  return newest;
}

/** Handshakes one after the other; a server that sends no new ticket gets the same one again. */
async function run(): Promise<void> {
  let ticket: Buffer | undefined;
  while (performance.now() - begin < seconds * 1000) {
    const newest = await shakeHands(ticket);
    if (!isResumed) continue;
    if (newest === undefined) throw new Error("the server sent no ticket");
    ticket = newest;
  }
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
