// What a certificate is for: the identifiers of an order (RFC 8555 §9.7.7, RFC 8738). Pure.

import { isIP } from "node:net";

import { addressBytes } from "../x509/general-names.ts";

/** A name in ASCII, also one that begins with "*.", or an address. */
export interface Identifier {
  readonly type: "dns" | "ip";
  readonly value: string;
}

/** A text that is equal for equal identifiers: names in lower case, the bytes of addresses. */
export function identifierKey({ type, value }: Identifier): string {
  if (type === "dns" || isIP(value) === 0) return `${type}:${value.toLowerCase()}`;
  return `ip:${addressBytes(value).toString("hex")}`;
}

/** The server name that an authority sends when it checks tls-alpn-01: for an address, its name in the reverse zone (RFC 8738 §6). */
export function challengeServerName({ type, value }: Identifier): string {
  if (type === "dns") return value.toLowerCase();
  const bytes = addressBytes(value);
  if (bytes.length === 4) return `${[...bytes].toReversed().join(".")}.in-addr.arpa`;
  return `${bytes.toString("hex").split("").toReversed().join(".")}.ip6.arpa`;
}
