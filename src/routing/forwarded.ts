// The grammar of what proxies write about a request's origin: X-Forwarded-For, -Proto, -Host, and
// Forwarded (RFC 7239 §4). Pure; whom to believe is trusted-proxies.ts' concern.

import { plainAddress } from "../net/address.ts";

/** What one proxy says of the request as it received it. Empty strings where it says nothing. */
export interface Hop {
  /** As written, without brackets and port; "unknown" and "_obfuscated" are no addresses. */
  readonly address: string;
  /** 0 if not given. */
  readonly port: number;
  /** Lower case. */
  readonly proto: string;
  readonly host: string;
}

/** Hops beyond this, counted from the right, are not looked at: nobody has so many proxies. */
export const MAX_HOPS = 32;
/** Pairs of one hop beyond this, counted from the right, are not looked at: RFC 7239 has four. */
const MAX_PAIRS = 16;

/**
 * Hops of the X-Forwarded lists, left to right. Lists of equal length belong together; of a shorter
 * one the last member is the word of the last proxy.
 */
export function readForwardedLists(
  addresses: string | null,
  protos: string | null,
  hosts: string | null,
): readonly Hop[] {
  const fors = members(addresses);
  const proto = members(protos);
  const host = members(hosts);
  const length = Math.max(fors.length, proto.length > 0 || host.length > 0 ? 1 : 0);
  const list: Hop[] = [];
  for (let i = 0; i < length; i += 1)
    list.push({
      ...readNode(fors[i] ?? ""),
      proto: at(proto, i, length).toLowerCase(),
      host: at(host, i, length),
    });
  return list;
}

/** Hops of a Forwarded field, left to right; members that are no Forwarded elements end the list. */
export function readForwarded(text: string): readonly Hop[] {
  return splitOutsideQuotes(text, ",", MAX_HOPS).map(readElement);
}

function readElement(element: string): Hop {
  let [address, proto, host] = ["", "", ""];
  for (const pair of splitOutsideQuotes(element, ";", MAX_PAIRS)) {
    const equals = pair.indexOf("=");
    const name = pair.slice(0, Math.max(0, equals)).trim().toLowerCase();
    const value = unquote(pair.slice(equals + 1).trim());
    if (name === "for") address = value;
    else if (name === "proto") proto = value.toLowerCase();
    else if (name === "host") host = value;
  }
  return { ...readNode(address), proto, host };
}

/** The last MAX_HOPS members of a list. Read from the right: of a longer list nothing else is looked at. */
function members(list: string | null): readonly string[] {
  if (list === null) return [];
  const found: string[] = [];
  for (let end = list.length; end > 0 && found.length < MAX_HOPS;) {
    const comma = list.lastIndexOf(",", end - 1);
    const member = list.slice(comma + 1, end).trim();
    if (member !== "") found.push(member);
    end = comma;
  }
  return found.reverse();
}

function at(list: readonly string[], index: number, length: number): string {
  return (list.length === length ? list[index] : list.at(-1)) ?? "";
}

/** `192.0.2.1`, `192.0.2.1:80`, `[2001:db8::1]:80`, `2001:db8::1`, `::ffff:192.0.2.1`. RFC 7239 §6. */
function readNode(node: string): { readonly address: string; readonly port: number } {
  const bracketed = /^\[([^\]]*)\](?::(\d{1,5}))?$/.exec(node);
  if (bracketed !== null)
    return { address: plainAddress(bracketed[1]), port: Number(bracketed[2] ?? "0") };
  const withPort = /^([^:]*):(\d{1,5})$/.exec(node);
  if (withPort !== null) return { address: withPort[1] ?? "", port: Number(withPort[2]) };
  return { address: plainAddress(node), port: 0 };
}

function unquote(value: string): string {
  if (!value.startsWith('"') || !value.endsWith('"') || value.length < 2) return value;
  return value.slice(1, -1).replaceAll(/\\(.)/g, "$1");
}

/** The last `max` parts that are not empty. */
function splitOutsideQuotes(text: string, separator: string, max: number): readonly string[] {
  const parts: string[] = [];
  let isQuoted = false;
  let start = 0;
  for (let i = 0; i <= text.length; i += 1) {
    const character = text[i];
    if (character === "\\" && isQuoted) i += 1;
    else if (character === '"') isQuoted = !isQuoted;
    if (i < text.length && (character !== separator || isQuoted)) continue;
    const part = text.slice(start, i).trim();
    if (part !== "") parts.push(part);
    if (parts.length > max) parts.shift();
    start = i + 1;
  }
  return parts;
}
