// The handler of CGI programs (RFC 3875): finds the program of a path, and lets a CgiRequest run it.

import { ERRORS } from "../../http/error.ts";
import type { Exchange, Handler } from "../../http/exchange.ts";
import { CgiRequest } from "./cgi-request.ts";
import type { CgiOptions } from "./context.ts";
import { ProgramFinder } from "./program-finder.ts";

/** Errors of the system that end with the request that has met them: too many open files. */
const BUSY: ReadonlySet<string> = new Set(["EMFILE", "ENFILE"]);
/** Least time between two reports of what cannot be run or looked at: clients may ask for it in a loop. */
const REPORT_MS = 1000;

export class CgiHandler implements Handler {
  readonly #options: CgiOptions;
  /** Never rejects. */
  readonly #finder: Promise<ProgramFinder>;
  #nextReport = 0;

  constructor(options: CgiOptions) {
    const env: Record<string, string> = {};
    for (const [name, value] of Object.entries(options.env)) env[bytesOf(name)] = bytesOf(value);
    this.#options = { ...options, env };
    this.#finder = ProgramFinder.open({
      ...options,
      count: options.context.openFiles,
      onDenied: (path) => this.#report(() => options.context.onUnreadable(path, "EACCES")),
    });
  }

  handle(exchange: Exchange): void {
    exchange.application = "cgi";
    // A WebSocket over HTTP/2 (RFC 8441).
    if (exchange.head.method === "CONNECT") exchange.fail(ERRORS.WEBSOCKET_DENIED);
    // An encoded slash is no border of names for some programs, and one for the file system.
    else if (/%2f/i.test(exchange.effectiveHead.path)) exchange.fail(ERRORS.NOT_FOUND);
    else void this.#run(exchange);
  }

  async #run(exchange: Exchange): Promise<void> {
    const { context } = this.#options;
    try {
      const finder = await this.#finder;
      const found = await finder.find(exchange.path);
      if (exchange.isFinished) return;
      if (found === "missing") exchange.fail(ERRORS.NOT_FOUND);
      else if (found === "denied") {
        exchange.fail(ERRORS.PROGRAM_DENIED);
        this.#report(() => context.onNoProgram(exchange.path));
      } else new CgiRequest(exchange, this.#options, found).start();
    } catch (error) {
      const code = error instanceof Error && "code" in error ? String(error.code) : "";
      exchange.fail(BUSY.has(code) ? ERRORS.NO_DESCRIPTORS : ERRORS.SERVER_FAULT);
      // Without a code the fault is ours: the server logs it.
      if (code === "") throw error;
      this.#report(() => context.onUnreadable(exchange.path, code));
    }
  }

  #report(write: () => void): void {
    const now = performance.now();
    if (now < this.#nextReport) return;
    this.#nextReport = now + REPORT_MS;
    write();
  }
}

/** A text of the operator as bytes, each as one character, like what comes from clients. */
function bytesOf(text: string): string {
  return Buffer.from(text).toString("latin1");
}
