// The fields that a route sets on its responses and removes from them, its Cache-Control, and its error pages.

import { OperatorError } from "../../config/operator-error.ts";
import type { HttpError } from "../../http/error.ts";
import type { ResponseHead } from "../../http/message.ts";
import { checkedHead, checkField, ResponseFault } from "../../http/response-head.ts";
import type { ResponsePolicy } from "../../http/response-policy.ts";
import type { ErrorPages } from "./error-pages.ts";

export interface FieldChanges {
  readonly setHeaders: readonly (readonly [name: string, value: string])[];
  readonly removeHeaders: readonly string[];
  /** Of successful responses that have none; "" = none is added. */
  readonly cacheControl: string;
}

export class ResponseChanges implements ResponsePolicy {
  readonly #changes: FieldChanges;
  /** Names in lower case that a response loses: removed ones, and those that are set. */
  readonly #dropped: ReadonlySet<string>;
  readonly #pages: ErrorPages | null;
  readonly #changesFields: boolean;
  /** Handlers use one head for many responses, and engines cache its encoded text. */
  readonly #changed = new WeakMap<ResponseHead, ResponseHead>();

  /** Throws OperatorError for a field that cannot be sent. */
  constructor(changes: FieldChanges, pages: ErrorPages | null) {
    const { setHeaders, removeHeaders, cacheControl } = changes;
    for (const [name, value] of setHeaders) checkOperatorField(name, value);
    const names = [...removeHeaders, ...setHeaders.map(([name]) => name)];
    this.#changes = changes;
    this.#dropped = new Set(names.map((name) => name.toLowerCase()));
    this.#pages = pages;
    this.#changesFields = names.length > 0 || cacheControl !== "";
  }

  errorPage(error: HttpError): readonly [head: ResponseHead, body: Buffer] | null {
    return this.#pages?.of(error) ?? null;
  }

  changeHead(head: ResponseHead): ResponseHead {
    if (!this.#changesFields) return head;
    const known = this.#changed.get(head);
    if (known !== undefined) return known;
    const changed = this.#change(head);
    this.#changed.set(head, changed);
    return changed;
  }

  #change(head: ResponseHead): ResponseHead {
    const { setHeaders, cacheControl } = this.#changes;
    const kept = head.names.map((name) => !this.#dropped.has(name.toLowerCase()));
    const names = head.names.filter((_, index) => kept[index]);
    const values = head.values.filter((_, index) => kept[index]);
    for (const [name, value] of setHeaders) {
      names.push(name);
      values.push(value);
    }
    const isSuccess = (head.status >= 200 && head.status < 300) || head.status === 304;
    const hasOwn = names.some((name) => name.toLowerCase() === "cache-control");
    if (cacheControl !== "" && isSuccess && !hasOwn) {
      names.push("Cache-Control");
      values.push(cacheControl);
    }
    const changed = checkedHead(head.status, head.reason, { names, values }, head.connection);
    return {
      ...changed,
      hasDate: changed.hasDate || this.#dropped.has("date"),
      hasServer: changed.hasServer || this.#dropped.has("server"),
      hasRequestId: changed.hasRequestId || this.#dropped.has("x-request-id"),
      hasHsts: changed.hasHsts || this.#dropped.has("strict-transport-security"),
    };
  }
}

function checkOperatorField(name: string, value: string): void {
  try {
    checkField(name, value);
  } catch (error) {
    throw error instanceof ResponseFault ? new OperatorError(`headers: ${error.message}`) : error;
  }
}
