// Addresses as text: of peers, for the log and for the application, and of listeners, for people.

import type { Socket } from "node:net";

/** A place to listen at. */
export type ListenAddress =
  | { readonly kind: "tcp"; readonly host: string; readonly port: number }
  | { readonly kind: "unix"; readonly path: string };

const MAPPED = "::ffff:";

/**
 * Both ends of a connected socket, as the kernel says; addresses without brackets, "" and 0 for a Unix
 * socket.
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
 * The address of a peer as people write it: an IPv4 address that a dual-stack socket reports as
 * "::ffff:192.0.2.1" is "192.0.2.1", so that one client has one address in every log and rule.
 */
export function plainAddress(address: string | undefined): string {
  if (address === undefined) return "";
  const isMapped = address.startsWith(MAPPED) && address.includes(".");
  return isMapped ? address.slice(MAPPED.length) : address;
}

/** "192.0.2.1:80", "[2001:db8::1]:80" or "unix:/run/a.sock". */
export function formatAddress(address: ListenAddress): string {
  if (address.kind === "unix") return `unix:${address.path}`;
  const host = address.host.includes(":") ? `[${address.host}]` : address.host;
  return `${host}:${address.port}`;
}
