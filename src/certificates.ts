// All certificates of a server: those of files, those of a local authority, those that ACME orders and renews. They
// meet in one store, from which each handshake takes its own.
//
//   load ─▶ (the server listens) start ─▶ replace … ─▶ stop

import { isDeepStrictEqual } from "node:util";

import type { Configuration, TlsConfiguration } from "./config/configuration.ts";
import { OperatorError } from "./config/operator-error.ts";
import type { Log } from "./observe/log.ts";
import type { OrderedCertificates, OrderedOptions } from "./ordered-certificates.ts";
import { CertificateFiles, type CertificateFilesOptions } from "./tls/certificate-files.ts";
import { CertificateStore } from "./tls/certificate-store.ts";
import { CertificateError } from "./tls/certificate.ts";
import { checkCiphers } from "./tls/contexts.ts";
import { CHECK_EVERY_MS, ExpiryWatch } from "./tls/expiry-watch.ts";
import { InternalAuthority } from "./tls/internal-authority.ts";
import { oldNodeWarning } from "./tls/node-version.ts";

type CertificatesConfiguration = Pick<Configuration, "listeners" | "routes"> & {
  readonly tls: TlsConfiguration;
};

/** Where the certificates of a configuration come from. */
interface Sources {
  readonly files: CertificateFiles;
  /** Null without `--tls internal`. */
  readonly authority: InternalAuthority | null;
  /** Null without `--domain`. */
  readonly ordered: OrderedCertificates | null;
}

export class Certificates {
  readonly store: CertificateStore;
  readonly #log: Log;
  #configuration: CertificatesConfiguration;
  /** Null before `load`. */
  #sources: Sources | null = null;
  #state: "loading" | "serving" | "stopped" = "loading";
  readonly #expiry: ExpiryWatch;
  #timer: NodeJS.Timeout | undefined;

