// What a route asks of a request before its handler sees the request, and changes in the response. Addresses are
// looked at first, then the password: a client whose address is denied is not asked for a password.

import type { RoutePolicy } from "../../config/configuration.ts";
import { Mistakes, OperatorError } from "../../config/operator-error.ts";
import { ERRORS } from "../../http/error.ts";
import type { Exchange, Handler } from "../../http/exchange.ts";
import { Networks } from "../../net/networks.ts";
import { BasicAuth } from "./basic-auth.ts";
import { ErrorPages } from "./error-pages.ts";
import { PasswordFile } from "./password-file.ts";
import { ResponseChanges } from "./response-changes.ts";

export class PolicyHandler implements Handler {
  readonly #inner: Handler;
  /** Null = every address. */
  readonly #allowed: Networks | null;
  readonly #denied: Networks;
  readonly #auth: BasicAuth | null;
  readonly #changes: ResponseChanges;

  private constructor(
    inner: Handler,
    { allow, deny }: RoutePolicy,
    auth: BasicAuth | null,
    changes: ResponseChanges,
  ) {
    this.#inner = inner;
    this.#allowed = allow.length === 0 ? null : new Networks(allow);
    this.#denied = new Networks(deny);
    this.#auth = auth;
    this.#changes = changes;
  }

  /**
   * The handler of a route: `inner` itself if the policy asks and changes nothing. Reads the files that the policy
   * names. Rejects with an error whose message is for the operator.
   * `onFailure`: the password file has changed and has a mistake.
   */
  static async open(
    policy: RoutePolicy,
    inner: Handler,
    onFailure: (text: string) => void,
  ): Promise<Handler> {
    const { basicAuth, errorPages } = policy;
    if (isPlain(policy)) return inner;
    const file = basicAuth === null ? null : await PasswordFile.open(basicAuth, onFailure);
    const pages = errorPages === null ? null : await ErrorPages.open(errorPages);
    const auth = file === null ? null : new BasicAuth(file);
    return new PolicyHandler(inner, policy, auth, new ResponseChanges(policy, pages));
  }

  handle(exchange: Exchange): void {
    exchange.policy = this.#changes;
    const address = exchange.remoteAddress;
    if (this.#denied.has(address) || this.#allowed?.has(address) === false)
      exchange.fail(ERRORS.ADDRESS_DENIED);
    else if (this.#auth === null) this.#inner.handle(exchange);
    else void this.#askPassword(exchange, this.#auth);
  }

  async #askPassword(exchange: Exchange, auth: BasicAuth): Promise<void> {
    try {
      const verdict = await auth.check(exchange.effectiveHead);
      if (verdict === "wrong") exchange.fail(ERRORS.PASSWORD_NEEDED);
      else if (verdict === "busy") exchange.fail(ERRORS.PASSWORD_QUEUE_FULL);
      else {
        exchange.user = verdict.user;
        if (!exchange.isFinished) this.#inner.handle(exchange);
      }
    } catch {
      // A hash that cannot be computed (memory) lets nobody in.
      exchange.fail(ERRORS.SERVER_FAULT);
    }
  }
}

/** Reads all files that policies name, as a site does. Rejects with OperatorError, with a line for each mistake. */
export async function readPolicyFiles(policies: readonly RoutePolicy[]): Promise<void> {
  const mistakes = new Mistakes();
  const nobody = { handle: (): void => undefined };
  const opened = policies.map((policy) => PolicyHandler.open(policy, nobody, () => undefined));
  for (const outcome of await Promise.allSettled(opened))
    if (outcome.status === "rejected") {
      if (!(outcome.reason instanceof OperatorError)) throw outcome.reason;
      mistakes.add(outcome.reason.text);
    }
  mistakes.end();
}

function isPlain(policy: RoutePolicy): boolean {
  const { allow, deny, basicAuth, setHeaders, removeHeaders, cacheControl, errorPages } = policy;
  const lists = [allow, deny, setHeaders, removeHeaders];
  const hasList = lists.some((list) => list.length > 0);
  return !hasList && basicAuth === null && cacheControl === "" && errorPages === null;
}
