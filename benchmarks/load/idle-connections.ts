// A client that opens many connections, sends one request on each, and then holds them idle. Arguments:
// port, count, and "tls" where they are to be over TLS. Prints one line with the number of open connections when all responses have come, and
// again for each line on standard input. Runs until it is killed.

import { createInterface } from "node:readline";
import { Connection } from "./connection.ts";

/** Connections being opened at once: fewer than every server's backlog. */
const MAX_OPENING = 64;
const REQUEST = "GET / HTTP/1.1\r\nHost: bench\r\n\r\n";

const [port = 0, wanted = 0] = process.argv.slice(2, 4).map(Number);
const isSecure = process.argv[4] === "tls";
/** A limit for servers that close connections which they do not want to keep. */
const maxOpened = wanted * 2;
const held = new Set<Connection>();
let opened = 0;
let opening = 0;
let isReported = false;

function openMore(): void {
  while (opening < MAX_OPENING && held.size + opening < wanted && opened < maxOpened) {
    opened++;
    opening++;
    new Connection(port, { onIdle, onResponse, onClosed }, isSecure);
  }
  if (opening > 0 || isReported) return;
  isReported = true;
  report();
}

function onIdle(connection: Connection): void {
  connection.send(REQUEST);
}

function onResponse(connection: Connection, status: number): void {
  if (status !== 200) throw new Error(`status ${status}`);
  opening--;
  held.add(connection);
  openMore();
}

function onClosed(connection: Connection): void {
  if (!held.delete(connection)) opening--;
  if (!isReported) openMore();
}

function report(): void {
  process.stdout.write(`${held.size}\n`);
}

createInterface({ input: process.stdin }).on("line", report);
openMore();
