// ASGI seen from the front: an exchange becomes a job at once, its body and its answer stream with
// backpressure both ways. What a request means to Python is the worker's (python/typhon_worker/asgi.py).

import type { Exchange, Handler } from "../../http/exchange.ts";
import type { ApplicationContext } from "../python/context.ts";
import { AsgiJob } from "./asgi-job.ts";

/** Answers exchanges by the ASGI application behind the context's pool. */
export class AsgiHandler implements Handler {
  readonly #context: ApplicationContext;

  constructor(context: ApplicationContext) {
    this.#context = context;
  }

  handle(exchange: Exchange): void {
    new AsgiJob(exchange, this.#context).begin();
  }
}
