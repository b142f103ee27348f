// WebSockets of ASGI applications: how large their messages may be, and when a client counts as gone.

import { inGroup } from "../option.ts";
import { BadValue, readBoolean, readSize, seconds } from "../values.ts";

/** All unfinished messages together may take as much. */
const MAX_MESSAGE_BYTES = 268_435_456;

const option = inGroup("WebSockets");

function readMessageSize(text: string): number {
  const bytes = readSize(text);
  if (bytes < 1 || bytes > MAX_MESSAGE_BYTES) throw new BadValue("must be a size from 1 to 256M");
  return bytes;
}

export const WEB_SOCKETS = {
  wsMaxSize: option({
    name: "ws-max-size",
    placeholder: "SIZE",
    fallback: "16M",
    help: "the largest message; more closes with 1009",
    doc: "The largest message that a client may send on a WebSocket, inflated, such as `512k` or `16M`, at most `256M`; a larger one closes the connection with 1009. Under ASGI: a WSGI application reads the frames itself.",
    read: readMessageSize,
  }),
  wsPingInterval: option({
    name: "ws-ping-interval",
    placeholder: "SECONDS",
    fallback: "20",
    help: "between two pings to a client; 0 = none",
    doc: "How often a client of a WebSocket is asked by a ping whether it is there. 0: never. Under ASGI.",
    read: seconds(0),
  }),
  wsPingTimeout: option({
    name: "ws-ping-timeout",
    placeholder: "SECONDS",
    fallback: "20",
    help: "for anything to come after a ping; 0 = no limit",
    doc: "How long after a ping a client may stay silent; then it counts as gone and is cut, and the application gets `websocket.disconnect` with 1006. 0: for ever. Under ASGI.",
    read: seconds(0),
  }),
  wsPerMessageDeflate: option({
    name: "ws-per-message-deflate",
    placeholder: "BOOLEAN",
    fallback: "true",
    help: "compress messages where the client offers it",
    doc: "Whether the offer of a client to compress messages (permessage-deflate) is taken: `true` or `false`. Under ASGI.",
    read: readBoolean,
  }),
} as const;
