// An application below a prefix gets the path as it was sent. A spelling of the path that begins with the prefix
// only after dot segments or empty segments are resolved would reach the application with another path than the
// one that routes and guards have seen: 404.

import type { Exchange, Handler } from "../../http/exchange.ts";
import { ERRORS } from "../../http/error.ts";

export class MountHandler implements Handler {
  readonly #prefix: string;
  readonly #inner: Handler;

  /** `prefix`: "/prefix" without a trailing slash, canonical. */
  constructor(prefix: string, inner: Handler) {
    this.#prefix = prefix;
    this.#inner = inner;
  }

  handle(exchange: Exchange): void {
    const { path } = exchange.effectiveHead;
    if (path === exchange.path || this.#isBelow(decoded(path))) this.#inner.handle(exchange);
    else exchange.fail(ERRORS.NOT_FOUND);
  }

  #isBelow(path: string): boolean {
    const next = path[this.#prefix.length];
    return path.startsWith(this.#prefix) && (next === undefined || next === "/");
  }
}

/** Percent-decoded once, as a worker does it; bytes as latin-1. */
function decoded(path: string): string {
  return path.replaceAll(/%([0-9A-Fa-f]{2})/g, (_, digits: string) =>
    String.fromCharCode(Number.parseInt(digits, 16)),
  );
}
