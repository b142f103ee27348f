// Names of hosts as one text each, so that they can be compared: names ignore case, a final dot changes no name, and an
// address has many spellings. Pure.

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