  constructor(configuration: CertificatesConfiguration, log: Log) {
    this.#configuration = configuration;
    this.#log = log;
    this.store = new CertificateStore({
      ciphers: configuration.tls.ciphers,
      clients: [],
      challengeFor: async (name) => (await this.#sources?.ordered?.challengeFor(name)) ?? null,
    });
    this.#expiry = new ExpiryWatch((text) => log.warning("certificate.expiring", text, {}));
  }

  /** Reads all certificates that there are. Rejects with OperatorError. */
  async load(): Promise<void> {
    const warning = oldNodeWarning(process.version);
    if (warning !== null) this.#log.warning("server.notice", warning, {});
    await asOperatorError(async () => {
      checkCiphers(this.#configuration.tls.ciphers);
      this.#use(await this.#open(this.#configuration));
    });
  }

  /** The server listens: orders what is missing, and watches files and ends of validity. */
  start(): void {
    this.#state = "serving";
    this.#sources?.files.watch();
    this.#sources?.ordered?.start();
    this.#check();
    this.#timer = setInterval(() => this.#check(), CHECK_EVERY_MS).unref();
  }

  /**
   * Takes other files, policies and names; without a change, looks at the files now. Rejects with OperatorError; the
   * certificates in use stay then.
   */
  async replace(configuration: CertificatesConfiguration): Promise<void> {
    const before = this.#configuration;
    const isSame =
      isDeepStrictEqual(before.tls, configuration.tls) &&
      isDeepStrictEqual(before.routes, configuration.routes);
    if (isSame) {
      // Files are read when a second look finds them as the first one did.
      await this.#sources?.files.look();
      await this.#sources?.files.look();
      return;
    }
    await asOperatorError(async () => {
      const old = this.#sources;
      const sources = await this.#open(configuration);
      if (this.#state === "stopped") {
        await sources.ordered?.stop(0);
        return;
      }
      old?.files.close();
      this.#use(sources);
      this.#configuration = configuration;
      if (this.#state === "loading") return;
      this.#check();
      sources.files.watch();
      if (sources.ordered === old?.ordered) return;
      // Its orders hold locks that those of the new one would wait for.
      await old?.ordered?.stop(0);
      sources.ordered?.start();
    });
  }

  /** The body for a token of http-01 (RFC 8555 §8.3); null: the token is not known. Never rejects. */
  async keyAuthorization(token: string): Promise<string | null> {
    return (await this.#sources?.ordered?.keyAuthorization(token)) ?? null;
  }

  /** Ends orders, and waits for them a little longer than `graceMs`. */
  async stop(graceMs: number): Promise<void> {
    this.#state = "stopped";
    clearInterval(this.#timer);
    this.#sources?.files.close();
    await this.#sources?.ordered?.stop(graceMs);
  }

  async #open(configuration: CertificatesConfiguration): Promise<Sources> {
    const { tls, listeners } = configuration;
    const { acme, stateDir } = tls;
    const authority = await openAuthority(configuration);
    const running = this.#sources?.ordered ?? null;
    const { tls: before } = this.#configuration;
    const isRunning = stateDir === before.stateDir && isDeepStrictEqual(acme, before.acme);
    const options = acme && { acme, stateDir, bind: listeners.bind };
    const opens = running === null || !isRunning;
    const ordered = opens ? options && (await this.#openOrdered(options)) : running;
    try {
      // The last step, because the files are put into the store where they can be used.
      return { authority, ordered, files: await this.#openFiles(tls) };
    } catch (error) {
      if (opens) await ordered?.stop(0);
      throw error;
    }
  }

  async #openOrdered(options: OrderedOptions): Promise<OrderedCertificates> {
    const ordered = await loadOrdered();
    return await ordered.OrderedCertificates.open(options, { store: this.store, log: this.#log });
  }

  async #openFiles({ certificates, clients }: TlsConfiguration): Promise<CertificateFiles> {
    const log = this.#log;
    const options: CertificateFilesOptions = {
      certificates,
      clients,
      mayWait: this.#state === "loading",
      onReplaced: (paths) => {
        log.info("certificate.loaded", `read anew: ${paths.join(", ")}`, {});
        this.#check();
      },
      onBroken: (text) =>
        log.error("certificate.failed", `${text}; the certificate in use stays`, {}),
      onWarning: (text) => log.warning("certificate.warning", text, {}),
    };
    return await CertificateFiles.open(options, this.store);
  }

  #use(sources: Sources): void {
    const { authority, ordered } = sources;
    const before = this.#sources?.authority?.rootPath;
    this.#sources = sources;
    if (ordered === null) this.store.setAcme([]);
    else ordered.use();
    if (authority === null) this.store.setInternal([]);
    else authority.renew(this.store);
    if (authority !== null && authority.rootPath !== before)
      this.#log.info(
        "certificate.loaded",
        `certificates of the local authority ${authority.rootPath}; "typhon trust" says how browsers trust it`,
        {},
      );
  }

  #check(): void {
    this.#sources?.authority?.renew(this.store);
    this.#expiry.check(this.store.all, Date.now());
  }
}

async function openAuthority({
  tls: { internal, stateDir },
  routes,
}: CertificatesConfiguration): Promise<InternalAuthority | null> {
  if (!internal) return null;
  const hosts = routes.map(({ host }) => host).filter((host) => host !== "");
  return await InternalAuthority.open(stateDir, hosts);
}

/** Reads the files that a configuration names. Rejects with OperatorError; nothing changes. */
export async function checkCertificates(configuration: TlsConfiguration): Promise<void> {
  const { ciphers, certificates, clients, acme } = configuration;
  const ignore = (): void => undefined;
  await asOperatorError(async () => {
    checkCiphers(ciphers);
    const store = new CertificateStore({ ciphers, clients: [] });
    const events = { onReplaced: ignore, onBroken: ignore, onWarning: ignore };
    await CertificateFiles.open({ certificates, clients, mayWait: false, ...events }, store);
    if (acme !== null) await (await loadOrdered()).readIssuers(acme);
  });
}

/** A start without --domain does not wait for the modules of ACME, which bring Node's https and undici: 25 ms of CPU. */
const loadOrdered = () => import("./ordered-certificates.ts");

async function asOperatorError(read: () => Promise<void>): Promise<void> {
  try {
    await read();
  } catch (error) {
    throw error instanceof CertificateError ? new OperatorError(error.message, 2) : error;
  }
}
