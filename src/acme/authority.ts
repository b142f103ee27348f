// One issuer: its account in the state folder, and the client that uses it.

import type { X509Certificate } from "node:crypto";

import { AcmeError } from "./acme-error.ts";
import { openAccount, saveAccount, type StoredAccount } from "./account-store.ts";
import type { ChallengeResponder } from "./authorization.ts";
import { AcmeClient, type AcmeClientOptions } from "./client.ts";
import type { IssuedCertificate, OrderRequest } from "./order.ts";
import type { RenewalWindow } from "./renewal-info.ts";

export interface Issuer {
  readonly directoryUrl: string;
  /** PEM of a private authority's root; null: Node's own roots. */
  readonly caRoot: string | null;
  readonly eab: AcmeClientOptions["eab"];
  /** "" for the authority's default. */
  readonly profile: string;
}

export interface AuthorityOptions {
  readonly issuer: Issuer;
  /** The account's file. */
  readonly accountPath: string;
  readonly email: string;
  readonly userAgent: string;
  readonly now: () => number;
  readonly delay: (ms: number, signal: AbortSignal) => Promise<void>;
  readonly onDamaged: (path: string) => void;
}

interface Opened {
  readonly client: AcmeClient;
  readonly account: StoredAccount;
}

export class Authority {
  readonly issuer: Issuer;
  readonly #options: AuthorityOptions;
  #opened: Promise<Opened> | null = null;
  /** The account is known to the authority. */
  #account: Promise<void> | null = null;

  constructor(options: AuthorityOptions) {
    this.issuer = options.issuer;
    this.#options = options;
  }

  async order(
    request: Omit<OrderRequest, "profile">,
    responder: ChallengeResponder,
    signal: AbortSignal,
  ): Promise<IssuedCertificate> {
    // Several orders at once make one account; after a failure the next order tries again.
    this.#account ??= this.#ensureAccount(signal);
    await this.#account.catch((error: unknown) => {
      this.#account = null;
      throw error;
    });
    try {
      const { client } = await this.#open();
      return await client.order({ ...request, profile: this.issuer.profile }, responder, signal);
    } catch (error) {
      // The authority has lost the account: the next try makes it anew.
      if (error instanceof AcmeError && error.type === "accountDoesNotExist") this.#account = null;
      throw error;
    }
  }

  /** When a certificate of this issuer is to be renewed; null: the authority does not say. */
  async renewalInfo(leaf: X509Certificate, signal: AbortSignal): Promise<RenewalWindow | null> {
    return (await this.#open()).client.renewalInfo(leaf, signal);
  }

  async #open(): Promise<Opened> {
    this.#opened ??= this.#makeClient();
    return this.#opened.catch((error: unknown) => {
      this.#opened = null;
      throw error;
    });
  }

  async #makeClient(): Promise<Opened> {
    const { issuer, accountPath, onDamaged, email, userAgent, now, delay } = this.#options;
    const { directoryUrl, caRoot, eab } = issuer;
    const account = await openAccount(accountPath, directoryUrl, onDamaged);
    const accountKey = account.key;
    const options = { directoryUrl, caRoot, eab, accountKey, email, userAgent, now, delay };
    return { client: new AcmeClient(options), account };
  }

  async #ensureAccount(signal: AbortSignal): Promise<void> {
    const { issuer, accountPath } = this.#options;
    const { client, account } = await this.#open();
    const url = await client.ensureAccount(account.url, signal);
    if (url !== account.url)
      await saveAccount(accountPath, issuer.directoryUrl, { ...account, url });
  }
}
