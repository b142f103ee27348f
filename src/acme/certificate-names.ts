// Which names a certificate can be ordered for, and how their control can be proved here. Pure.

import { isIP } from "node:net";

import type { ChallengeType } from "./authorization.ts";
import type { Identifier } from "./identifier.ts";
import { MAX_IDENTIFIERS } from "./order.ts";

/** Certificates of one server. */
const MAX_CERTIFICATES = 1000;
/** Names as DNS has them, in ASCII, with at least two labels; a wildcard for the first label. */
const NAME =
  /^(?=.{1,253}$)(?:\*\.)?(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/;

/** What this server can do for an authority's check. */
export interface ProofMeans {
  /** Port 80 is served: http-01. */
  readonly http: boolean;
  /** Port 443 is served: tls-alpn-01. */
  readonly https: boolean;
  /** There is a hook program: dns-01. */
  readonly dns: boolean;
}

/**
 * The types of challenges that can be responded to, best first. A hook program was given on purpose and needs no
 * port; then http-01, which works through more of the proxies that may stand before the server.
 */
export function challengeTypes(
  { type }: Identifier,
  isWildcard: boolean,
  means: ProofMeans,
): readonly ChallengeType[] {
  const types: ChallengeType[] = [];
  if (means.dns && type === "dns") types.push("dns-01");
  if (means.http && !isWildcard) types.push("http-01");
  if (means.https && !isWildcard) types.push("tls-alpn-01");
  return types;
}

/** "*.Example.com" → a name in lower case; "[2001:DB8::1]" or "192.0.2.1" → an address. Null: neither. */
export function readIdentifier(text: string): Identifier | null {
  const address = text.replace(/^\[(.*)\]$/, "$1");
  if (isIP(address) === 4) return { type: "ip", value: address };
  if (isIP(address) === 6) {
    // A zone ("%eth0") is this machine's matter, and no URL has one.
    if (address.includes("%")) return null;
    return { type: "ip", value: new URL(`http://[${address}]`).hostname.slice(1, -1) };
  }
  const name = text.toLowerCase();
  return NAME.test(name) ? { type: "dns", value: name } : null;
}

/** Why certificates cannot be ordered, for the operator, in one line; null: they can. */
export function refusalOf(
  groups: readonly (readonly string[])[],
  means: ProofMeans,
): string | null {
  if (groups.length > MAX_CERTIFICATES) return `more than ${MAX_CERTIFICATES} certificates`;
  for (const names of groups) {
    if (names.length === 0 || names.length > MAX_IDENTIFIERS)
      return `a certificate has 1 to ${MAX_IDENTIFIERS} names, not ${names.length}`;
    const refused = names.map((name) => refusalOfName(name, means)).find((text) => text !== null);
    if (refused !== undefined) return refused;
  }
  return null;
}

function refusalOfName(name: string, means: ProofMeans): string | null {
  const identifier = readIdentifier(name);
  if (identifier === null)
    return `${JSON.stringify(name)} is no name of the public DNS and no address`;
  const isWildcard = identifier.value.startsWith("*.");
  if (challengeTypes(identifier, isWildcard, means).length > 0) return null;
  if (isWildcard) return `${name} needs --acme-dns-hook: a wildcard is proved by a DNS record`;
  const hook = identifier.type === "dns" ? ", or give --acme-dns-hook" : "";
  return `no authority can check ${name}: listen on port 80 or 443${hook}`;
}
