// The record of a request, as a worker reads it (docs/worker-protocol.md, "The record"). Pure. All
// strings are latin-1 and hold no NUL: heads were validated, and an encoded NUL stays encoded.

import type { Exchange } from "../../http/exchange.ts";

/** Names and values of one request, each joined by NUL. */
export interface RequestRecord {
  readonly names: string;
  readonly values: string;
}

/**
 * `bodyLength`: decimal where it came chunked, else "". `bodyFile`: a path without NUL, else "".
 */
export function requestRecord(
  exchange: Exchange,
  bodyLength: string,
  bodyFile: string,
): RequestRecord {
  const head = exchange.effectiveHead;
  const fields = head.values.length === 0 ? "" : `${head.values.join("\0")}\0`;
  return {
    names: head.names.join("\0"),
    values:
      `${head.method}\0${head.target}\0${head.path}\0${head.query}\0HTTP/${head.version}\0` +
      `${exchange.scheme}\0${exchange.remoteAddress}\0${exchange.remotePort}\0` +
      `${exchange.localAddress}\0${exchange.localPort}\0${exchange.requestId}\0` +
      `${fields}${bodyLength}\0${bodyFile === "" ? "" : latin1(bodyFile)}`,
  };
}

/** A path is bytes: UTF-8, each byte a character, as everything in a record. */
function latin1(path: string): string {
  return Buffer.from(path).toString("latin1");
}
