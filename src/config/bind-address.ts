// The addresses of --bind: HOST:PORT, [IPv6]:PORT, :PORT and unix:PATH, and before the first three a scheme. An
// ambiguous address (IPv6 without brackets) is refused. Pure.

import { isIPv6 } from "node:net";
import { resolve } from "node:path";

import type { ListenAddress } from "../net/address.ts";
import { BadValue, withSchema } from "./values.ts";

/** sun_path of Linux holds 108 bytes with its final NUL (unix(7)). */
const MAX_SOCKET_PATH_BYTES = 107;
/** The host of ":8000". `[::]:8000` is IPv6, and IPv4 too if the system is configured so. */
export const ALL_ADDRESSES = "0.0.0.0";

const EXPECTED = "must be HOST:PORT, [IPV6]:PORT, :PORT or unix:PATH";

/** An address as given; without a scheme its port and the certificates decide (scheme.ts). */
export type GivenAddress = ListenAddress & { readonly scheme: "http" | "https" | null };

/** A host name, an IPv4 address or an IPv6 address without brackets. Throws BadValue. */
export function readHost(text: string): string {
  const bare = text.startsWith("[") && text.endsWith("]") ? text.slice(1, -1) : text;
  if (isIPv6(bare)) return bare;
  if (bare !== text || !/^[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9.])?$/.test(text))
    throw new BadValue("must be a host name or an address, such as 127.0.0.1, 0.0.0.0 or ::1");
  return text;
}

/** 0 … 65535; 0 takes any free port. Throws BadValue. */
export const readPort = withSchema({ type: "integer", minimum: 0, maximum: 65_535 }, (text) => {
  const port = /^\d{1,5}$/.test(text) ? Number(text) : Number.NaN;
  if (!(port <= 65_535)) throw new BadValue("must be a port from 0 to 65535");
  return port;
});

/** One address of --bind; the path of a Unix socket stays as given. Throws BadValue. */
export function readBindAddress(text: string): GivenAddress {
  if (text.startsWith("unix:")) return readSocketPath(text.slice("unix:".length));
  const [whole, word] = /^(https?):\/\//i.exec(text) ?? [""];
  if (word === undefined) return { ...readTcpAddress(text), scheme: null };
  const rest = text.slice(whole.length);
  if (rest.startsWith("unix:"))
    throw new BadValue(`must be ${rest} without ${whole}: a Unix socket has no scheme, and no TLS`);
  const scheme = word.toLowerCase() === "https" ? "https" : "http";
  return { ...readTcpAddress(rest), scheme };
}

function readTcpAddress(text: string): ListenAddress {
  const match = /^(?:\[(?<inner>[^\]]*)\]|(?<host>[^:[\]]*)):(?<port>[^:/]*)$/.exec(text);
  if (match?.groups === undefined) throw new BadValue(explain(text));
  const { inner, host, port = "" } = match.groups;
  if (inner !== undefined && !isIPv6(inner))
    throw new BadValue(`${EXPECTED}; no IPv6 address is in the brackets`);
  return {
    kind: "tcp",
    host: inner ?? (host === "" ? ALL_ADDRESSES : readHost(host ?? "")),
    port: readPort(port),
  };
}

/** The address with an absolute path, if it is a Unix socket. Throws BadValue if the path is too long. */
export function resolveBindAddress(address: GivenAddress, folder: string): GivenAddress {
  if (address.kind === "tcp") return address;
  const path = resolve(folder, address.path);
  const bytes = Buffer.byteLength(path);
  if (bytes > MAX_SOCKET_PATH_BYTES)
    throw new BadValue(
      `is too long for a socket (${bytes} bytes): at most ${MAX_SOCKET_PATH_BYTES} as an absolute path`,
    );
  return { kind: "unix", path, scheme: "http" };
}

function readSocketPath(path: string): GivenAddress {
  if (path === "" || path.includes("\0")) throw new BadValue("must name a path after unix:");
  return { kind: "unix", path, scheme: "http" };
}

function explain(text: string): string {
  if (/\p{Cc}/u.test(text)) return EXPECTED;
  if (isIPv6(text) || /^[0-9a-f:.]*::[0-9a-f:.]*$/i.test(text))
    return `${EXPECTED}; an IPv6 address needs brackets: [::1]:8000`;
  if (/^\d+$/.test(text)) return `${EXPECTED}; for a port alone write :${text} or --port ${text}`;
  if (text.startsWith("/")) return `${EXPECTED}; for a Unix socket write unix:${text}`;
  if (/^[^/]+:\d+\//.test(text)) return `${EXPECTED}, without a path`;
  if (/^[^:]{1,253}$/.test(text)) return `${EXPECTED}; the port is missing: ${text}:8000`;
  return EXPECTED;
}
