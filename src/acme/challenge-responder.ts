// Responds to the challenges of one try of an order: by the store, or by the hook program.

import type { ChallengeResponder, ChallengeType, PresentedChallenge } from "./authorization.ts";
import { challengeTypes, type ProofMeans } from "./certificate-names.ts";
import type { ChallengeStore } from "./challenge-store.ts";
import type { DnsHook } from "./dns-hook.ts";
import { challengeServerName, type Identifier } from "./identifier.ts";
import { dnsRecordValue, makeChallengeCertificate } from "./proof.ts";

export interface OrderResponderOptions {
  readonly store: ChallengeStore;
  readonly hook: DnsHook | null;
  readonly means: ProofMeans;
  /** Failed tries before this one: each begins with another type, so that a closed port is no end. */
  readonly failures: number;
  readonly now: () => number;
  /** A challenge that could not be removed. */
  readonly onLeft: (reason: string) => void;
}

export class OrderResponder implements ChallengeResponder {
  readonly #options: OrderResponderOptions;

  constructor(options: OrderResponderOptions) {
    this.#options = options;
  }

  types(identifier: Identifier, isWildcard: boolean): readonly ChallengeType[] {
    const types = challengeTypes(identifier, isWildcard, this.#options.means);
    const first = types.length === 0 ? 0 : this.#options.failures % types.length;
    return [...types.slice(first), ...types.slice(0, first)];
  }

  async present({ type, identifier, token, keyAuthorization }: PresentedChallenge): Promise<void> {
    const { store, now } = this.#options;
    if (type === "dns-01") return this.#runHook("present", identifier, keyAuthorization);
    const madeAt = now();
    if (type === "http-01") return store.add({ type, madeAt, token, keyAuthorization });
    const made = makeChallengeCertificate(identifier, keyAuthorization, madeAt);
    const certificate = { certPem: made.certificate, keyPem: made.key };
    return store.add({ type, madeAt, token, name: made.serverName, certificate });
  }

  async remove({ type, identifier, token, keyAuthorization }: PresentedChallenge): Promise<void> {
    try {
      if (type === "dns-01") await this.#runHook("remove", identifier, keyAuthorization);
      else await this.#options.store.remove({ type, token }, challengeServerName(identifier));
    } catch (error) {
      this.#options.onLeft(error instanceof Error ? error.message : String(error));
    }
  }

  async #runHook(
    action: "present" | "remove",
    { value: domain }: Identifier,
    keyAuthorization: string,
  ): Promise<void> {
    const value = dnsRecordValue(keyAuthorization);
    await this.#options.hook?.run({ action, domain, record: `_acme-challenge.${domain}`, value });
  }
}
