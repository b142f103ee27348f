// The end of a connection whose response is incomplete: the client must not take it for the end of the response.

import type { Socket } from "node:net";

/**
 * Ends a connection with a reset (RST). Unix sockets have none; there the connection is closed. Over TLS the
 * alert that ends a complete connection (close_notify) is missing as well.
 */
export function cutConnection(socket: Socket): void {
  if (socket.destroyed) return;
  try {
    socket.resetAndDestroy();
  } catch {
    // ERR_INVALID_HANDLE_TYPE: a Unix socket.
    socket.destroy();
  }
}
