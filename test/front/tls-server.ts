// A server for tests of TLS: real listeners and engines, and a handler that says what the front knows of the
// connection.

import { once } from "node:events";
import type { Socket } from "node:net";
import { connect, type ConnectionOptions, type TLSSocket } from "node:tls";

import { Arrivals, type ArrivalsOptions } from "../../src/front/arrivals.ts";
import type { ArrivalFailure } from "../../src/front/arriving-connection.ts";
import { listen } from "../../src/front/listener.ts";
import type { Exchange } from "../../src/http/exchange.ts";
import { responseHead } from "../../src/http/response-head.ts";
import { Http1Engine } from "../../src/http1/engine.ts";
import { TICK_MS } from "../../src/net/coarse-clock.ts";
import { CertificateStore, type ChallengePem } from "../../src/tls/certificate-store.ts";
import { readCertificate } from "../../src/tls/certificate.ts";
import type { ClientPolicy } from "../../src/tls/contexts.ts";
import { PATIENCE_MS, until, within } from "../support/deadline.ts";
import type { Issued } from "../support/certificates.ts";
import type { Scope } from "../support/scratch.ts";

export interface TlsServerOptions {
  readonly certificates: readonly Issued[];
  readonly clients?: readonly ClientPolicy[];
  readonly scheme?: "http" | "https";
  readonly arrivals?: Partial<ArrivalsOptions>;
  /** Certificates of tls-alpn-01. */
  readonly challenges?: ReadonlyMap<string, ChallengePem>;
  readonly onExchange?: (exchange: Exchange) => void;
  readonly path?: string;
  /** Called for each socket before the server has it. */
  readonly onSocket?: (socket: Socket) => void;
}

export class TlsServer {
  readonly port: number;
  readonly store: CertificateStore;
  readonly arrivals: Arrivals;
  readonly failures: ArrivalFailure[];
  readonly faults: unknown[];
  /** Milliseconds that the server's clock is ahead. */
  ahead = 0;

  private constructor(
    parts: Pick<TlsServer, "store" | "arrivals" | "failures" | "faults" | "port">,
  ) {
    ({
      store: this.store,
      arrivals: this.arrivals,
      failures: this.failures,
      faults: this.faults,
      port: this.port,
    } = parts);
  }

  static async start(scope: Scope, options: TlsServerOptions): Promise<TlsServer> {
    const failures: ArrivalFailure[] = [];
    const faults: unknown[] = [];
    const clock = { ahead: (): number => 0 };
    const store = new CertificateStore({
      ciphers: "",
      clients: options.clients ?? [],
      challengeFor: async (name) => options.challenges?.get(name) ?? null,
      now: () => Date.now() + clock.ahead(),
    });
    store.setFiles(options.certificates.map(readCertificate));
    const now = (): number => performance.now() + clock.ahead();
    const http1 = new Http1Engine({ onExchange: options.onExchange ?? respond, now });
    const arrivals = new Arrivals({
      http1,
      http2: null,
      hasH2c: false,
      certificates: store,
      mayBeProxy: null,
      onFailed: (failure) => failures.push(failure),
      onFault: (error) => faults.push(error),
      now,
      ...options.arrivals,
    });
    const arrival = { scheme: options.scheme ?? "https", tls: null, peers: null } as const;
    const address =
      options.path === undefined
        ? ({ kind: "tcp", host: "127.0.0.1", port: 0 } as const)
        : ({ kind: "unix", path: options.path } as const);
    const listener = await listen(address, (socket) => {
      options.onSocket?.(socket);
      arrivals.accept(socket, arrival);
    });
    const timer = setInterval(() => arrivals.tick(), TICK_MS);
    scope.after(() => {
      clearInterval(timer);
      listener.close();
      arrivals.destroyAll();
    });
    const port = listener.address.kind === "tcp" ? listener.address.port : 0;
    const server = new TlsServer({ store, arrivals, failures, faults, port });
    clock.ahead = () => server.ahead;
    return server;
  }

  /** A client whose handshake is over. Rejects with the client's error. */
  async connect(options: ConnectionOptions = {}): Promise<TLSSocket> {
    const socket = connect({
      port: this.port,
      host: "127.0.0.1",
      rejectUnauthorized: false,
      ...options,
    });
    await within(PATIENCE_MS, once(socket, "secureConnect"), "the handshake");
    return socket;
  }

  /** The failure that the server tells of next. */
  async failure(count = 1): Promise<string> {
    const told = (): ArrivalFailure | undefined => this.failures[count - 1];
    return (await until("a failure is told", told)).reason;
  }
}

/** Sends a request and returns the whole response, which ends the connection. */
export async function request(socket: TLSSocket, host = "a.example"): Promise<string> {
  let text = "";
  socket.on("data", (bytes: Buffer) => (text += bytes.toString("latin1")));
  socket.write(`GET / HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`);
  const end = Promise.race([once(socket, "end"), once(socket, "close")]);
  await within(PATIENCE_MS, end, "the response ends");
  return text;
}

/** Responds with the facts of the connection as JSON. */
function respond(exchange: Exchange): void {
  const { scheme, tls, peerAddress, localAddress } = exchange;
  const body = Buffer.from(JSON.stringify({ scheme, tls, peerAddress, localAddress }));
  exchange.respond(responseHead(200, "OK", [["Content-Type", "application/json"]]), body);
}

/** The body of a response. */
export function bodyOf(response: string): string {
  return response.slice(response.indexOf("\r\n\r\n") + 4);
}
