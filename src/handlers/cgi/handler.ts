// The handler of CGI programs (RFC 3875): finds the program of a path, and lets a CgiRequest run it.

import { ERRORS } from "../../http/error.ts";
import type { Exchange, Handler } from "../../http/exchange.ts";
import type { CgiOptions } from "./context.ts";

export class CgiHandler implements Handler {
  readonly #options: CgiOptions;

  constructor(options: CgiOptions) {
    this.#options = options;
  }

  handle(exchange: Exchange): void {
    exchange.fail(this.#options.place === "" ? ERRORS.NOT_FOUND : ERRORS.NO_WORKERS);
  }
}
