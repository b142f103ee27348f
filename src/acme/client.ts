// A client of ACME (RFC 8555): an account, orders, and renewal information (RFC 9773) of one certificate
// authority. It keeps no files and listens nowhere: the caller has the keys, and responds to challenges.

import type { KeyObject, X509Certificate } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";

import { AcmeError, fault } from "./acme-error.ts";
import type { ChallengeResponder } from "./authorization.ts";
import type { AuthorityResponse } from "./authority-request.ts";
import { asText, type JsonObject } from "./json.ts";
import { bindAccount, publicJwk } from "./jws.ts";
import { orderCertificate, type IssuedCertificate, type OrderRequest } from "./order.ts";
import { certificateId, readRenewalWindow, type RenewalWindow } from "./renewal-info.ts";
import { AcmeSession } from "./session.ts";

/** Refusals that mean that an account's URL is of no use with this key: the authority lost it, or it is another's. */
const ACCOUNT_GONE: ReadonlySet<string> = new Set(["accountDoesNotExist", "malformed"]);

export interface AcmeClientOptions {
  readonly directoryUrl: string;
  /** PEM of a private authority's root, for HTTPS to the authority; null: Node's own roots. */
  readonly caRoot: string | null;
  /** A private key on P-256. */
  readonly accountKey: KeyObject;
  /** "" for none. */
  readonly email: string;
  /** External account binding (RFC 8555 §7.3.4). */
  readonly eab: { readonly kid: string; readonly hmacKey: Buffer } | null;
  readonly userAgent: string;
  /** Milliseconds since 1970; Date.now unless a test moves the clock. */
  readonly now?: () => number;
  /** Waits; may reject when the signal aborts. */
  readonly delay?: (ms: number, signal: AbortSignal) => Promise<void>;
}

/** Every method rejects with AcmeError, or with the signal's reason. */
export class AcmeClient {
  readonly #options: AcmeClientOptions;
  readonly #session: AcmeSession;
  readonly #now: () => number;

  constructor(options: AcmeClientOptions) {
    const { directoryUrl, caRoot, accountKey, userAgent, now = Date.now, delay = wait } = options;
    this.#options = options;
    this.#now = now;
    this.#session = new AcmeSession({ directoryUrl, caRoot, accountKey, userAgent, now, delay });
  }

  /** Finds or creates the account → its URL. To call once before the first order; agrees to the authority's terms. */
  async ensureAccount(knownUrl: string | null, signal: AbortSignal): Promise<string> {
    if (knownUrl !== null && (await this.#updateAccount(knownUrl, signal))) {
      this.#session.accountUrl = knownUrl;
      return knownUrl;
    }
    const { location, status, object, url } = await this.#requestAccount(signal);
    if (!URL.canParse(location, url)) throw fault("malformedResponse", "an account without URL");
    const accountUrl = new URL(location, url).href;
    checkAccount(object);
    // 200: the account was there before, perhaps with another address.
    if (status === 200 && this.#options.email !== "") await this.#updateAccount(accountUrl, signal);
    this.#session.accountUrl = accountUrl;
    return accountUrl;
  }

  /** Orders, responds to challenges, waits, and fetches the certificate. */
  async order(
    request: OrderRequest,
    responder: ChallengeResponder,
    signal: AbortSignal,
  ): Promise<IssuedCertificate> {
    const { accountKey } = this.#options;
    return orderCertificate(this.#session, accountKey, request, responder, signal);
  }

  /** When a certificate is to be renewed; null: the authority has no such information. */
  async renewalInfo(
    certificate: X509Certificate,
    signal: AbortSignal,
  ): Promise<RenewalWindow | null> {
    const { renewalInfo } = await this.#session.directory(signal);
    const id = certificateId(certificate);
    if (renewalInfo === "" || id === "") return null;
    const url = `${renewalInfo.replace(/\/$/, "")}/${id}`;
    return readRenewalWindow(await this.#session.get(url, signal), this.#now());
  }

  /** The authority's profiles: name → description. */
  async profiles(signal: AbortSignal): Promise<ReadonlyMap<string, string>> {
    return (await this.#session.directory(signal)).profiles;
  }

  #contact(): readonly string[] {
    return this.#options.email === "" ? [] : [`mailto:${this.#options.email}`];
  }

  async #requestAccount(signal: AbortSignal): Promise<AuthorityResponse> {
    const { eab, accountKey } = this.#options;
    const { newAccount, isExternalAccountRequired } = await this.#session.directory(signal);
    if (isExternalAccountRequired && eab === null)
      throw fault("externalAccountRequired", "the authority asks for an external account's key");
    const binding =
      eab === null
        ? {}
        : { externalAccountBinding: bindAccount(eab, newAccount, publicJwk(accountKey)) };
    const payload = JSON.stringify({
      termsOfServiceAgreed: true,
      contact: this.#contact(),
      ...binding,
    });
    const request = { url: newAccount, payload, accountUrl: null, isRepeatable: true };
    return this.#session.post(request, signal);
  }

  /** Tells the account's address → whether the account is there. */
  async #updateAccount(url: string, signal: AbortSignal): Promise<boolean> {
    try {
      const payload = JSON.stringify({ contact: this.#contact() });
      const request = { url, payload, accountUrl: url, isRepeatable: true };
      checkAccount((await this.#session.post(request, signal)).object);
      return true;
    } catch (error) {
      if (error instanceof AcmeError && ACCOUNT_GONE.has(error.type)) return false;
      throw error;
    }
  }
}

function checkAccount(account: JsonObject | null): void {
  const status = asText(account?.["status"]);
  // Some authorities leave the status out.
  if (status !== "valid" && status !== "") throw fault("unauthorized", `the account is ${status}`);
}

async function wait(ms: number, signal: AbortSignal): Promise<void> {
  await sleep(ms, undefined, { signal });
}
