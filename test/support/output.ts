// The output of a program under test, as text and as something to wait for. The two streams are kept apart,
// and also joined in the order of arrival.

import { AssertionError } from "node:assert";
import type { Readable } from "node:stream";

import { PATIENCE_MS } from "./deadline.ts";

/** Output beyond this is dropped, characters: so long a log is a fault of the server or of the test. */
const MAX_KEPT = 64 * 1024 * 1024;

interface Waiter {
  readonly pattern: RegExp;
  readonly from: number;
  readonly resolve: (match: RegExpExecArray) => void;
}

/** Collects the two output streams of a process. */
export class Output {
  stdout = "";
  stderr = "";
  /** Both, in the order of arrival. */
  all = "";
  readonly #waiters = new Set<Waiter>();

  collect(stream: Readable, name: "stdout" | "stderr"): void {
    stream.setEncoding("utf8");
    stream.on("data", (text: string) => {
      if (this.all.length > MAX_KEPT) return;
      this[name] += text;
      this.all += text;
      for (const waiter of this.#waiters) this.#look(waiter);
    });
  }

  /** The first match of `pattern` in both streams behind `from`, now or later. */
  async waitFor(pattern: RegExp, from = 0, ms: number = PATIENCE_MS): Promise<RegExpExecArray> {
    const { promise, resolve, reject } = Promise.withResolvers<RegExpExecArray>();
    const waiter: Waiter = { pattern, from, resolve };
    this.#waiters.add(waiter);
    const timer = setTimeout(
      () =>
        reject(new AssertionError({ message: `no ${pattern} within ${ms} ms in:\n${this.all}` })),
      ms,
    );
    this.#look(waiter);
    try {
      return await promise;
    } finally {
      clearTimeout(timer);
      this.#waiters.delete(waiter);
    }
  }

  /** The whole lines that match. */
  linesWith(pattern: RegExp): string[] {
    return this.all.split("\n").filter((line) => pattern.test(line));
  }

  #look(waiter: Waiter): void {
    const match = waiter.pattern.exec(this.all.slice(waiter.from));
    if (match !== null) waiter.resolve(match);
  }
}
