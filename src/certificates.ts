// All certificates of a server: those of files, those of a local authority, those that ACME orders and renews. They
// meet in one store, from which each handshake takes its own.

import { readFile } from "node:fs/promises";
import { isDeepStrictEqual } from "node:util";

import type { Issuer } from "./acme/authority.ts";
import { CertificateKeeper, KeeperOptionsError } from "./acme/keeper.ts";
import { StateFolderError } from "./acme/state-folder.ts";
import { logKeeperEvent } from "./certificate-log.ts";
import type { AcmeIssuer, Configuration, TlsConfiguration } from "./config/configuration.ts";
import { OperatorError } from "./config/operator-error.ts";
import { readVersion } from "./config/version.ts";
import type { BoundAddress } from "./net/address.ts";
import type { Log } from "./observe/log.ts";
import { CertificateFiles, type CertificateFilesOptions } from "./tls/certificate-files.ts";
import { CertificateStore } from "./tls/certificate-store.ts";
import { CertificateError } from "./tls/certificate.ts";
import { CHECK_EVERY_MS, ExpiryWatch } from "./tls/expiry-watch.ts";
import { InternalAuthority } from "./tls/internal-authority.ts";
import { oldNodeWarning } from "./tls/node-version.ts";

type CertificatesConfiguration = Pick<Configuration, "listeners" | "routes"> & {
  readonly tls: TlsConfiguration;
};

export class Certificates {
  readonly store: CertificateStore;
  readonly #log: Log;
  #configuration: CertificatesConfiguration;
  #files: CertificateFiles | null = null;
  /** Null without `--tls internal`. */
  #authority: InternalAuthority | null = null;
  #keeper: CertificateKeeper | null = null;
  #hasStarted = false;
  readonly #expiry: ExpiryWatch;
  #timer: NodeJS.Timeout | undefined;

  constructor(configuration: CertificatesConfiguration, log: Log) {
    this.#configuration = configuration;
    this.#log = log;
    this.store = new CertificateStore({
      ciphers: configuration.tls.ciphers,
      clients: [],
      challengeFor: async (name) => (await this.#keeper?.alpnCertificate(name)) ?? null,
    });
    this.#expiry = new ExpiryWatch((text) => log.warning("certificate.expiring", text, {}));
  }

  /** Reads all certificates that there are. Rejects with OperatorError. */
  async load(): Promise<void> {
    const warning = oldNodeWarning(process.version);
    if (warning !== null) this.#log.warning("server.notice", warning, {});
    await asOperatorError(async () => {
      this.#files = await this.#openFiles(this.#configuration.tls);
      this.#authority = await this.#openAuthority(this.#configuration);
      this.#keeper = await this.#openKeeper(this.#configuration);
    });
  }

  /** The server listens: orders what is missing, and watches files and ends of validity. */
  start(): void {
    this.#hasStarted = true;
    this.#files?.watch();
    void this.#keeper?.start();
    const check = (): void => {
      this.#authority?.renew(this.store);
      this.#expiry.check(this.store.all, Date.now());
    };
    check();
    this.#timer = setInterval(check, CHECK_EVERY_MS).unref();
  }

  /** Takes other files, policies and names. Rejects with OperatorError; the certificates in use stay then. */
  async replace(configuration: CertificatesConfiguration): Promise<void> {
    const before = this.#configuration;
    const isOld = isDeepStrictEqual(before.tls, configuration.tls);
    if (isOld && isDeepStrictEqual(before.routes, configuration.routes)) return;
    await asOperatorError(async () => {
      const files = await this.#openFiles(configuration.tls);
      const authority = await this.#openAuthority(configuration);
      const isSame = isDeepStrictEqual(before.tls.acme, configuration.tls.acme);
      const keeper = isSame ? this.#keeper : await this.#openKeeper(configuration);
      this.#files?.close();
      if (!isSame) await this.#keeper?.stop();
      this.#files = files;
      this.#authority = authority;
      this.#keeper = keeper;
      this.#configuration = configuration;
      if (!this.#hasStarted) return;
      files?.watch();
      if (!isSame) void keeper?.start();
    });
  }

  /** The body for a token of http-01 (RFC 8555 §8.3); null: the token is not known. Never rejects. */
  async keyAuthorization(token: string): Promise<string | null> {
    return (await this.#keeper?.challengeResponse(token)) ?? null;
  }

  async stop(): Promise<void> {
    clearInterval(this.#timer);
    this.#files?.close();
    await this.#keeper?.stop();
  }

  async #openFiles({ certificates, clients }: TlsConfiguration): Promise<CertificateFiles | null> {
    const log = this.#log;
    const options: CertificateFilesOptions = {
      certificates,
      clients,
      onReplaced: (paths) =>
        log.info("certificate.loaded", `read anew: ${paths.join(", ")}`, { names: "" }),
      onBroken: (text) =>
        log.error("certificate.failed", `${text}; the certificate in use stays`, { names: "" }),
      onWarning: (text) => log.warning("certificate.warning", text, {}),
    };
    return await CertificateFiles.open(options, this.store);
  }

  async #openAuthority({
    tls,
    routes,
  }: CertificatesConfiguration): Promise<InternalAuthority | null> {
    if (!tls.internal) return null;
    const hosts = routes.map(({ host }) => host).filter((host) => host !== "");
    const authority = await InternalAuthority.open(tls.stateDir, hosts);
    authority.renew(this.store);
    this.#log.info(
      "certificate.loaded",
      `certificates of the local authority ${authority.rootPath}; "typhon trust" says how browsers trust it`,
      { names: "" },
    );
    return authority;
  }

