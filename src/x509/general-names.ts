// The subject alternative names of certificates and of requests (RFC 5280 §4.2.1.6). Pure.

import { isIP } from "node:net";

import { element, sequence } from "./der.ts";

const DNS_NAME = 0x82;
const IP_ADDRESS = 0x87;

/** The value of the extension, for names in ASCII and addresses. Throws RangeError for another name. */
export function generalNames(names: readonly string[]): Buffer {
  return sequence(
    ...names.map((name) => {
      if (isIP(name) !== 0) return element(IP_ADDRESS, addressBytes(name));
      if (!/^[\x21-\x7e]+$/.test(name)) throw new RangeError("not a name in ASCII");
      return element(DNS_NAME, Buffer.from(name));
    }),
  );
}

/** The 4 or 16 bytes of an address. Throws TypeError for another text. */
export function addressBytes(address: string): Buffer {
  if (isIP(address) === 4) return Buffer.from(address.split(".").map(Number));
  // The URL parser writes each address in one form: hexadecimal groups, and "::" at most once.
  const { hostname } = new URL(`http://[${address}]`);
  const [left = [], right = []] = hostname
    .slice(1, -1)
    .split("::")
    .map((side) => side.split(":").filter((group) => group !== ""));
  const zeros = Array.from({ length: 8 - left.length - right.length }, () => "0");
  const groups = [...left, ...zeros, ...right];
  return Buffer.from(groups.map((group) => group.padStart(4, "0")).join(""), "hex");
}
