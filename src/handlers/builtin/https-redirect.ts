// Redirects requests without TLS to the same host, path and query over TLS (308, so that the method stays).

import { ERRORS } from "../../http/error.ts";
import type { Exchange, Handler } from "../../http/exchange.ts";
import { responseHead } from "../../http/response-head.ts";
import { percentEncoded, UNSAFE_IN_LOCATION } from "../../http/target.ts";

const EMPTY = Buffer.alloc(0);
const HTTP_PORT = 80;
const HTTPS_PORT = 443;

export class HttpsRedirectHandler implements Handler {
  readonly #port: () => number;

  /** `port`: where this server speaks TLS. */
  constructor(port: () => number) {
    this.#port = port;
  }

  handle(exchange: Exchange): void {
    const { names, values, path, query } = exchange.effectiveHead;
    // Valid: the engine, or trusted-proxies.ts, has refused every other Host.
    const host = values[names.indexOf("host")] ?? "";
    const [, name = "", clientPort = ""] = /^(.*?)(?::(\d*))?$/.exec(host) ?? [];
    if (name === "") {
      exchange.fail(ERRORS.HOST_MISSING);
      return;
    }
    // Where the client's port is not the one that the connection came to, ports are mapped (a container, a proxy),
    // and clients find TLS at its own.
    const isMapped = Number(clientPort || HTTP_PORT) !== exchange.localPort;
    const port = isMapped ? HTTPS_PORT : this.#port();
    const authority = port === HTTPS_PORT ? name : `${name}:${port}`;
    const place = `${path}${query === "" ? "" : `?${query}`}`;
    const location = `https://${authority}${place}`.replaceAll(UNSAFE_IN_LOCATION, percentEncoded);
    exchange.respond(responseHead(308, "Permanent Redirect", [["Location", location]]), EMPTY);
  }
}
