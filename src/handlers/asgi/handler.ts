// The handler of an ASGI application. A request goes to a worker at once, and its body and its response
// stream with backpressure; a WebSocket handshake becomes a WebSocket, if the application accepts. What a
// request means to Python is the worker's (python/typhon_worker/asgi).

import type { Exchange, Handler } from "../../http/exchange.ts";
import { readHandshake } from "../../websocket/handshake.ts";
import { DEFAULT_SETTINGS, type WebSocketSettings } from "../../websocket/connection.ts";
import type { ApplicationContext } from "../python/context.ts";
import { PythonRequest } from "../python/python-request.ts";
import { OpenWebSockets } from "../python/web-sockets.ts";
import { ASGI } from "./request-body.ts";
import { AsgiHandshake } from "./web-socket.ts";

export class AsgiHandler implements Handler {
  readonly #context: ApplicationContext;
  readonly #open: OpenWebSockets;
  readonly #settings: WebSocketSettings;

  /** `leaveMs`: time over which the WebSockets of a worker that leaves are closed. */
  constructor(context: ApplicationContext, leaveMs: number, settings = DEFAULT_SETTINGS) {
    this.#context = context;
    this.#open = new OpenWebSockets(leaveMs, settings.maxMessageBytes);
    this.#settings = settings;
  }

  handle(exchange: Exchange): void {
    const handshake = readHandshake(exchange.head);
    if (handshake === null) new PythonRequest(exchange, this.#context, ASGI).begin();
    else if (handshake.kind === "refusal") exchange.fail(handshake.error);
    else new AsgiHandshake(exchange, this.#context, handshake, this.#open, this.#settings).begin();
  }

  /** Closes all WebSockets, spread over `overMs`; WebSockets that open later are closed at once. */
  closeAll(code: number, overMs: number): void {
    this.#open.closeAll(code, overMs);
  }
}
