// WSGI (PEP 3333) seen from the front: an exchange becomes a job, the job goes to a worker, its answer
// becomes the exchange's; a WebSocket handshake may become a WebSocket. What a request means to Python is
// the worker's (python/typhon_worker/wsgi/).

import type { Exchange, Handler } from "../../http/exchange.ts";
import { readHandshake } from "../../websocket/handshake.ts";
import type { ApplicationContext } from "../python/context.ts";
import { OpenWebSockets } from "../python/open-web-sockets.ts";
import { WsgiWebSocketJob } from "./websocket-job.ts";
import { WsgiJob } from "./wsgi-job.ts";

/** Answers exchanges by the WSGI application behind the context's pool. */
export class WsgiHandler implements Handler {
  readonly #context: ApplicationContext;
  readonly #open: OpenWebSockets;

  /** `leaveMs`: over so long the WebSockets of a worker that leaves are closed. */
  constructor(context: ApplicationContext, leaveMs?: number) {
    this.#context = context;
    this.#open = new OpenWebSockets(leaveMs);
  }

  /** What is no handshake that can be accepted is the application's to answer, as any request. */
  handle(exchange: Exchange): void {
    const handshake = readHandshake(exchange.head);
    if (handshake?.kind === "handshake")
      new WsgiWebSocketJob(exchange, this.#context, handshake, this.#open).begin();
    else new WsgiJob(exchange, this.#context).begin();
  }

  /** Closes all WebSockets, spread over `overMs`; those that open later at once. */
  closeAll(code: number, overMs: number): void {
    this.#open.closeAll(code, overMs);
  }
}
