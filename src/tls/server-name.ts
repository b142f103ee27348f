// Names of hosts as TLS and certificates have them: the server name of a handshake (SNI, RFC 6066 §3), and
// patterns with a wildcard as the first label (RFC 6125 §6.4.3). Pure.

/** No host name is longer, no label of it longer than 63 (RFC 1035 §2.3.4). */
const MAX_NAME = 253;
/** "_" is in names of real hosts. */
const NAME =
  /^(?:[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?\.)*[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?$/;
/** An address is no server name; no top-level domain is a number. */
const ENDS_IN_NUMBER = /(?:^|\.)(?:\d+|0x[\da-f]*)$/;

/** A server name in lower case; "" where the text is no host name. */
export function serverName(text: string): string {
  const name = text.toLowerCase();
  const isName = name.length <= MAX_NAME && NAME.test(name) && !ENDS_IN_NUMBER.test(name);
  return isName ? name : "";
}

/** The pattern that stands for a name and its siblings: "a.example.com" → "*.example.com"; "" = none. */
export function wildcardOf(name: string): string {
  const dot = name.indexOf(".");
  return dot === -1 ? "" : `*${name.slice(dot)}`;
}

/**
 * The most specific host of a list that stands for a name, as routes have hosts: an exact name, then the longest
 * "*." pattern, which stands for all names below it, then "" for every host. Undefined: none does.
 */
export function mostSpecific<T extends { readonly host: string }>(
  list: readonly T[],
  name: string,
): T | undefined {
  const matching = list.filter(({ host }) => host === "" || host === name || isBelow(name, host));
  const isExact = ({ host }: T): boolean => host === name && name !== "";
  return matching.find(isExact) ?? matching.toSorted((a, b) => b.host.length - a.host.length)[0];
}

function isBelow(name: string, pattern: string): boolean {
  return (
    pattern.startsWith("*.") && name.length >= pattern.length && name.endsWith(pattern.slice(1))
  );
}
