// The header of the PROXY protocol, versions 1 and 2 (HAProxy's proxy-protocol.txt): a proxy writes the client's
// address before the first byte of a connection. Pure: bytes → what they say. A header that is not exactly as the
// specification has it is invalid, because whoever may send one chooses the address that logs and rules see.

import { isIPv4, isIPv6, SocketAddress } from "node:net";

import { plainAddress, type Peers } from "./address.ts";

export type ProxyHeader =
  /** The bytes may be the beginning of a header. */
  | { readonly kind: "more" }
  /** The connection begins without a header. */
  | { readonly kind: "none" }
  /** The proxy speaks for itself, or names no address of TCP: the socket's own addresses count. */
  | { readonly kind: "local"; readonly length: number }
  | { readonly kind: "peers"; readonly length: number; readonly peers: Peers }
  | { readonly kind: "invalid" };

const MORE: ProxyHeader = { kind: "more" };
const NONE: ProxyHeader = { kind: "none" };
const INVALID: ProxyHeader = { kind: "invalid" };

const V1_PREFIX = Buffer.from("PROXY ", "latin1");
/** With its line end (§2.1). */
const MAX_V1_BYTES = 107;

const V2_SIGNATURE = Buffer.from("\r\n\r\n\0\r\nQUIT\n", "latin1");
/** Signature, version and command, family and protocol, length. */
const V2_HEAD_BYTES = 16;
/** Addresses of a Unix socket (§2.2), the longest ones. */
const UNIX_BYTES = 216;
const IPV4_BYTES = 12;
const IPV6_BYTES = 36;
/** Type-length-values behind the addresses, which are skipped: HAProxy and load balancers send some hundred bytes. */
const MAX_TLV_BYTES = 4096;
const V2_LOCAL = 0x20;
const V2_PROXY = 0x21;

/** No header is longer. */
export const MAX_PROXY_HEADER_BYTES = V2_HEAD_BYTES + UNIX_BYTES + MAX_TLV_BYTES;

/** Reads the header at the beginning of a connection. `bytes`: all that have come, in any split. */
export function readProxyHeader(bytes: Buffer): ProxyHeader {
  if (isBeginOf(V2_SIGNATURE, bytes)) return readVersion2(bytes);
  if (isBeginOf(V1_PREFIX, bytes)) return readVersion1(bytes);
  return NONE;
}

function isBeginOf(whole: Buffer, bytes: Buffer): boolean {
  const length = Math.min(whole.length, bytes.length);
  return whole.compare(bytes, 0, length, 0, length) === 0;
}

// "PROXY TCP4 192.0.2.1 192.0.2.2 56324 443\r\n", or "PROXY UNKNOWN" and anything up to the line end.
function readVersion1(bytes: Buffer): ProxyHeader {
  const end = bytes.subarray(0, MAX_V1_BYTES).indexOf("\r\n");
  if (end === -1) return bytes.length < MAX_V1_BYTES ? MORE : INVALID;
  const length = end + 2;
  const line = bytes.toString("latin1", V1_PREFIX.length, end);
  if (/^UNKNOWN(?: |$)/.test(line)) return { kind: "local", length };
  const [family, remote = "", local = "", remotePort, localPort, ...rest] = line.split(" ");
  const isAddress = family === "TCP4" ? isIPv4 : isPlainIPv6;
  const ports = [readPort(remotePort), readPort(localPort)] as const;
  if ((family !== "TCP4" && family !== "TCP6") || rest.length > 0) return INVALID;
  if (!isAddress(remote) || !isAddress(local)) return INVALID;
  if (ports[0] === null || ports[1] === null) return INVALID;
  return peers(length, [remote, ports[0]], [local, ports[1]]);
}

// A zone ("fe80::1%eth0") is a name of another machine's interface.
function isPlainIPv6(text: string): boolean {
  return isIPv6(text) && !text.includes("%");
}

function readPort(text: string | undefined): number | null {
  if (text === undefined || !/^(?:0|[1-9]\d{0,4})$/.test(text) || Number(text) > 65_535)
    return null;
  return Number(text);
}

function readVersion2(bytes: Buffer): ProxyHeader {
  if (bytes.length < V2_HEAD_BYTES) return MORE;
  const command = bytes.readUInt8(12);
  const family = bytes.readUInt8(13);
  const rest = bytes.readUInt16BE(14);
  const length = V2_HEAD_BYTES + rest;
  if (command !== V2_LOCAL && command !== V2_PROXY) return INVALID;
  const addressBytes = ADDRESS_BYTES.get(family);
  // With LOCAL the receiver ignores the family and what follows.
  const least = command === V2_LOCAL ? 0 : addressBytes;
  if (least === undefined || rest < least || rest > (addressBytes ?? 0) + MAX_TLV_BYTES)
    return INVALID;
  if (bytes.length < length) return MORE;
  if (command === V2_LOCAL || (family !== TCP4 && family !== TCP6))
    return { kind: "local", length };
  const size = family === TCP4 ? 4 : 16;
  const addressAt = (at: number): string => textOf(bytes.subarray(at, at + size));
  const ports = V2_HEAD_BYTES + 2 * size;
  return peers(
    length,
    [addressAt(V2_HEAD_BYTES), bytes.readUInt16BE(ports)],
    [addressAt(V2_HEAD_BYTES + size), bytes.readUInt16BE(ports + 2)],
  );
}

const TCP4 = 0x11;
const TCP6 = 0x21;
/** Family and protocol → bytes of both ends. Datagrams cannot have come by a stream. */
const ADDRESS_BYTES: ReadonlyMap<number, number> = new Map([
  [0x00, 0],
  [TCP4, IPV4_BYTES],
  [TCP6, IPV6_BYTES],
  [0x31, UNIX_BYTES],
]);

function textOf(address: Buffer): string {
  if (address.length === 4) return address.join(".");
  return (address.toString("hex").match(/.{4}/g) ?? []).join(":");
}

function peers(
  length: number,
  [remote, remotePort]: readonly [string, number],
  [local, localPort]: readonly [string, number],
): ProxyHeader {
  return {
    kind: "peers",
    length,
    peers: {
      remoteAddress: canonical(remote),
      remotePort,
      localAddress: canonical(local),
      localPort,
    },
  };
}

/** The address as the kernel writes it, so that a client has the same one in every log and rule. */
function canonical(address: string): string {
  if (isIPv4(address)) return address;
  return plainAddress(new SocketAddress({ address, family: "ipv6" }).address);
}
