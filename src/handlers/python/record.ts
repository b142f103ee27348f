// The record of a request, as a worker reads it (docs/worker-protocol.md, "The record"). Pure. All
// strings are latin-1 and hold no NUL: heads were validated, and an encoded NUL stays encoded.

import type { Exchange } from "../../http/exchange.ts";
import type { RequestHead } from "../../http/message.ts";

/** The names block: field names, joined by NUL. */
export function recordNames(head: RequestHead): string {
  return head.names.join("\0");
}

/**
 * The values block. `bodyLength`: decimal where the length of a received body was not declared, else "".
 * `bodyFile`: path of the file that holds the body, without NUL, else "".
 */
export function recordValues(exchange: Exchange, bodyLength: string, bodyFile: string): string {
  const head = exchange.effectiveHead;
  const fields = head.values.length === 0 ? "" : `${head.values.join("\0")}\0`;
  return (
    `${head.method}\0${head.target}\0${head.path}\0${head.query}\0HTTP/${head.version}\0` +
    `${exchange.scheme}\0${exchange.remoteAddress}\0${exchange.remotePort}\0` +
    `${exchange.localAddress}\0${exchange.localPort}\0${exchange.requestId}\0` +
    `${fields}${bodyLength}\0${bodyFile === "" ? "" : latin1(bodyFile)}`
  );
}

/** The UTF-8 bytes of a path, each a character, as everything in a record. */
function latin1(path: string): string {
  return Buffer.from(path).toString("latin1");
}
