// ASGI seen from the front: an exchange becomes a job at once, its body and its answer stream with
// backpressure both ways; a WebSocket handshake becomes a WebSocket, if the application accepts. What a
// request means to Python is the worker's (python/typhon_worker/asgi/).

import type { Exchange, Handler } from "../../http/exchange.ts";
import { readHandshake, type Handshake } from "../../websocket/handshake.ts";
import type { ApplicationContext } from "../python/context.ts";
import { DEFAULT_SETTINGS, type WebSocketSettings } from "../../websocket/connection.ts";
import { OpenWebSockets } from "../python/open-web-sockets.ts";
import { AsgiJob } from "./asgi-job.ts";
import { WebSocketJob } from "./websocket-job.ts";

/** Answers exchanges by the ASGI application behind the context's pool. */
export class AsgiHandler implements Handler {
  readonly #context: ApplicationContext;
  readonly #open: OpenWebSockets;
  readonly #settings: WebSocketSettings;

  /** `leaveMs`: over so long the WebSockets of a worker that leaves are closed. */
  constructor(context: ApplicationContext, leaveMs?: number, settings = DEFAULT_SETTINGS) {
    this.#context = context;
    this.#open = new OpenWebSockets(leaveMs);
    this.#settings = settings;
  }

  /** WebSockets that are open. */
  get openWebSockets(): number {
    return this.#open.size;
  }

  handle(exchange: Exchange): void {
    const handshake = readHandshake(exchange.head);
    if (handshake === null) new AsgiJob(exchange, this.#context).begin();
    else if (handshake.kind === "handshake") this.#openWebSocket(exchange, handshake);
    else exchange.fail(handshake.error);
  }

  #openWebSocket(exchange: Exchange, handshake: Handshake): void {
    const house = { open: this.#open, settings: this.#settings };
    new WebSocketJob(exchange, this.#context, handshake, house).begin();
  }

  /** Closes all WebSockets, spread over `overMs`; those that open later at once. */
  closeAll(code: number, overMs: number): void {
    this.#open.closeAll(code, overMs);
  }

  /** Closes those that some workers have, spread over `overMs`. */
  closeOf(workers: readonly number[], code: number, overMs: number): void {
    this.#open.closeOf(workers, code, overMs);
  }
}
