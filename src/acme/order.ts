// One order (RFC 8555 §7.4), from its request to the certificate.
//
//     newOrder ─▶ pending ── challenges ──▶ ready ── finalize ──▶ processing ──▶ valid ─▶ certificate
//                    └───────────────────────┴─────────────────────────┴──▶ invalid

import type { KeyObject } from "node:crypto";

import { AcmeError, fault, problemError, type Subproblem } from "./acme-error.ts";
import type { AuthorityResponse } from "./authority-request.ts";
import {
  chooseChallenge,
  failureOf,
  isCheckOver,
  type ChallengeResponder,
  type PendingChallenge,
} from "./authorization.ts";
import type { Identifier } from "./identifier.ts";
import { alternateUrls, checkChain } from "./issued.ts";
import { asObject, asText, type JsonObject } from "./json.ts";
import { isPassing, type AcmeSession } from "./session.ts";

/** Identifiers of one order; Let's Encrypt's limit. */
export const MAX_IDENTIFIERS = 100;
/** Time limit of a whole order. The caller has few places for orders, and an authority may be slow in each step. */
const MAX_ORDER_MS = 1_800_000;
/** Checks of one challenge, where the authority keeps the challenge pending after a failed one. */
const MAX_CHECKS = 3;
const CHECK_WAIT_MS = 5000;
/** Tries to finalize an order that the authority calls not ready although it was. */
const MAX_FINALIZE_TRIES = 3;
const FINALIZE_WAIT_MS = 1000;

/** Refusals of `replaces`: the authority knows another successor, or not the certificate (RFC 9773 §5). */
const REPLACES_REFUSED: ReadonlySet<string> = new Set([
  "alreadyReplaced",
  "malformed",
  "unauthorized",
  "conflict",
]);

export interface OrderRequest {
  readonly identifiers: readonly Identifier[];
  /** A certificate signing request for the same identifiers, in DER. */
  readonly csr: Buffer;
  /** "" for the authority's default. */
  readonly profile: string;
  /** `certificateId` of the certificate that the new one is to replace (RFC 9773 §5); "" for none. */
  readonly replaces: string;
}

export interface IssuedCertificate {
  /** The certificate and its intermediates, in PEM. */
  readonly chain: string;
  /** The other chains that the authority offers, in PEM (RFC 8555 §7.4.2). */
  readonly alternates: readonly string[];
}

/** Orders, responds to challenges, waits, and fetches the certificate. */
export async function orderCertificate(
  session: AcmeSession,
  accountKey: KeyObject,
  request: OrderRequest,
  responder: ChallengeResponder,
  signal: AbortSignal,
): Promise<IssuedCertificate> {
  const { identifiers } = request;
  if (identifiers.length === 0 || identifiers.length > MAX_IDENTIFIERS)
    throw new RangeError(`an order has 1 to ${MAX_IDENTIFIERS} identifiers`);
  const limit = new AbortController();
  const late = fault("timeout", `an order of more than ${MAX_ORDER_MS} ms`);
  const timer = setTimeout(() => limit.abort(late), MAX_ORDER_MS);
  const both = AbortSignal.any([signal, limit.signal]);
  try {
    return await new Order(session, request, both).run(responder, accountKey);
  } finally {
    clearTimeout(timer);
  }
}

class Order {
  readonly #session: AcmeSession;
  readonly #request: OrderRequest;
  readonly #signal: AbortSignal;

  constructor(session: AcmeSession, request: OrderRequest, signal: AbortSignal) {
    this.#session = session;
    this.#request = request;
    this.#signal = signal;
  }

  async run(responder: ChallengeResponder, accountKey: KeyObject): Promise<IssuedCertificate> {
    const { url, order } = await this.#begin();
    const waiting = await this.#chooseChallenges(order, responder, accountKey);
    await this.#respond(waiting, responder);
    const ready = await this.#session.poll(url, hasStatus("pending"), this.#signal);
    checkOrder(ready, "ready");
    await this.#finalize(url, asText(ready["finalize"]));
    const done = await this.#session.poll(url, hasStatus("ready", "processing"), this.#signal);
    checkOrder(done, "valid");
    return this.#fetchCertificate(asText(done["certificate"]));
  }

