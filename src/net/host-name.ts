// Names of hosts as one text each, so that they can be compared: names ignore case, a final dot changes no name, and an
// address has many spellings. And which patterns stand for a name. Pure.

import { isIPv6 } from "node:net";

import { plainAddress } from "./address.ts";

/**
 * The host of a Host field, without its port: "Example.com.:8080" → "example.com", "[0:0::1]" → "[::1]" (RFC 5952),
 * "[::ffff:192.0.2.1]" → "192.0.2.1".
 */
export function hostNameOf(host: string): string {
  const bracket = host.startsWith("[") ? host.indexOf("]") : -1;
  if (bracket !== -1)
    return addressLiteral(host.slice(1, bracket)) ?? host.slice(0, bracket + 1).toLowerCase();
  return plainName(host.replace(/:\d*$/, ""));
}

/** A name in lower case, without a final dot. */
export function plainName(name: string): string {
  const lower = name.toLowerCase();
  return lower.endsWith(".") ? lower.slice(0, -1) : lower;
}

/** An IPv6 address as the host of a URL, as above; null: it is none, or has a zone. */
export function addressLiteral(address: string): string | null {
  if (!isIPv6(address) || address.includes("%")) return null;
  const { hostname } = new URL(`http://[${address}]`);
  const inner = hostname.slice(1, -1);
  const plain = plainAddress(inner);
  return plain === inner ? hostname : plain;
}

/** Sorts hosts: an exact name is more specific than a pattern, a pattern more than every host. */
export function specificity(host: string): number {
  if (host === "") return 0;
  // No name is longer than 253 characters (RFC 1035 §2.3.4).
  return host.startsWith("*.") ? host.length : 1000 + host.length;
}

/** Whether `host`, as in a route, stands for a plain name. */
export function isHost(name: string, host: string): boolean {
  if (host === "" || name === host) return true;
  // "*.example.com" stands for a.example.com and a.b.example.com, not for example.com.
  return host.startsWith("*.") && name.length >= host.length && name.endsWith(host.slice(1));
}
