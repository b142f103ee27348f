// WSGI (PEP 3333) seen from the front: an exchange becomes a job, the job goes to a worker, its answer
// becomes the exchange's. What a request means to Python is the worker's (python/typhon_worker/wsgi.py).

import type { Exchange, Handler } from "../../http/exchange.ts";
import type { ApplicationContext } from "../python/context.ts";
import { WsgiJob } from "./wsgi-job.ts";

/** Answers exchanges by the WSGI application behind the context's pool. */
export class WsgiHandler implements Handler {
  readonly #context: ApplicationContext;

  constructor(context: ApplicationContext) {
    this.#context = context;
  }

  handle(exchange: Exchange): void {
    new WsgiJob(exchange, this.#context).begin();
  }
}