  /** Makes the order; a second time without `replaces` where the authority refuses that. */
  async #begin(): Promise<{ readonly url: string; readonly order: JsonObject }> {
    const { identifiers, profile, replaces } = this.#request;
    const { newOrder, renewalInfo, profiles } = await this.#session.directory(this.#signal);
    if (profile !== "" && !profiles.has(profile)) {
      const known = [...profiles.keys()].join(", ") || "none";
      throw fault("invalidProfile", `no profile ${profile}; the authority's profiles: ${known}`);
    }
    const wanted = { identifiers, ...(profile === "" ? {} : { profile }) };
    const post = (order: object): Promise<AuthorityResponse> =>
      this.#session.post({ url: newOrder, payload: JSON.stringify(order) }, this.#signal);
    // An authority without renewal information does not know the member.
    const mayReplace = replaces !== "" && renewalInfo !== "";
    const response = await post(mayReplace ? { ...wanted, replaces } : wanted).catch(
      (error: unknown) => {
        const isRefused = error instanceof AcmeError && REPLACES_REFUSED.has(error.type);
        if (!mayReplace || !isRefused) throw error;
        return post(wanted);
      },
    );
    if (response.object === null || !URL.canParse(response.location, newOrder))
      throw fault("malformedResponse", "an order without URL");
    return { url: new URL(response.location, newOrder).href, order: response.object };
  }

  /** A challenge for each authorization that is not valid already. */
  async #chooseChallenges(
    order: JsonObject,
    responder: ChallengeResponder,
    accountKey: KeyObject,
  ): Promise<readonly PendingChallenge[]> {
    const urls = order["authorizations"];
    if (!Array.isArray(urls) || urls.length > MAX_IDENTIFIERS)
      throw fault("malformedResponse", "an order without authorizations, or with too many");
    const waiting: PendingChallenge[] = [];
    for (const authorizationUrl of urls.map(asText)) {
      const request = { url: authorizationUrl, payload: "" };
      const { object } = await this.#session.post(request, this.#signal);
      if (object === null)
        throw fault("malformedResponse", `no authorization at ${authorizationUrl}`);
      if (object["status"] === "valid") continue;
      const { identifiers } = this.#request;
      const chosen = chooseChallenge(object, identifiers, responder, accountKey);
      waiting.push({ ...chosen, authorizationUrl });
    }
    return waiting;
  }

  async #respond(
    waiting: readonly PendingChallenge[],
    responder: ChallengeResponder,
  ): Promise<void> {
    const begun: PendingChallenge[] = [];
    try {
      for (const challenge of waiting) {
        begun.push(challenge);
        await responder.present(challenge.presented);
        this.#signal.throwIfAborted();
      }
      for (const challenge of waiting) await this.#beginCheck(challenge);
      await this.#awaitChecks(waiting);
    } finally {
      // A failure to remove is the responder's to tell; it must not cost the certificate.
      await Promise.allSettled(begun.map(({ presented }) => responder.remove(presented)));
    }
  }

  /** Tells the authority to look. A second time where the response was lost: then it may have looked already. */
  async #beginCheck({ url, authorizationUrl }: PendingChallenge): Promise<void> {
    try {
      const request = { url, payload: "{}", isRepeatable: true };
      await this.#session.post(request, this.#signal);
    } catch (error) {
      if (!(error instanceof AcmeError) || error.type !== "malformed") throw error;
      const look = { url: authorizationUrl, payload: "" };
      const { object } = await this.#session.post(look, this.#signal);
      if (object?.["status"] === "pending") throw error;
    }
  }

  /** Waits for every check, so that an error names all identifiers that failed. */
  async #awaitChecks(waiting: readonly PendingChallenge[]): Promise<void> {
    const failures: Subproblem[] = [];
    const end = this.#session.pollEnd();
    for (const challenge of waiting) {
      const checked = await this.#awaitCheck(challenge, end);
      if (checked["status"] !== "valid")
        failures.push(failureOf(checked, challenge.presented.identifier));
    }
    if (failures.length > 0)
      throw new AcmeError({
        type: "challengeFailed",
        detail: "the authority's check failed",
        status: 0,
        retryAfterMs: 0,
        subproblems: failures,
      });
  }

  /**
   * Waits for one check. Some authorities, such as step-ca, keep a challenge pending whose check has failed: another
   * response asks for another check (RFC 8555 §8.2).
   */
  async #awaitCheck(challenge: PendingChallenge, end: number): Promise<JsonObject> {
    const { authorizationUrl: url } = challenge;
    const isPending = (resource: JsonObject): boolean =>
      resource["status"] === "pending" && !isCheckOver(resource, challenge.url);
    for (let checks = 1; ; checks += 1) {
      const checked = await this.#session.poll(url, isPending, this.#signal, end);
      const mayCheckAgain = isCheckOver(checked, challenge.url) && checks < MAX_CHECKS;
      if (checked["status"] !== "pending" || !mayCheckAgain) return checked;
      await this.#session.wait(CHECK_WAIT_MS * checks, this.#signal);
      await this.#beginCheck(challenge);
    }
  }

  /**
   * Sends the signing request. A second time where the authority is one step behind and calls the order not ready, or
   * where the response was lost and the order is still ready.
   */
  async #finalize(orderUrl: string, url: string): Promise<void> {
    const payload = JSON.stringify({ csr: this.#request.csr.toString("base64url") });
    for (let tries = 1; ; tries += 1)
      try {
        await this.#session.post({ url, payload }, this.#signal);
        return;
      } catch (error) {
        const mayTryAgain =
          error instanceof AcmeError && (error.type === "orderNotReady" || isPassing(error));
        if (!mayTryAgain || tries === MAX_FINALIZE_TRIES) throw error;
        await this.#session.wait(FINALIZE_WAIT_MS * tries, this.#signal);
        const order = await this.#session.poll(orderUrl, hasStatus("pending"), this.#signal);
        if (order["status"] !== "ready") return;
      }
  }

  async #fetchCertificate(url: string): Promise<IssuedCertificate> {
    const { identifiers, csr } = this.#request;
    const request = { payload: "", accept: "application/pem-certificate-chain" };
    const { text, link } = await this.#session.post({ ...request, url }, this.#signal);
    const chain = checkChain(text, identifiers, csr);
    const alternates: string[] = [];
    for (const other of alternateUrls(link, url))
      try {
        const response = await this.#session.post({ ...request, url: other }, this.#signal);
        alternates.push(checkChain(response.text, identifiers, csr));
      } catch (error) {
        // Another chain is a choice more: one that is broken must not cost the certificate.
        if (!(error instanceof AcmeError)) throw error;
      }
    return { chain, alternates };
  }
}

function hasStatus(...statuses: readonly string[]): (resource: JsonObject) => boolean {
  return (resource) => statuses.includes(asText(resource["status"]));
}

function checkOrder(order: JsonObject, wanted: "ready" | "valid"): void {
  if (order["status"] === wanted) return;
  const error = asObject(order["error"]);
  if (error !== null) throw problemError(error, 0, 0);
  if (hasStatus("pending", "ready", "processing")(order))
    throw fault("timeout", `the order is still ${asText(order["status"])}`);
  throw fault("orderInvalid", `the order is ${asText(order["status"]) || "without a status"}`);
}
