// Who asks, when a proxy we trust asks for somebody else: X-Forwarded-For, -Proto, -Host and Forwarded
// (RFC 7239) are believed from declared addresses only, read from right to left, because each proxy
// appends what it saw and only the right end was written by one we know. From all others no field of a
// proxy reaches an application (passed-fields.ts). Pure: sees exchanges, never sockets.

import { isIP } from "node:net";

import { ERRORS, type HttpError } from "../http/error.ts";
import type { Exchange } from "../http/exchange.ts";
import {
  HAS_FORWARDED,
  HAS_MISTAKABLE,
  HAS_REQUEST_ID,
  type RequestHead,
} from "../http/message.ts";
import { isValidHost } from "../http/target.ts";
import { Networks } from "../net/networks.ts";
import { readForwarded, readForwardedLists, type Hop } from "./forwarded.ts";
import { hasUnderscore, passedHead, type HeaderMap } from "./passed-fields.ts";

/** A request id of a trusted proxy: printable, no separators of a log line. */
const REQUEST_ID = /^[\w.:+/=-]{1,128}$/;

/** Some proxies name the scheme of a WebSocket; what the request is, is not theirs to say. */
const SCHEMES: ReadonlyMap<string, "http" | "https"> = new Map([
  ["http", "http"],
  ["https", "https"],
  ["ws", "http"],
  ["wss", "https"],
]);

/** Heads without these fields are passed on as they are. */
const CHANGES_HEAD = HAS_FORWARDED | HAS_MISTAKABLE | HAS_REQUEST_ID;

export class TrustedProxies {
  readonly #proxies: Networks;
  readonly #nextId: () => string;
  readonly #headerMap: HeaderMap;

  /**
   * `allowed`: addresses and CIDR ranges, "unix" for Unix sockets, "*" for everybody. `nextId` makes a
   * request id. Throws on an address that is none: the configuration has checked them.
   */
  constructor(allowed: readonly string[], nextId: () => string, headerMap: HeaderMap = "drop") {
    this.#proxies = new Networks(allowed);
    this.#nextId = nextId;
    this.#headerMap = headerMap;
  }

  /** Sets the exchange's origin, request id and effective head. Returns the error of a refused request. */
  identify(exchange: Exchange): HttpError | null {
    const { head } = exchange;
    if ((head.fields & CHANGES_HEAD) === 0) {
      exchange.requestId = this.#nextId();
      return null;
    }
    const isTrusted = this.isTrusted(exchange.remoteAddress);
    const id = isTrusted ? field(head, "x-request-id") : null;
    exchange.requestId = id !== null && REQUEST_ID.test(id) ? id : this.#nextId();
    const host = isTrusted ? this.#believe(exchange) : null;
    const headerMap = this.#headerMap;
    exchange.effectiveHead = passedHead(head, { isTrusted, host, headerMap });
    return headerMap === "refuse" && hasUnderscore(head) ? ERRORS.FIELD_NAME_UNDERSCORE : null;
  }

  /** Whether the fields of a peer are believed; "" is a peer on a Unix socket. */
  isTrusted(address: string): boolean {
    return this.#proxies.has(address);
  }

  // Returns the host that the client asked for, if a proxy says so.
  #believe(exchange: Exchange): string | null {
    const hop = this.#client(hops(exchange.head));
    if (hop === null) return null;
    if (hop.address !== "") {
      exchange.remoteAddress = hop.address;
      exchange.remotePort = hop.port;
    }
    exchange.scheme = SCHEMES.get(hop.proto) ?? exchange.scheme;
    return isValidHost(hop.host) ? hop.host : null;
  }

  // From the right, as long as the address is itself a trusted proxy's: what the first other one
  // appended is a client's word.
  #client(list: readonly Hop[]): Hop | null {
    let best: Hop | null = null;
    for (let i = list.length - 1; i >= 0; i -= 1) {
      const hop = list[i];
      if (hop === undefined) break;
      // What is no address ("unknown", a typing error) hides who asks: nothing left of it counts.
      if (isIP(hop.address) === 0) return best ?? { ...hop, address: "" };
      best = hop;
      if (!this.isTrusted(hop.address)) break;
    }
    return best;
  }
}

/** The hops that proxies wrote: X-Forwarded-… if there is any, else Forwarded. */
function hops(head: RequestHead): readonly Hop[] {
  const lists = readForwardedLists(
    field(head, "x-forwarded-for"),
    field(head, "x-forwarded-proto"),
    field(head, "x-forwarded-host"),
  );
  if (lists.length > 0) return lists;
  return readForwarded(field(head, "forwarded") ?? "");
}

/** All values of a field in order, joined as a list; null if there is none. */
function field(head: RequestHead, name: string): string | null {
  const values = head.values.filter((_, index) => head.names[index] === name);
  return values.length === 0 ? null : values.join(", ");
}
