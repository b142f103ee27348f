// Certificates that get and renew themselves (ACME, RFC 8555): one for each set of names, from the first authority
// that issues it, in a folder that several machines may share. It knows nothing of the server: certificates go out
// by a callback, events by another one, and the server asks it for the responses to challenges.
//
//     load()   before the server listens: certificates of the folder are there, also when the authority is away
//     start()  when ports 80 and 443 are served: orders what is missing, then renews
//     stop()   ends orders and look-ups

import { setTimeout as sleep } from "node:timers/promises";

import { Authority, type Issuer } from "./authority.ts";
import { readIdentifier, refusalOf, type ProofMeans } from "./certificate-names.ts";
import { OrderResponder } from "./challenge-responder.ts";
import { ChallengeStore, type ChallengeCertificate } from "./challenge-store.ts";
import { DnsHook } from "./dns-hook.ts";
import { printable } from "./json.ts";
import type { KeeperEvent, Names } from "./keeper-event.ts";
import { KeptCertificate, type CertificateStatus, type KeeperTime } from "./kept-certificate.ts";
import { Slots } from "./slots.ts";
import { StateFolder } from "./state-folder.ts";
import type { StoredCertificate } from "./stored-certificate.ts";

/** Orders at once, and questions for windows. */
const MAX_ORDERS = 4;
/** Certificates whose files are read at once: each has a descriptor open. */
const MAX_LOOKS = 16;
/** How long `start` waits for the first orders. They go on. */
const MAX_START_MS = 300_000;
/** How long `stop` waits for orders to remove their challenges. */
const MAX_STOP_MS = 5000;

export interface CertificateFiles {
  readonly chainPem: string;
  readonly keyPem: string;
  /** Milliseconds since 1970. */
  readonly notAfter: number;
}

export interface KeeperOptions {
  /** The names of each certificate: DNS names in ASCII, wildcards, addresses. */
  readonly groups: readonly Names[];
  /** The first one, then its fallbacks. */
  readonly issuers: readonly Issuer[];
  /** "" for none. */
  readonly email: string;
  readonly folder: string;
  /** The path of a program; null: no DNS records can be changed. */
  readonly dnsHook: string | null;
  /** The environment, of which the hook program gets a part. */
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Whether port 80 and port 443 are served, as the authority sees them. */
  readonly ports: { readonly http: boolean; readonly https: boolean };
  readonly userAgent: string;
  readonly onCertificate: (names: Names, files: CertificateFiles) => void;
  readonly onEvent: (event: KeeperEvent) => void;
  readonly time?: KeeperTime;
}

/** Certificates cannot be ordered with these options; the message is one line for the operator. */
export class KeeperOptionsError extends Error {}

export class CertificateKeeper {
  readonly #options: KeeperOptions;
  readonly #time: KeeperTime;
  readonly #means: ProofMeans;
  readonly #hook: DnsHook | null;
  readonly #stopped = new AbortController();
  readonly #running: Promise<void>[] = [];
  #challenges: ChallengeStore | null = null;
  #certificates: readonly KeptCertificate[] = [];

