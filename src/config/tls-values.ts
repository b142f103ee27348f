// Readers for the values of TLS and ACME: names of certificates, authorities, client-certificate policies. Pure.

import { isIP, isIPv6 } from "node:net";
import { domainToASCII } from "node:url";

import type { ClientCertificatePolicy } from "./configuration.ts";
import { BadValue, withSchema, type Reader } from "./values.ts";

/** A name of DNS: labels of letters, digits and hyphens (RFC 1123 §2.1). */
const DOMAIN =
  /^(?=.{1,253}$)[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)*$/;

/** Clients read such a name as an IPv4 address (WHATWG URL). */
const NUMBER_AT_END = /(?:^|\.)(?:\d+|0x[\da-f]*)$/;

/** "Bücher.example." → "xn--bcher-kva.example"; "*.example.com"; an IP address without brackets. Throws BadValue. */
export function readDomain(text: string): string {
  const address = text.replace(/^\[(.*)\]$/, "$1");
  if (isIP(address) !== 0 && !address.includes("%")) return canonicalAddress(address);
  const [, star = "", name = ""] = /^(\*\.)?(.*?)\.?$/.exec(text) ?? [];
  if (/:\/\/|\/|:\d*$/.test(text))
    throw new BadValue("must be a name alone, such as example.com: no scheme, no port, no path");
  const ascii = /^[\x21-\x7e]+$/.test(name) ? name.toLowerCase() : domainToASCII(name);
  if (ascii === "localhost" || ascii.endsWith(".localhost"))
    throw new BadValue(
      "gets no certificate from an authority; for development write --tls internal",
    );
  if (!DOMAIN.test(ascii) || NUMBER_AT_END.test(ascii) || (star !== "" && !ascii.includes(".")))
    throw new BadValue("must be a name such as example.com, *.example.com, or an IP address");
  return star + ascii;
}

/** As certificates and clients write it (RFC 5952). */
function canonicalAddress(address: string): string {
  return isIPv6(address) ? new URL(`http://[${address}]`).hostname.slice(1, -1) : address;
}

/** Accepts only accounts with external account binding. */
export const ZERO_SSL = "https://acme.zerossl.com/v2/DV90";

const ISSUERS: Readonly<Record<string, string>> = {
  letsencrypt: "https://acme-v02.api.letsencrypt.org/directory",
  "letsencrypt-staging": "https://acme-staging-v02.api.letsencrypt.org/directory",
  zerossl: ZERO_SSL,
};

/** The URL of an ACME directory, from a name or the URL itself. Throws BadValue. */
export function readIssuer(text: string): string {
  const known = Object.hasOwn(ISSUERS, text) ? ISSUERS[text] : undefined;
  if (known !== undefined) return known;
  if (URL.canParse(text) && /^https:\/\/[^\s\p{Cc}]+$/u.test(text)) {
    const { username, password, hash } = new URL(text);
    if (username === "" && password === "" && hash === "") return text;
  }
  throw new BadValue(
    `must be ${Object.keys(ISSUERS).join(", ")} or the https:// URL of an ACME directory`,
  );
}

/** An id or a name that an authority has given: visible ASCII. */
export function readToken(text: string): string {
  if (!/^[\x21-\x7e]+$/.test(text))
    throw new BadValue("must be one word of visible ASCII characters");
  return text;
}

/** An address for mail: as RFC 8555 §7.3 sends it, without the header fields that a mailto URL may have. */
export function readMail(text: string): string {
  if (!/^[\x21-\x7e]+@[A-Za-z0-9.-]+$/.test(text) || /[,?]/.test(text))
    throw new BadValue("must be one mail address, such as admin@example.com");
  return text;
}

type Mode = ClientCertificatePolicy["mode"];
const MODES: readonly Mode[] = ["none", "optional", "required"];

/** none, optional, required, or Python's ssl.CERT_NONE, CERT_OPTIONAL, CERT_REQUIRED as a number. */
export const readCertReqs: Reader<Mode> = withSchema(
  { anyOf: [{ enum: MODES }, { type: "integer", minimum: 0, maximum: 2 }] },
  (text): Mode => {
    const mode = MODES.find((one, at) => one === text || String(at) === text);
    if (mode === undefined) throw new BadValue("must be one of none, optional, required");
    return mode;
  },
);

/** OpenSSL's list: names and operators. Whether OpenSSL knows the names is seen when the certificates are loaded. */
export function readCiphers(text: string): string {
  if (!/^[A-Za-z0-9_@=+!:,. -]+$/.test(text))
    throw new BadValue(
      "must be a list in the syntax of OpenSSL, such as ECDHE+AESGCM:ECDHE+CHACHA20",
    );
  return text;
}
