// Which client certificates a host asks for, and whether a request may be served on the connection that it came on.
// TLS asks for the certificate before the first request, by the name in the client's hello (SNI), and the request
// names its host a second time. Where the two names have different policies, a request could pass by the policy of
// its host: it is refused with 421 (RFC 9110 §15.5.20), and the client comes again on a connection of its own. Names
// with the same policy may share connections: load balancers and health checks name hosts as they like. Pure.

import { ERRORS, type HttpError } from "../http/error.ts";
import type { TlsFacts } from "../http/tls-facts.ts";
import { isHost, plainName, specificity } from "../net/host-name.ts";

export interface ClientPolicy {
  /** "example.com", "*.example.com", or "" for every host that has no policy of its own. */
  readonly host: string;
  readonly mode: "none" | "optional" | "required";
  /** Path of the authorities' certificates; "" with mode "none". */
  readonly caCerts: string;
}

const NO_POLICY: ClientPolicy = { host: "", mode: "none", caCerts: "" };

export class ClientPolicies {
  /** The most specific host first; the last one is every host's. */
  readonly #policies: readonly ClientPolicy[];
  /** The first policy that asks for the same, for each of `#policies`. */
  readonly #equal: readonly ClientPolicy[];
  /** Whether all hosts have one policy that lets every client in. */
  readonly #isOpen: boolean;

  constructor(policies: readonly ClientPolicy[]) {
    const every = policies.find(({ host }) => host === "") ?? NO_POLICY;
    const others = policies.filter(({ host }) => host !== "");
    const sorted = others.toSorted((a, b) => specificity(b.host) - specificity(a.host));
    this.#policies = [...sorted, every];
    const all = [every, ...sorted];
    this.#equal = this.#policies.map((one) => all.find((other) => isEqual(one, other)) ?? one);
    this.#isOpen = this.#policies.every(({ mode }) => mode === "none");
  }

  /**
   * The policy of a name, such as that of a client's hello; "" = the client names none. Names with equal policies
   * get one and the same object, whose `host` stands for all of them.
   */
  of(name: string): ClientPolicy {
    const plain = plainName(name);
    const index = this.#policies.findIndex(({ host }) => isHost(plain, host));
    return this.#equal[index] ?? NO_POLICY;
  }

  /** Why a request for a host must not be served on a connection; null: it may. `tls`: null without TLS. */
  refusal(name: string, tls: TlsFacts | null): HttpError | null {
    if (this.#isOpen) return null;
    const wanted = this.of(name);
    // A proxy that has the client's TLS connection has not checked a certificate by this policy.
    if (tls === null) return wanted.mode === "required" ? ERRORS.HOST_WITHOUT_TLS : null;
    // A connection from before a reload was made under the policy that its host had then.
    if (wanted.mode === "required" && tls.client === null) return ERRORS.HOST_CERTIFICATE;
    const made = this.#policies.findIndex(({ host }) => host === tls.clientPolicy);
    return this.#equal[made] === wanted ? null : ERRORS.HOST_CERTIFICATE;
  }
}

function isEqual(a: ClientPolicy, b: ClientPolicy): boolean {
  return a.mode === b.mode && a.caCerts === b.caCerts;
}
