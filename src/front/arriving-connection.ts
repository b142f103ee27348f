// One connection before an engine has it: its first bytes decide who the client is and which engine speaks with it.
//
//   accepted ─▶ proxy ─▶ hello ─▶ waiting ─▶ handshake ─▶ Http2Engine or Http1Engine
//                 │                              ▲
//                 └─────▶ preface ───────────────┴──▶ (http: no handshake)
//
// proxy: the PROXY header of a trusted proxy. hello: the first message of TLS, whose names choose the certificate.
// waiting: too many handshakes run. preface: whether HTTP/2 begins without TLS. The stages that a listener does not
// need are left out. All stages together have one deadline.

import type { Socket } from "node:net";
import type { TLSSocket } from "node:tls";

import type { Arrival, Engine } from "../http/engine.ts";
import { ERRORS, type HttpError } from "../http/error.ts";
import { peersOf, plainAddress, type Peers } from "../net/address.ts";
import type { ListedConnection } from "../net/connection-list.ts";
import type { MemoryBudget } from "../net/memory-budget.ts";
import { readProxyHeader } from "../net/proxy-protocol.ts";
import { isChallenge, type CertificateStore, type TlsChoice } from "../tls/certificate-store.ts";
import { ClientHelloReader, type ClientHello } from "../tls/client-hello.ts";
import type { TlsFactsReader } from "../tls/facts.ts";
import { serverName } from "../tls/server-name.ts";
import {
  releaseControl,
  startTls,
  verificationFault,
  type HandshakeSettings,
} from "../tls/server-socket.ts";

/** Why a connection ended before an engine had it; for the log. */
export interface ArrivalFailure {
  /** "timeout", or OpenSSL's code, such as "ERR_SSL_NO_SHARED_CIPHER". */
  readonly reason: string;
  /** "" for a Unix socket. */
  readonly remoteAddress: string;
}

/** What all connections share. */
export interface ArrivalContext {
  readonly http1: Engine;
  /** Null: HTTP/2 is not served. */
  readonly http2: Engine | null;
  readonly hasH2c: boolean;
  readonly certificates: CertificateStore | null;
  /** Whether an address is that of a proxy, which begins each of its connections with a PROXY header. */
  readonly mayBeProxy: (address: string) => boolean;
  readonly facts: TlsFactsReader;
  /** Bytes that are kept of connections in these stages. */
  readonly memory: MemoryBudget;
  readonly settingsFor: (choice: TlsChoice) => HandshakeSettings;
  /** Time of the last tick, ms. */
  readonly now: number;
  readonly limitMs: number;
  /** Calls `begin` of a connection as soon as a handshake may run. */
  readonly requestHandshake: (connection: ArrivingConnection) => void;
  /** The connection ends, or an engine has it. */
  readonly onLeft: (connection: ArrivingConnection) => void;
  readonly onFailed: (failure: ArrivalFailure) => void;
  readonly onFault: (error: unknown) => void;
}

type Stage = "proxy" | "hello" | "preface" | "waiting" | "handshake" | "left";

/** First bytes of an HTTP/2 connection (RFC 9113 §3.4). */
const PREFACE = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "latin1");
/** So long a connection is left alone when descriptors run out. */
const YOUNG_MS = 1000;
const EMPTY = Buffer.alloc(0);

export class ArrivingConnection implements ListedConnection {
  index = -1;
  readonly since: number;
  readonly #socket: Socket;
  readonly #scheme: Arrival["scheme"];
  readonly #context: ArrivalContext;
  /** The response that the connection gets instead of being served; null: it is served. */
  readonly #refusal: HttpError | null;
  #stage: Stage;
  #peers: Peers | null = null;
  /** Bytes of the stages "proxy" and "preface". */
  #kept = EMPTY;
  readonly #hello = new ClientHelloReader();
  #client: ClientHello | null = null;
  #counted = 0;
  #tls: TLSSocket | null = null;

