// The handler of CGI programs (RFC 3875): finds the program of a path, receives the body, runs the program, and sends
// its response.

import type { ProgramRunner } from "../../cgi/program.ts";
import { ERRORS } from "../../http/error.ts";
import type { Exchange, Handler } from "../../http/exchange.ts";

export interface CgiOptions {
  /** The route's canonical path, below which the programs are. */
  readonly prefix: string;
  /** Absolute: a folder of programs, or one program that gets every path. */
  readonly place: string;
  readonly runner: ProgramRunner;
}

export class CgiHandler implements Handler {
  readonly #options: CgiOptions;

  constructor(options: CgiOptions) {
    this.#options = options;
  }

  handle(exchange: Exchange): void {
    exchange.fail(this.#options.place === "" ? ERRORS.NOT_FOUND : ERRORS.NO_WORKERS);
  }
}
