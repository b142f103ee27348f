// The certificates and authorities of a server that are files: read at the start, watched, and put into the store
// when they change. A file that cannot be used changes nothing: the store keeps what it has, and an event tells
// why.

import { createReadStream } from "node:fs";
import { stat } from "node:fs/promises";

import { CertificateError, readCertificate, readChain, type Certificate } from "./certificate.ts";
import type { CertificateStore } from "./certificate-store.ts";
import type { ClientPolicy } from "./contexts.ts";
import { LOOK_EVERY_MS, WatchedFiles } from "./watched-files.ts";

/** A certificate with its chain and its key. Absolute paths. */
export interface CertificatePaths {
  readonly certfile: string;
  /** May be the same file. */
  readonly keyfile: string;
  /** A file whose first line is the key's password; null = the key is not encrypted. */
  readonly passwordFile: string | null;
}

/** A policy whose authorities are in a file; "" with mode "none". */
interface ClientPaths extends Omit<ClientPolicy, "caCerts"> {
  readonly caCerts: string;
}

export interface CertificateFilesOptions {
  /** The first is the default. */
  readonly certificates: readonly CertificatePaths[];
  readonly clients: readonly ClientPaths[];
  /** Whether `open` may wait for a pipe, as a start may: a server that runs would wait for ever. */
  readonly mayWait: boolean;
  /** Files have changed and are in use from now on. */
  readonly onReplaced: (paths: readonly string[]) => void;
  /** Files have changed and cannot be used; the message names them. */
  readonly onBroken: (message: string) => void;
  /** What an operator should know of a certificate that is in use now. */
  readonly onWarning: (message: string) => void;
}

/** No file with certificates or a key is larger: a bundle of all public authorities has 250 kB. */
export const MAX_FILE_BYTES = 4_194_304;

export class CertificateFiles {
  readonly #options: CertificateFilesOptions;
  readonly #store: CertificateStore;
  #certificates: readonly Certificate[];
  readonly #watched: WatchedFiles[];
  #timer: NodeJS.Timeout | undefined;

  private constructor(
    options: CertificateFilesOptions,
    store: CertificateStore,
    certificates: readonly Certificate[],
  ) {
    this.#options = options;
    this.#store = store;
    this.#certificates = certificates;
    this.#watched = [
      ...options.certificates.map((paths, at) =>
        this.#watch(pathsOf(paths), () => this.#reload(paths, at)),
      ),
      this.#watch(authoritiesOf(options), () => this.#reloadClients()),
    ];
  }

  /**
   * Reads all files into the store. Rejects with CertificateError, whose message names the file; the store is as it
   * was then.
   */
  static async open(
    options: CertificateFilesOptions,
    store: CertificateStore,
  ): Promise<CertificateFiles> {
    const { mayWait } = options;
    const certificates = await Promise.all(
      options.certificates.map(async (paths) => await readPair(paths, mayWait)),
    );
    const files = new CertificateFiles(options, store, certificates);
    // Before the files are used, so that no change between the two is missed.
    for (const watched of files.#watched) await watched.begin();
    const before = store.clients;
    store.setClients(await readClients(options.clients, mayWait));
    try {
      files.#use(certificates);
      return files;
    } catch (error) {
      store.setClients(before);
      throw error;
    }
  }

  /** Begins to watch the files. */
  watch(): void {
    this.#timer = setInterval(() => void this.look(), LOOK_EVERY_MS).unref();
  }

  close(): void {
    clearInterval(this.#timer);
  }

  /** Looks at all files once. Never rejects. */
  async look(): Promise<void> {
    await Promise.all(this.#watched.map(async (watched) => await watched.look()));
  }

  #watch(paths: readonly string[], load: () => Promise<void>): WatchedFiles {
    return new WatchedFiles({
      paths,
      load: async () => {
        await load();
        this.#options.onReplaced(paths);
      },
      onBroken: (error) =>
        this.#options.onBroken(error instanceof Error ? error.message : String(error)),
    });
  }

  async #reload(paths: CertificatePaths, at: number): Promise<void> {
    const certificate = await readPair(paths, false);
    this.#use(this.#certificates.with(at, certificate));
  }

  async #reloadClients(): Promise<void> {
    this.#store.setClients(await readClients(this.#options.clients, false));
  }

  #use(certificates: readonly Certificate[]): void {
    const before = this.#certificates;
    this.#store.setFiles(certificates);
    this.#certificates = certificates;
    certificates.forEach((certificate, at) => {
      const isNew = certificate !== before[at] || certificates === before;
      const path = this.#options.certificates[at]?.certfile ?? "";
      if (isNew)
        for (const warning of certificate.warnings) this.#options.onWarning(`${path}: ${warning}`);
    });
  }
}

function pathsOf({ certfile, keyfile, passwordFile }: CertificatePaths): string[] {
  return [...new Set([certfile, keyfile, ...(passwordFile === null ? [] : [passwordFile])])];
}

function authoritiesOf({ clients }: CertificateFilesOptions): string[] {
  return [...new Set(clients.map(({ caCerts }) => caCerts).filter((path) => path !== ""))];
}

/** Reads a certificate and its key. Rejects with CertificateError, whose message names the files. */
async function readPair(paths: CertificatePaths, mayWait: boolean): Promise<Certificate> {
  const { certfile, keyfile, passwordFile } = paths;
  const [cert, key, password] = await Promise.all([
    readText(certfile, mayWait),
    readText(keyfile, mayWait),
    passwordFile === null ? null : readText(passwordFile, mayWait),
  ]);
  const [line = null] = password?.split(/\r?\n/) ?? [];
  return within(pathsOf(paths).join(", "), () => readCertificate({ cert, key, password: line }));
}

async function readClients(
  clients: readonly ClientPaths[],
  mayWait: boolean,
): Promise<ClientPolicy[]> {
  return await Promise.all(
    clients.map(async ({ host, mode, caCerts }) => {
      if (mode === "none") return { host, mode, caCerts: "" };
      const text = await readText(caCerts, mayWait);
      const authorities = within(caCerts, () => readChain(text));
      if (authorities.length === 0)
        throw new CertificateError(`${caCerts}: there is no certificate in PEM form`);
      return { host, mode, caCerts: authorities.map(String).join("") };
    }),
  );
}

async function readText(path: string, mayWait: boolean): Promise<string> {
  try {
    if (!mayWait && !(await stat(path)).isFile())
      throw new CertificateError(`${path}: it is no regular file, and can be read by a start only`);
    return await readUpTo(path, MAX_FILE_BYTES);
  } catch (error) {
    if (error instanceof CertificateError) throw error;
    const code = error instanceof Error && "code" in error ? String(error.code) : "";
    const reasons: Readonly<Record<string, string>> = {
      ENOENT: "there is no such file",
      EACCES: `this user (${process.geteuid?.() ?? ""}) may not read it`,
      EISDIR: "it is a folder",
    };
    throw new CertificateError(`${path}: ${reasons[code] ?? `it cannot be read (${code})`}`);
  }
}

/** A device such as /dev/zero has no end. */
async function readUpTo(path: string, maxBytes: number): Promise<string> {
  const pieces: Buffer[] = [];
  let bytes = 0;
  for await (const piece of createReadStream(path)) {
    if (!Buffer.isBuffer(piece)) continue;
    bytes += piece.length;
    if (bytes > maxBytes) throw new CertificateError(`${path}: the file is too large`);
    pieces.push(piece);
  }
  return Buffer.concat(pieces).toString();
}

function within<T>(name: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (error instanceof CertificateError) throw new CertificateError(`${name}: ${error.message}`);
    throw error;
  }
}