  /** Throws KeeperOptionsError where a name cannot be proved, such as a wildcard without a hook program. */
  constructor(options: KeeperOptions) {
    const { dnsHook, environment, groups, ports, time } = options;
    this.#options = options;
    this.#time = time ?? REAL_TIME;
    this.#means = { ...ports, dns: dnsHook !== null };
    this.#hook = dnsHook === null ? null : new DnsHook({ program: dnsHook, environment });
    const refusal = refusalOf(groups, this.#means);
    if (refusal !== null) throw new KeeperOptionsError(refusal);
    if (options.issuers.length === 0) throw new KeeperOptionsError("no authority is given");
  }

  /** Opens the folder, and hands over the certificates that it has. Rejects with StateFolderError. */
  async load(): Promise<void> {
    const { now, delay } = this.#time;
    const folder = await StateFolder.open(this.#options.folder, now());
    this.#challenges = new ChallengeStore({ folder: folder.challenges, delay });
    await this.#challenges.removeAbandoned(now());
    const authorities = this.#options.issuers.map((issuer) => this.#authority(issuer, folder));
    const slots = new Slots(MAX_ORDERS);
    const looks = new Slots(MAX_LOOKS);
    this.#certificates = this.#options.groups.map(
      (names) =>
        new KeptCertificate({
          names,
          // However the operator spells them.
          paths: folder.certificate(names.map((name) => readIdentifier(name)?.value ?? name)),
          authorities,
          responderFor: this.#responderFor,
          slots,
          looks,
          time: this.#time,
          onCertificate: (certificate) => this.#handOver(names, certificate),
          onEvent: this.#tell,
        }),
    );
    await Promise.all(this.#certificates.map(async (one) => one.load()));
  }

  /**
   * Orders what is missing, and keeps all certificates from then on. Resolves when each has a valid certificate or a
   * failed try (an event), or after 5 minutes: the server serves with what there is.
   */
  async start(): Promise<void> {
    const { signal } = this.#stopped;
    if (this.#running.length > 0) throw new Error("start() was called before");
    for (const one of this.#certificates) this.#running.push(one.run(signal));
    const all = Promise.all(this.#certificates.map(async (one) => one.settled));
    await within(MAX_START_MS, all);
  }

  /** Ends everything. Orders that have begun remove their challenges within `ms`; hook programs are ended then. */
  async stop(ms = MAX_STOP_MS): Promise<void> {
    this.#stopped.abort(new Error("the server stops"));
    this.#challenges?.close();
    await within(Math.min(ms, MAX_STOP_MS), Promise.all(this.#running));
    await this.#hook?.close();
  }

  /** All certificates, in the order of the options. */
  status(): readonly CertificateStatus[] {
    return this.#certificates.map((one) => one.status);
  }

  /** The body for `/.well-known/acme-challenge/TOKEN` (http-01); null: 404. Never rejects. */
  async challengeResponse(token: string): Promise<string | null> {
    return (await this.#challenges?.keyAuthorization(token)) ?? null;
  }

  /** The certificate for a client hello with "acme-tls/1" that names `name`; null: close. Never rejects. */
  async alpnCertificate(name: string): Promise<ChallengeCertificate | null> {
    return (await this.#challenges?.certificate(name)) ?? null;
  }

  #authority(issuer: Issuer, folder: StateFolder): Authority {
    const { email, userAgent } = this.#options;
    return new Authority({
      issuer,
      accountPath: folder.account(issuer.directoryUrl),
      email,
      userAgent,
      now: this.#time.now,
      delay: this.#time.delay,
      onDamaged: (path) =>
        this.#tell({ kind: "damaged", path, reason: "no account; kept as .damaged" }),
    });
  }

  readonly #responderFor = (names: Names, failures: number): OrderResponder => {
    if (this.#challenges === null) throw new Error("start() before load()");
    return new OrderResponder({
      store: this.#challenges,
      hook: this.#hook,
      means: this.#means,
      failures,
      now: this.#time.now,
      onLeft: (reason) => this.#tell({ kind: "left", names, reason: printable(reason) }),
    });
  };

  // A callback that throws ends neither the order nor the process.
  #handOver(names: Names, { chainPem, keyPem, notAfter }: StoredCertificate): void {
    try {
      this.#options.onCertificate(names, { chainPem, keyPem, notAfter });
    } catch (error) {
      const reason = printable(error instanceof Error ? error.message : String(error));
      this.#tell({ kind: "unused", names, reason });
    }
  }

  readonly #tell = (event: KeeperEvent): void => {
    try {
      this.#options.onEvent(event);
    } catch {
      // Nobody is left to be told.
    }
  };
}

const REAL_TIME: KeeperTime = {
  now: Date.now,
  monotonic: () => performance.now(),
  delay: async (ms, signal) => {
    await sleep(ms, undefined, { signal });
  },
  random: Math.random,
};

/** Waits for a promise that never rejects, at most `ms`. */
async function within(ms: number, promise: Promise<unknown>): Promise<void> {
  const { promise: late, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, ms);
  await Promise.race([promise, late]);
  clearTimeout(timer);
}
