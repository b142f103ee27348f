// Addresses as text: those of both ends of a connection, for the log and the application, and those of
// listeners, for the operator.

import type { Socket } from "node:net";

/** The address of a listening socket. */
export type ListenAddress =
  | { readonly kind: "tcp"; readonly host: string; readonly port: number }
  | { readonly kind: "unix"; readonly path: string };

/** An address, and whether TLS is spoken there. A Unix socket has "http". */
export type BoundAddress = ListenAddress & { readonly scheme: "http" | "https" };

/** Rights of the file of a listening Unix socket. */
export interface SocketRights {
  /** Such as 0o666. */
  readonly mode: number;
  /** Null: this process's own; -1: that part stays. */
  readonly owner: { readonly uid: number; readonly gid: number } | null;
}

/** Both ends of a connection, without brackets; "" and 0 for a Unix socket. */
export interface Peers {
  readonly remoteAddress: string;
  readonly remotePort: number;
  readonly localAddress: string;
  readonly localPort: number;
}

/** "::ffff:192.0.2.1", or the same address as "::ffff:c000:201". RFC 4291 §2.5.5.2. */
const MAPPED = /^::ffff:(?:(\d+\.\d+\.\d+\.\d+)|([\da-f]{1,4}):([\da-f]{1,4}))$/i;

/** Reads the addresses of both ends of a connected socket, which the kernel forgets when the socket closes. */
export function peersOf(socket: Socket): Peers {
  return {
    remoteAddress: plainAddress(socket.remoteAddress),
    remotePort: socket.remotePort ?? 0,
    localAddress: plainAddress(socket.localAddress),
    localPort: socket.localPort ?? 0,
  };
}

/**
 * Writes an IPv4 address in its IPv6 form, which a dual-stack socket reports and some proxies write, as
 * "192.0.2.1", so that a client has the same address in every log and rule.
 */
export function plainAddress(address: string | undefined): string {
  if (address === undefined) return "";
  if (!address.startsWith("::")) return address;
  const [, dotted, high, low] = MAPPED.exec(address) ?? [];
  if (high === undefined || low === undefined) return dotted ?? address;
  const bits = Number.parseInt(high, 16) * 65_536 + Number.parseInt(low, 16);
  return [24, 16, 8, 0].map((shift) => (bits >>> shift) & 0xff).join(".");
}

/** "http://192.0.2.1:80", "https://[2001:db8::1]:443" or "unix:/run/a.sock". */
export function formatUrl(address: BoundAddress): string {
  const text = formatAddress(address);
  return address.kind === "unix" ? text : `${address.scheme}://${text}`;
}

/** Formats an address: "192.0.2.1:80", "[2001:db8::1]:80" or "unix:/run/a.sock". */
export function formatAddress(address: ListenAddress): string {
  if (address.kind === "unix") return `unix:${address.path}`;
  const host = address.host.includes(":") ? `[${address.host}]` : address.host;
  return `${host}:${address.port}`;
}
