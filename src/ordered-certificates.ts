// The certificates that ACME orders and renews, one for each domain of a configuration, and their place in the store
// of all certificates. Nothing is in the store before `use`, so that a reload which fails changes nothing.

import { readFile } from "node:fs/promises";

import type { Issuer } from "./acme/authority.ts";
import { CertificateKeeper, KeeperOptionsError } from "./acme/keeper.ts";
import { StateFolderError } from "./acme/state-folder.ts";
import { logKeeperEvent, logMissing } from "./certificate-log.ts";
import type { AcmeConfiguration, AcmeIssuer, Configuration } from "./config/configuration.ts";
import { OperatorError } from "./config/operator-error.ts";
import { readVersion } from "./config/version.ts";
import type { BoundAddress } from "./net/address.ts";
import type { Log } from "./observe/log.ts";
import type { ChallengePem, CertificateStore } from "./tls/certificate-store.ts";
import { readCertificate, readChain, type Certificate } from "./tls/certificate.ts";

export interface OrderedOptions {
  readonly acme: AcmeConfiguration;
  readonly stateDir: string;
  readonly bind: Configuration["listeners"]["bind"];
}

/** Beyond a stopping server's grace, ms: orders remove their challenges, then hook programs end. */
const ORDERS_STOP_MS = 1000;
const HOOKS_STOP_MS = 1000;

export class OrderedCertificates {
  readonly #keeper: CertificateKeeper;
  readonly #store: CertificateStore;
  readonly #log: Log;
  readonly #domains: readonly string[];
  /** By the domain's place in the configuration, whose first certificate may be the default. */
  #found: readonly (Certificate | null)[];
  #isUsed = false;

  private constructor(
    options: OrderedOptions,
    issuers: readonly Issuer[],
    { store, log }: { readonly store: CertificateStore; readonly log: Log },
  ) {
    const { domains, email, dnsHook } = options.acme;
    this.#store = store;
    this.#log = log;
    this.#domains = domains;
    this.#found = domains.map(() => null);
    this.#keeper = new CertificateKeeper({
      groups: domains.map((name) => [name]),
      issuers,
      email,
      folder: options.stateDir,
      dnsHook,
      environment: process.env,
      ports: { http: serves(options, "http"), https: serves(options, "https") },
      userAgent: `typhon/${readVersion()}`,
      onCertificate: ([name = ""], { chainPem, keyPem }) =>
        this.#put(name, readCertificate({ cert: chainPem, key: keyPem, password: null })),
      onEvent: (event) => logKeeperEvent(log, event),
    });
  }

  /** Reads the certificates of the state folder. Rejects with OperatorError. */
  static async open(
    options: OrderedOptions,
    parts: { readonly store: CertificateStore; readonly log: Log },
  ): Promise<OrderedCertificates> {
    const issuers = await readIssuers(options.acme);
    try {
      const opened = new OrderedCertificates(options, issuers, parts);
      await opened.#keeper.load();
      return opened;
    } catch (error) {
      const isOperators = error instanceof KeeperOptionsError || error instanceof StateFolderError;
      throw isOperators ? new OperatorError(error.message, 2) : error;
    }
  }

  /** Puts all certificates into the store, now and when they are renewed. */
  use(): void {
    this.#isUsed = true;
    this.#store.setAcme(this.#found.filter((one) => one !== null));
  }

  /** Orders what is missing, and renews. */
  start(): void {
    this.#domains.forEach((name, at) => {
      if (this.#found[at] === null) logMissing(this.#log, name);
    });
    void this.#keeper.start();
  }

  /** Ends orders; waits for them at most a little longer than `graceMs`. */
  async stop(graceMs: number): Promise<void> {
    this.#isUsed = false;
    const { promise: late, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, graceMs + ORDERS_STOP_MS + HOOKS_STOP_MS);
    await Promise.race([this.#keeper.stop(graceMs + ORDERS_STOP_MS), late]);
    clearTimeout(timer);
  }

  /** The body for a token of http-01 (RFC 8555 §8.3); null: the token is not known. Never rejects. */
  async keyAuthorization(token: string): Promise<string | null> {
    return await this.#keeper.challengeResponse(token);
  }

  /** The certificate for tls-alpn-01 (RFC 8737); null: the name is not being proved. Never rejects. */
  async challengeFor(name: string): Promise<ChallengePem | null> {
    return await this.#keeper.alpnCertificate(name);
  }

  /** Throws CertificateError; the certificate in use stays then, and the keeper tells why. */
  #put(name: string, certificate: Certificate): void {
    this.#store.check([certificate]);
    this.#found = this.#found.with(this.#domains.indexOf(name), certificate);
    if (this.#isUsed) this.use();
  }
}

/** Authorities reach ports 80 and 443, whichever ports of this machine they lead to. */
function serves({ bind }: OrderedOptions, scheme: BoundAddress["scheme"]): boolean {
  return typeof bind === "string" || bind.some((address) => address.scheme === scheme);
}

/** Reads the files that the authorities' options name. Rejects with OperatorError. */
export async function readIssuers({ issuers }: AcmeConfiguration): Promise<Issuer[]> {
  return await Promise.all(issuers.map(readIssuer));
}

async function readIssuer({ directoryUrl, caRoot, eab, profile }: AcmeIssuer): Promise<Issuer> {
  return {
    directoryUrl,
    profile,
    caRoot: caRoot === null ? null : await readRoot(caRoot),
    eab: eab === null ? null : { kid: eab.kid, hmacKey: await readHmacKey(eab) },
  };
}

/** The root certificate of a private authority. Rejects with OperatorError or CertificateError. */
async function readRoot(path: string): Promise<string> {
  const text = await readText(path);
  if (readChain(text).length > 0) return text;
  throw new OperatorError(`--acme-ca-root ${path}: there is no certificate in PEM form`, 2);
}

/** The key of an external account, as authorities give it: base64url (RFC 8555 §7.3.4). */
async function readHmacKey({ keyFile }: NonNullable<AcmeIssuer["eab"]>): Promise<Buffer> {
  const key = Buffer.from((await readText(keyFile)).trim(), "base64url");
  if (key.length > 0) return key;
  throw new OperatorError(`${keyFile}: there is no key in base64url`, 2);
}

async function readText(path: string): Promise<string> {
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    const code = error instanceof Error && "code" in error ? String(error.code) : String(error);
    throw new OperatorError(`${path}: cannot be read (${code})`, 2);
  }
}
