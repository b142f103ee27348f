// Addresses as text: those of both ends of a connection, for the log and the application, and those of
// listeners, for the operator.

import type { Socket } from "node:net";

/** The address of a listening socket. */
export type ListenAddress =
  | { readonly kind: "tcp"; readonly host: string; readonly port: number }
  | { readonly kind: "unix"; readonly path: string };

const MAPPED = "::ffff:";

/**
 * Reads the addresses of both ends of a connected socket, which the kernel forgets when the socket closes:
 * without brackets; "" and 0 for a Unix socket.
 */
export function peersOf(socket: Socket) {
  return {
    remoteAddress: plainAddress(socket.remoteAddress),
    remotePort: socket.remotePort ?? 0,
    localAddress: plainAddress(socket.localAddress),
    localPort: socket.localPort ?? 0,
  };
}

/**
 * Writes the IPv4 address that a dual-stack socket reports as "::ffff:192.0.2.1" as "192.0.2.1", so that a
 * client has the same address in every log and rule.
 */
export function plainAddress(address: string | undefined): string {
  if (address === undefined) return "";
  const isMapped = address.startsWith(MAPPED) && address.includes(".");
  return isMapped ? address.slice(MAPPED.length) : address;
}

/** Formats an address: "192.0.2.1:80", "[2001:db8::1]:80" or "unix:/run/a.sock". */
export function formatAddress(address: ListenAddress): string {
  if (address.kind === "unix") return `unix:${address.path}`;
  const host = address.host.includes(":") ? `[${address.host}]` : address.host;
  return `${host}:${address.port}`;
}