  constructor(
    socket: Socket,
    scheme: Arrival["scheme"],
    context: ArrivalContext,
    refusal: HttpError | null,
  ) {
    this.#socket = socket;
    this.#scheme = scheme;
    this.#context = context;
    this.#refusal = refusal;
    this.since = context.now;
    this.#stage = context.mayBeProxy(plainAddress(socket.remoteAddress))
      ? "proxy"
      : this.#stageAfterProxy();
    socket.on("data", this.#onData).on("end", this.#onGone).on("close", this.#onGone);
    socket.on("error", this.#onError);
  }

  get idleSince(): number {
    return this.#context.now - this.since < YOUNG_MS ? Infinity : this.since;
  }

  /** Memory of bytes that are kept. */
  get bytes(): number {
    return this.#counted;
  }

  tick(now: number): void {
    if (now - this.since >= this.#context.limitMs) this.fail("timeout");
  }

  /** The server stops: Arrivals shortens the deadline; a client that is quick is still served. */
  drain(): void {
    // Nothing to do here.
  }

  destroy(): void {
    this.#leave();
    const socket = this.#tls ?? this.#socket;
    // The client is gone, or is sent away.
    socket.on("error", () => undefined);
    socket.destroy();
  }

  /** Ends the connection, and tells why. */
  fail(reason: string): void {
    if (this.#stage === "left") return;
    const remoteAddress = this.#peers?.remoteAddress ?? plainAddress(this.#socket.remoteAddress);
    this.destroy();
    this.#context.onFailed({ reason, remoteAddress });
  }

  /** Begins the handshake. */
  begin(): void {
    this.#begin().catch((error: unknown) => this.#fault(error));
  }

  #stageAfterProxy(): Stage {
    return this.#scheme === "https" ? "hello" : "preface";
  }

  readonly #onData = (chunk: Buffer): void => {
    try {
      this.#read(chunk);
    } catch (error) {
      this.#fault(error);
    }
  };

  // A client that ends its side before an engine has the connection wants no response.
  readonly #onGone = (): void => this.fail("closed");

  readonly #onError = (error: Error): void =>
    this.fail("code" in error ? String(error.code) : error.message);

  /** A fault of ours ends this connection, and no other. */
  #fault(error: unknown): void {
    this.destroy();
    this.#context.onFault(error);
  }

  #read(chunk: Buffer): void {
    if (this.#stage === "proxy") this.#readProxy(chunk);
    else if (this.#stage === "hello") this.#readHello(chunk);
    else if (this.#stage === "preface") this.#readPreface(chunk);
  }

  #readProxy(chunk: Buffer): void {
    const bytes = this.#keep(chunk);
    const header = readProxyHeader(bytes);
    if (header.kind === "more") return;
    // The receiver must not guess whether there is a header (proxy-protocol.txt, §2): where a proxy that may write
    // one passes a connection on without, a client could write it.
    if (header.kind === "invalid" || header.kind === "none") {
      this.fail(header.kind === "none" ? "PROXY header missing" : "PROXY header invalid");
      return;
    }
    if (header.kind === "peers") this.#peers = header.peers;
    this.#stage = this.#stageAfterProxy();
    this.#kept = EMPTY;
    const rest = bytes.subarray(header.length);
    if (rest.length > 0) this.#read(rest);
  }

  #readPreface(chunk: Buffer): void {
    const { http1, http2, hasH2c } = this.#context;
    const bytes = this.#kept.length === 0 ? chunk : this.#keep(chunk);
    const length = Math.min(bytes.length, PREFACE.length);
    const isSame = hasH2c && PREFACE.compare(bytes, 0, length, 0, length) === 0;
    if (!isSame || http2 === null) this.#pass(http1, bytes);
    else if (length === PREFACE.length) this.#pass(http2, bytes);
    else if (this.#kept.length === 0) this.#keep(chunk);
  }

  #readHello(chunk: Buffer): void {
    const found = this.#hello.push(chunk);
    if (found === "plain") {
      this.#refusePlain();
      return;
    }
    this.#count(this.#hello.bytes.length);
    // The budget of all connections may have ended this one.
    if (found === "more" || this.#stage !== "hello") return;
    this.#client = found;
    this.#stage = "waiting";
    this.#socket.pause();
    this.#context.requestHandshake(this);
  }

  /** The bytes of a stage so far, the chunk included, which is valid only during its event. */
  #keep(chunk: Buffer): Buffer {
    this.#kept = Buffer.concat([this.#kept, chunk]);
    this.#count(this.#kept.length);
    return this.#kept;
  }

  #count(bytes: number): void {
    const more = bytes - this.#counted;
    this.#counted = bytes;
    this.#context.memory.take(more);
  }