  async #openKeeper({
    tls: { acme, stateDir },
    listeners: { bind },
  }: CertificatesConfiguration): Promise<CertificateKeeper | null> {
    if (acme === null) return null;
    const serves = (scheme: BoundAddress["scheme"]): boolean =>
      typeof bind === "string" || bind.some((address) => address.scheme === scheme);
    const keeper = new CertificateKeeper({
      groups: acme.domains.map((name) => [name]),
      issuers: await Promise.all(acme.issuers.map(readIssuer)),
      email: acme.email,
      folder: stateDir,
      dnsHook: acme.dnsHook,
      environment: process.env,
      ports: { http: serves("http"), https: serves("https") },
      userAgent: `typhon/${readVersion()}`,
      onCertificate: (names, { chainPem, keyPem }) =>
        this.store.setAcme(names, { cert: chainPem, key: keyPem, password: null }),
      onEvent: (event) => logKeeperEvent(this.#log, event),
    });
    await keeper.load();
    return keeper;
  }
}

/** Reads the files that a configuration names. Rejects with OperatorError; nothing changes. */
export async function checkCertificates(configuration: TlsConfiguration): Promise<void> {
  const { ciphers, certificates, clients, acme } = configuration;
  const ignore = (): void => undefined;
  await asOperatorError(async () => {
    const store = new CertificateStore({ ciphers, clients: [] });
    const events = { onReplaced: ignore, onBroken: ignore, onWarning: ignore };
    await CertificateFiles.open({ certificates, clients, ...events }, store);
    await Promise.all((acme?.issuers ?? []).map(readIssuer));
  });
}

async function readIssuer({ directoryUrl, caRoot, eab, profile }: AcmeIssuer): Promise<Issuer> {
  return {
    directoryUrl,
    profile,
    caRoot: caRoot === null ? null : await readText(caRoot),
    eab: eab === null ? null : { kid: eab.kid, hmacKey: await readHmacKey(eab) },
  };
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

async function asOperatorError(read: () => Promise<void>): Promise<void> {
  try {
    await read();
  } catch (error) {
    const isOperators =
      error instanceof CertificateError ||
      error instanceof KeeperOptionsError ||
      error instanceof StateFolderError;
    throw isOperators ? new OperatorError(error.message, 2) : error;
  }
}
