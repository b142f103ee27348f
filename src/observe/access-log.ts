// The access log: one line for each request, written when its response has ended. access-line.ts has the formats that
// have a name, access-format.ts those of the operator.

import type { HttpError } from "../http/error.ts";
import type { Exchange } from "../http/exchange.ts";
import { linesOf, type AccessPart } from "./access-format.ts";
import { JSON_LINES, TEXT_LINES, type AccessLines } from "./access-line.ts";
import type { Sink } from "./sink.ts";

/** A format with a name, or the parts of one. */
export type AccessFormat = "text" | "json" | readonly AccessPart[];

/** Writes one line for each exchange to a sink. */
export class AccessLog {
  readonly #sink: Sink;
  readonly #line: AccessLines["line"];
  readonly #refusal: AccessLines["refusal"];

  constructor(sink: Sink, format: AccessFormat) {
    this.#sink = sink;
    const { line, refusal } =
      format === "json" ? JSON_LINES : format === "text" ? TEXT_LINES : linesOf(format);
    this.#line = line;
    this.#refusal = refusal;
  }

  /** Writes the line of an exchange that has ended, with or without a response. */
  write(exchange: Exchange): void {
    const totalMs = performance.now() - exchange.startedAt;
    this.#sink.write(this.#line(exchange, Date.now(), totalMs));
  }

  /** Writes the line of a message that was refused before it became a request. `address`: the client's, "" for none. */
  writeRefused(address: string, error: HttpError): void {
    this.#sink.write(this.#refusal(address, error, Date.now()));
  }

  /** Opens the log file again by its path (log rotation). */
  reopen(): void {
    this.#sink.reopen();
  }

  /** Resolves when all lines are written, at the latest after a second. */
  flush(): Promise<void> {
    return this.#sink.flush();
  }
}
