// All connections of a server: listeners, the guard of descriptors, the first bytes, and the engines. What comes
// out are exchanges.
//
//   listeners ─▶ guard ─▶ arrivals (PROXY header, TLS) ─▶ http1 or http2 ─▶ onExchange … onFinish

import type { Configuration } from "./config/configuration.ts";
import { OperatorError } from "./config/operator-error.ts";
import { Arrivals } from "./front/arrivals.ts";
import type { ArrivalFailure } from "./front/arriving-connection.ts";
import { DescriptorGuard } from "./front/descriptors.ts";
import { HeldConnections } from "./front/held-connections.ts";
import { listenAll, type Listening, type ListenOptions } from "./front/listen-all.ts";
import { ListenError, type Accept, type Listener } from "./front/listener.ts";
import type { HttpError } from "./http/error.ts";
import type { Exchange } from "./http/exchange.ts";
import { hstsValue } from "./http/server-fields.ts";
import { Http1Engine } from "./http1/engine.ts";
import { Http2Engine } from "./http2/engine.ts";
import { CoarseClock } from "./net/coarse-clock.ts";
import { ConnectionMemory, memoryLimits } from "./net/connection-memory.ts";
import { machineMemoryBytes } from "./net/memory-budget.ts";
import { OpenFiles } from "./net/open-files.ts";
import type { CertificateStore } from "./tls/certificate-store.ts";

/** Listeners that were opened before their server was made; their connections wait for it. */
export interface OpenedListeners {
  readonly listening: Listening;
  readonly held: HeldConnections;
}

/** Opens listeners while the process has the right to; their connections wait. Rejects with OperatorError. */
export async function openListeners(options: ListenOptions): Promise<OpenedListeners> {
  const held = new HeldConnections();
  return { listening: await listenAt(options, held.accept), held };
}

/** Closes listeners for which no server was made. */
export function closeListeners({ listening, held }: OpenedListeners): void {
  for (const listener of listening.listeners) listener.close();
  held.close();
}

/** Rejects with OperatorError. */
async function listenAt(options: ListenOptions, accept: Accept): Promise<Listening> {
  try {
    return await listenAll(options, accept);
  } catch (error) {
    throw error instanceof ListenError ? new OperatorError(error.message, 2) : error;
  }
}

export interface ConnectionsOptions {
  /** Workers that may be started at the same moment. */
  readonly workers: number;
  /** Null without TLS. */
  readonly certificates: CertificateStore | null;
  readonly isTrustedProxy: (address: string) => boolean;
  readonly onExchange: (exchange: Exchange) => void;
  readonly onFinish: (exchange: Exchange) => void;
  readonly onRefused: (error: HttpError, remoteAddress: string) => void;
  /** A connection ended before an engine had it. */
  readonly onFailed: (failure: ArrivalFailure) => void;
  /** A fault of Typhon, which has ended one connection. */
  readonly onFault: (error: unknown) => void;
}

type ConnectionsConfiguration = Pick<Configuration, "listeners" | "tls">;

export class Connections {
  /** What the process may have open, of which connections are the part that can be closed. */
  readonly openFiles: OpenFiles;
  readonly #configuration: ConnectionsConfiguration;
  readonly #arrivals: Arrivals;
  readonly #guard: DescriptorGuard;
  readonly #clock = new CoarseClock();
  #listeners: readonly Listener[] = [];
  /** Connections that wait for the start; null: there are none. */
  #held: HeldConnections | null = null;

  constructor(configuration: ConnectionsConfiguration, options: ConnectionsOptions) {
    const { listeners, tls } = configuration;
    const { certificates, isTrustedProxy, onFailed, onFault, workers, ...events } = options;
    this.#configuration = configuration;
    const shared = {
      ...events,
      maxBodyBytes: listeners.maxBody,
      headLimits: { lineBytes: listeners.maxRequestLine, headBytes: listeners.maxRequestHead },
      keepAliveMs: listeners.keepAliveMs,
      bodyTimeoutMs: listeners.bodyTimeoutMs,
      memory: new ConnectionMemory(memoryLimits(machineMemoryBytes())),
      hsts: hstsValue(tls?.hstsSeconds ?? 0),
    };
    const hasHttp2 = listeners.h2c || (listeners.http2 && certificates !== null);
    this.#arrivals = new Arrivals({
      http1: new Http1Engine(shared),
      http2: hasHttp2 ? new Http2Engine(shared) : null,
      hasH2c: listeners.h2c,
      certificates,
      mayBeProxy: listeners.proxyProtocol ? isTrustedProxy : null,
      onFailed,
      onFault,
    });
    this.openFiles = new OpenFiles({
      workers,
      connections: () => this.size,
      closeIdle: (count) => this.#arrivals.closeOldestIdle(count),
    });
    this.#guard = new DescriptorGuard(this.#arrivals, this.openFiles);
  }

  /** Open connections. */
  get size(): number {
    return this.#arrivals.size;
  }

  /** As URLs, or `unix:PATH`. */
  get addresses(): readonly string[] {
    return this.#listeners.map((listener) => listener.url);
  }

  /** The port of the first listener that speaks TLS, else that of https. */
  get httpsPort(): number {
    const url = this.addresses.find((one) => one.startsWith("https:"));
    return Number(new URL(url ?? "https://localhost").port) || 443;
  }

  /** Takes over listeners whose connections wait until `listen`. Deadlines begin. */
  begin(opened: OpenedListeners | null): void {
    this.#listeners = opened?.listening.listeners ?? [];
    this.#held = opened?.held ?? null;
    this.#clock.start(() => this.#arrivals.tick());
  }

  /**
   * Listens, or takes the connections of `opened` → why the addresses are not the expected ones, null: they are.
   * Rejects with OperatorError.
   */
  async listen(opened: OpenedListeners | null): Promise<string | null> {
    const accept: Accept = (socket, scheme) => this.#guard.accept(socket, scheme);
    if (opened !== null) {
      opened.held.release(accept);
      return opened.listening.notice;
    }
    const { listeners, tls } = this.#configuration;
    const hasTls = tls !== null;
    const options = { ...listeners, hasTls, redirect: tls?.redirect ?? false };
    const listening = await listenAt(options, accept);
    this.#listeners = listening.listeners;
    return listening.notice;
  }

  /** Stops accepting; idle connections close. Resolves when none is left; cuts what is left after `graceMs`. */
  async drain(graceMs: number): Promise<void> {
    for (const listener of this.#listeners) listener.close();
    this.#held?.close();
    const timer = setTimeout(() => this.#arrivals.destroyAll(), graceMs);
    await this.#arrivals.drain();
    clearTimeout(timer);
  }

  /** Ends the deadlines; after `drain`. */
  end(): void {
    this.#clock.stop();
  }
}
