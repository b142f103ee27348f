// Names in a certificate, from the texts that node:crypto makes of them. Pure.

import type { X509Certificate } from "node:crypto";

/** One alternative name in OpenSSL's list; names with special characters are quoted as in JSON. */
const ALTERNATIVE = /(?:[^",]|"(?:[^"\\]|\\.)*")+/g;

/** Subject alternative names, as OpenSSL writes each: "DNS:a.example", "IP Address:192.0.2.1". */
export function alternativeNames({ subjectAltName }: X509Certificate): string[] {
  return Array.from(subjectAltName?.matchAll(ALTERNATIVE) ?? [], ([name]) => name.trim());
}

/**
 * A distinguished name in the form of RFC 4514, the most specific part first: "CN=anna,O=Example". `lines`: as
 * node:crypto has it, one part a line from the root on, values escaped as RFC 4514 asks.
 */
export function distinguishedName(lines: string | undefined): string {
  const parts = lines?.split("\n").filter((part) => part !== "") ?? [];
  // Several values of one part: "CN=anna + UID=7".
  return parts
    .toReversed()
    .map((part) => part.replaceAll(" + ", "+"))
    .join(",");
}

/** The common name; "" = none. */
export function commonNameOf({ subject }: X509Certificate): string {
  return /^CN=(.*)$/m.exec(subject ?? "")?.[1] ?? "";
}
