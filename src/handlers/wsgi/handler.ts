// WSGI (PEP 3333) seen from the front: an exchange becomes a job, the job goes to a worker, its answer
// becomes the exchange's. What a request means to Python is the worker's (python/typhon_worker/wsgi.py).

import type { Exchange, Handler } from "../../http/exchange.ts";
import type { Job } from "../../workers/job.ts";
import type { WsgiContext } from "./context.ts";
import { WsgiJob } from "./wsgi-job.ts";

/** Answers exchanges by the WSGI application behind the context's pool. */
export class WsgiHandler implements Handler {
  readonly #context: WsgiContext;

  constructor(context: WsgiContext) {
    this.#context = context;
  }

  handle(exchange: Exchange): void {
    new WsgiJob(exchange, this.#context).begin();
  }
}

/** The request of a job that this handler made; null for any other. */
export function exchangeOf(job: Job): Exchange | null {
  return job instanceof WsgiJob ? job.exchange : null;
}
