// A handshake of HTTP/2 (RFC 8441) for an application that speaks HTTP/1.1 on its socket (RFC 6455), and its response
// back. What follows the handshake, the frames, is the same in both. Pure, but for the key.

import { randomBytes } from "node:crypto";

import type { RequestHead, ResponseHead } from "../http/message.ts";
import { responseHead } from "../http/response-head.ts";
import type { Handshake } from "./handshake.ts";

const KEY_BYTES = 16;

/** The request that a client would have sent by HTTP/1.1, with a key of ours, and its handshake. */
export function toHttp1(
  head: RequestHead,
  handshake: Handshake,
): { readonly head: RequestHead; readonly handshake: Handshake } {
  const key = randomBytes(KEY_BYTES).toString("base64");
  const kept = head.names.map((name) => name !== "sec-websocket-key");
  const names = head.names.filter((_, index) => kept[index]);
  const values = head.values.filter((_, index) => kept[index]);
  names.push("connection", "upgrade", "sec-websocket-key");
  values.push("Upgrade", "websocket", key);
  return {
    head: { ...head, method: "GET", version: "1.1", names, values },
    handshake: { ...handshake, key },
  };
}

/** The head that accepts the handshake by HTTP/2. `head`: the 101 that accepts it by HTTP/1.1. */
export function toHttp2({ names, values }: ResponseHead): ResponseHead {
  const fields = names.map((name, index) => [name, values[index] ?? ""] as const);
  const sent = fields.filter(([name]) => name.toLowerCase() !== "sec-websocket-accept");
  return responseHead(200, "OK", sent);
}