  async #begin(): Promise<void> {
    const { certificates } = this.#context;
    const client = this.#client;
    if (this.#stage !== "waiting" || client === null || certificates === null) return;
    this.#stage = "handshake";
    // Read now, because the socket of TLS knows no address once the connection has ended.
    const { localAddress: local } = (this.#peers ??= peersOf(this.#socket));
    const choice = isChallenge(client)
      ? await certificates.chooseChallenge(client)
      : certificates.choose(client, local);
    if (choice === null) this.fail("no certificate");
    else if (!this.#hasLeft) this.#startTls(client, choice);
  }

  /** The stage changes while a certificate is looked up. */
  get #hasLeft(): boolean {
    return this.#stage === "left";
  }

  #startTls(client: ClientHello, choice: TlsChoice): void {
    this.#deafen();
    const settings = this.#context.settingsFor(choice);
    const tls = startTls(this.#socket, this.#hello.bytes, settings);
    this.#tls = tls;
    tls.on("error", this.#onError).on("end", this.#onGone).on("close", this.#onGone);
    tls.once("secure", () => {
      try {
        releaseControl(tls);
        if (choice.isChallenge) this.#endChallenge(tls);
        else this.#finish(tls, client, choice);
      } catch (error) {
        this.#fault(error);
      }
    });
  }

  #finish(
    tls: TLSSocket,
    { serverName: name }: ClientHello,
    { client, policyHost }: TlsChoice,
  ): void {
    // Certificate and policy were chosen by our own reading of the name.
    const theirs: unknown = tls.servername;
    if (serverName(typeof theirs === "string" ? theirs : "") !== name) {
      this.fail("server name read differently");
      return;
    }
    const facts = this.#context.facts.read(tls, name, policyHost);
    const isMissing = client?.mode === "required" && facts.client === null;
    const fault = client === null || facts.client === null ? null : verificationFault(tls);
    if (isMissing || fault !== null) {
      this.fail(`client certificate not valid: ${fault ?? "missing"}`);
      return;
    }
    const { http1, http2 } = this.#context;
    const engine = tls.alpnProtocol === "h2" ? http2 : http1;
    this.#passTo(engine ?? http1, tls, { scheme: "https", tls: facts, peers: this.#peers });
  }

  /** The authority has seen the certificate: that is all (RFC 8737 §3). */
  #endChallenge(tls: TLSSocket): void {
    this.#leave();
    tls.on("error", () => undefined);
    tls.resume().end(() => tls.destroy());
  }

  #refusePlain(): void {
    this.#leave();
    const arrival: Arrival = { scheme: "http", tls: null, peers: this.#peers };
    this.#context.http1.refuse(this.#socket, ERRORS.TLS_EXPECTED, arrival);
  }

  #pass(engine: Engine, bytes: Buffer): void {
    this.#passTo(engine, this.#socket, { scheme: "http", tls: null, peers: this.#peers });
    if (!this.#socket.destroyed) this.#socket.emit("data", bytes);
  }

  #passTo(engine: Engine, socket: Socket, arrival: Arrival): void {
    this.#leave();
    if (this.#refusal === null) engine.accept(socket, arrival);
    else engine.refuse(socket, this.#refusal, arrival);
  }

  #leave(): void {
    if (this.#stage === "left") return;
    this.#stage = "left";
    this.#deafen();
    this.#count(0);
    this.#context.onLeft(this);
  }

  /** No longer listens to the sockets. Errors of a socket that nobody else listens to are dropped. */
  #deafen(): void {
    for (const socket of [this.#socket, this.#tls]) {
      socket?.off("data", this.#onData).off("end", this.#onGone).off("close", this.#onGone);
      socket?.off("error", this.#onError);
    }
  }
}
