// Reads the response to an opening handshake that an application writes into a socket itself (RFC 9112 §4, RFC
// 6455 §4.2.2), and makes a head that the front can send. Pure. Bytes that do not accept this handshake are a
// fault. The front sends Upgrade and Connection itself.

import type { ResponseHead } from "../http/message.ts";
import { responseHead, ResponseFault } from "../http/response-head.ts";
import { acceptKey, type Handshake } from "./handshake.ts";
import { MAX_UPGRADE_HEAD_BYTES } from "./limits.ts";

const HEAD_END = "\r\n\r\n";
const STATUS_LINE = /^HTTP\/1\.1 101(?: ([^\r\n]*))?$/;
const FIELD_LINE = /^([^:\s]+):[\t ]*(.*?)[\t ]*$/;

/** A head, and its length in bytes as the application wrote it. */
export interface UpgradeHead {
  readonly head: ResponseHead;
  readonly length: number;
}

type Field = readonly [name: string, value: string];

/** Reads the head at the beginning of `bytes`; null: it is incomplete. Throws ResponseFault. */
export function readUpgradeHead(bytes: Buffer, handshake: Handshake): UpgradeHead | null {
  const end = bytes.indexOf(HEAD_END, 0, "latin1");
  if (end > MAX_UPGRADE_HEAD_BYTES || (end < 0 && bytes.length > MAX_UPGRADE_HEAD_BYTES))
    throw new ResponseFault(
      `the response to the handshake has more than ${MAX_UPGRADE_HEAD_BYTES} bytes`,
    );
  if (end < 0) return null;
  const [first = "", ...lines] = bytes.toString("latin1", 0, end).split("\r\n");
  const status = STATUS_LINE.exec(first);
  if (status === null)
    throw new ResponseFault("the response to the handshake does not begin with HTTP/1.1 101");
  const fields = lines.map(readField);
  check(fields, handshake);
  const sent = fields.filter(([name]) => !["upgrade", "connection"].includes(name.toLowerCase()));
  const reason = status[1] ?? "";
  return { head: responseHead(101, reason, sent), length: end + HEAD_END.length };
}

function readField(line: string): Field {
  const [, name, value] = FIELD_LINE.exec(line) ?? [];
  if (name === undefined || value === undefined)
    throw new ResponseFault("a line of the response to the handshake is no field");
  return [name, value];
}

function check(fields: readonly Field[], { key, subprotocols }: Handshake): void {
  const values = (wanted: string): string[] =>
    fields.filter(([name]) => name.toLowerCase() === wanted).map(([, value]) => value);
  if (values("upgrade").join().toLowerCase() !== "websocket")
    throw new ResponseFault("the response to the handshake needs Upgrade: websocket");
  if (values("connection").join().toLowerCase() !== "upgrade")
    throw new ResponseFault("the response to the handshake needs Connection: Upgrade");
  // A handshake of HTTP/2 has no key, so these bytes cannot accept it.
  if (key === null || values("sec-websocket-accept").join() !== acceptKey(key))
    throw new ResponseFault(
      "the response to the handshake lacks the Sec-WebSocket-Accept of its key",
    );
  const chosen = values("sec-websocket-protocol");
  if (!chosen.every((name) => subprotocols.includes(name)))
    throw new ResponseFault("the subprotocol is none of those that the client has named");
  if (chosen.length > 1) throw new ResponseFault("there are two subprotocols");
  if (values("content-length").length > 0)
    throw new ResponseFault("the response to the handshake must not have Content-Length");
}
