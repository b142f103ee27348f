// The handler of a WSGI application (PEP 3333). A request goes to a worker when its body is whole; a
// WebSocket handshake may become a WebSocket on a socket of the application. What a request means to Python
// is the worker's (python/typhon_worker/wsgi).

import { ERRORS } from "../../http/error.ts";
import type { Exchange, Handler } from "../../http/exchange.ts";
import { readHandshake } from "../../websocket/handshake.ts";
import type { ApplicationContext } from "../python/context.ts";
import { PythonRequest } from "../python/python-request.ts";
import { OpenWebSockets } from "../python/web-sockets.ts";
import { WSGI } from "./request-body.ts";
import { WsgiHandshake } from "./web-socket.ts";

export class WsgiHandler implements Handler {
  readonly #context: ApplicationContext;
  readonly #open: OpenWebSockets;

  /** `leaveMs`: time over which the WebSockets of a worker that leaves are closed. */
  constructor(context: ApplicationContext, leaveMs: number) {
    this.#context = context;
    this.#open = new OpenWebSockets(leaveMs);
  }

  handle(exchange: Exchange): void {
    const handshake = readHandshake(exchange.head);
    if (handshake === null) new PythonRequest(exchange, this.#context, WSGI).begin();
    else if (handshake.kind === "refusal") exchange.fail(handshake.error);
    // Its socket to the application is a descriptor more.
    else if (!this.#context.openFiles.mayOpen()) exchange.fail(ERRORS.NO_DESCRIPTORS);
    else new WsgiHandshake(exchange, this.#context, handshake, this.#open).begin();
  }

  /** Closes all WebSockets, spread over `overMs`; WebSockets that open later are closed at once. */
  closeAll(code: number, overMs: number): void {
    this.#open.closeAll(code, overMs);
  }
}
