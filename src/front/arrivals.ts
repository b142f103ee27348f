// All connections of a server from their first byte on: those that an engine does not get at once (behind a
// PROXY header, before a TLS handshake, before it is known whether HTTP/2 begins), and the engines behind them.
// Listeners, guard and server see one engine.

import type { Socket } from "node:net";
import type { SecureContext } from "node:tls";

import { PLAIN, type Arrival, type Engine } from "../http/engine.ts";
import type { HttpError } from "../http/error.ts";
import { DRAIN_NEW_MS, HEAD_TIMEOUT_MS } from "../net/connection-limits.ts";
import { ConnectionList } from "../net/connection-list.ts";
import { MemoryBudget } from "../net/memory-budget.ts";
import { ACME_TLS, type CertificateStore, type TlsChoice } from "../tls/certificate-store.ts";
import { TlsFactsReader } from "../tls/facts.ts";
import { handshakeSettings, type HandshakeSettings } from "../tls/server-socket.ts";
import {
  ArrivingConnection,
  type ArrivalContext,
  type ArrivalFailure,
} from "./arriving-connection.ts";
import { Handshakes } from "./handshakes.ts";

/** First bytes of all connections together that are kept until they are whole. */
export const FIRST_BYTES_MEMORY = 16_777_216;

export interface ArrivalsOptions {
  readonly http1: Engine;
  /** Null: HTTP/2 is neither offered over TLS nor served without. */
  readonly http2: Engine | null;
  /** Whether HTTP/2 is served without TLS to clients with prior knowledge. */
  readonly hasH2c: boolean;
  /** Null without TLS. */
  readonly certificates: CertificateStore | null;
  /** Whether an address is that of a proxy, which begins its connections with a PROXY header; null: none is. */
  readonly mayBeProxy: ((address: string) => boolean) | null;
  /** A connection ended before an engine had it. */
  readonly onFailed?: (failure: ArrivalFailure) => void;
  /** A fault of ours, which has ended one connection. */
  readonly onFault: (error: unknown) => void;
  /** Milliseconds of a monotonic clock. */
  readonly now?: () => number;
}

export class Arrivals implements Engine {
  readonly #engines: readonly Engine[];
  readonly #http1: Engine;
  readonly #needsFirstBytes: boolean;
  readonly #certificates: CertificateStore | null;
  readonly #connections = new ConnectionList<ArrivingConnection>();
  readonly #handshakes = new Handshakes<ArrivingConnection>();
  readonly #settings = new WeakMap<SecureContext, HandshakeSettings>();
  readonly #protocols: readonly string[];
  readonly #now: () => number;
  readonly #context: ArrivalContext & { now: number; limitMs: number };
  #failed = 0;

  constructor(options: ArrivalsOptions) {
    const { http1, http2, hasH2c, certificates, mayBeProxy, onFailed, onFault } = options;
    this.#http1 = http1;
    this.#engines = http2 === null ? [http1] : [http1, http2];
    this.#needsFirstBytes = mayBeProxy !== null || (hasH2c && http2 !== null);
    this.#certificates = certificates;
    this.#protocols = http2 === null ? ["http/1.1"] : ["h2", "http/1.1"];
    this.#now = options.now ?? (() => performance.now());
    const memory = new MemoryBudget(FIRST_BYTES_MEMORY);
    memory.onOver = () => {
      for (const one of memory.choose(this.#connections.all.filter(({ bytes }) => bytes > 0)))
        one.fail("too many first bytes");
    };
    this.#context = {
      http1,
      http2,
      hasH2c,
      certificates,
      mayBeProxy: mayBeProxy ?? (() => false),
      facts: new TlsFactsReader(),
      memory,
      settingsFor: (choice) => this.#settingsFor(choice),
      now: this.#now(),
      limitMs: HEAD_TIMEOUT_MS,
      requestHandshake: (connection) => this.#handshakes.request(connection),
      onLeft: (connection) => {
        this.#connections.remove(connection);
        this.#handshakes.remove(connection);
      },
      onFailed: (failure) => {
        this.#failed += 1;
        onFailed?.(failure);
      },
      onFault,
    };
  }

  /** Open connections, those of the engines included. */
  get size(): number {
    return this.#engines.reduce((sum, { size }) => sum + size, this.#connections.size);
  }

  /** Connections that ended before an engine had them, since the start. */
  get failed(): number {
    return this.#failed;
  }

  /** Takes an accepted socket; `arrival.scheme` is that of its listener. */
  accept(socket: Socket, arrival: Arrival = PLAIN): void {
    if (arrival.scheme === "http" && !this.#needsFirstBytes) this.#http1.accept(socket, arrival);
    else this.#add(socket, arrival, null);
  }

  refuse(socket: Socket, error: HttpError, arrival: Arrival = PLAIN): void {
    if (arrival.scheme === "http") this.#http1.refuse(socket, error, arrival);
    else this.#add(socket, arrival, error);
  }

  tick(): void {
    const now = this.#now();
    this.#context.now = now;
    this.#connections.tick(now);
    this.#handshakes.tick(now);
    this.#certificates?.tick();
    for (const engine of this.#engines) engine.tick();
  }

  /**
   * A connection that has just been accepted may still finish its handshake and send one request, as without TLS. It
   * moves from the list of this class to an engine meanwhile, so all are asked again until none is left.
   */
  async drain(): Promise<void> {
    this.#context.limitMs = DRAIN_NEW_MS;
    do
      await Promise.all([
        this.#connections.drain(),
        ...this.#engines.map(async (engine) => await engine.drain()),
      ]);
    while (this.size > 0);
  }

  destroyAll(): void {
    this.#connections.destroyAll();
    for (const engine of this.#engines) engine.destroyAll();
  }

  /** Connections that are slow to begin go first, then the idle ones of the engines. */
  closeOldestIdle(count: number): number {
    let closed = this.#connections.closeOldestIdle(count);
    for (const engine of this.#engines)
      if (closed < count) closed += engine.closeOldestIdle(count - closed);
    return closed;
  }

  #add(socket: Socket, { scheme }: Arrival, refusal: HttpError | null): void {
    this.#connections.add(new ArrivingConnection(socket, scheme, this.#context, refusal));
  }

  #settingsFor({ context, client, isChallenge }: TlsChoice): HandshakeSettings {
    let settings = this.#settings.get(context);
    if (settings === undefined) {
      const protocols = isChallenge ? [ACME_TLS] : this.#protocols;
      settings = handshakeSettings(context, protocols, client?.mode ?? "none");
      this.#settings.set(context, settings);
    }
    return settings;
  }
}
