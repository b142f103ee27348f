// TLS of the server as a whole: certificates, their authority, policies for client certificates. A file is only
// looked for here; src/tls reads it. An option that asks for TLS where there is no certificate is a mistake: a
// server that were served without it would be less safe than its operator believes.

import { dirname, isAbsolute, join, resolve } from "node:path";

import { readAcme } from "./acme-options.ts";
import type {
  CertificateFiles,
  ClientCertificatePolicy,
  Configuration,
  TlsConfiguration,
} from "./configuration.ts";
import { MAX_CERTIFICATES, type ArrayTable, type FileTables } from "./file-tables.ts";
import { readableFile } from "./given-paths.ts";
import { OperatorError, quote, type Mistakes } from "./operator-error.ts";
import { kindOf, mayWriteIn } from "./paths.ts";
import { OPTIONS, ROUTE_KEYS } from "./schema.ts";
import { Sources, tableLayer, type Environment } from "./sources.ts";

export type CertificateTables = Pick<FileTables, "certificates" | "clients">;

export interface TlsContext {
  readonly tables: CertificateTables;
  /** Where relative paths of the tables start. */
  readonly folder: string;
  readonly environment: Environment;
  readonly cwd: string;
  readonly mistakes: Mistakes;
}

/** Of no use without --domain. Not --acme-dir, which --tls internal uses too. */
const OF_DOMAINS = [
  OPTIONS.acmeEmail,
  OPTIONS.acmeCa,
  OPTIONS.acmeCaRoot,
  OPTIONS.acmeFallbackCa,
  OPTIONS.acmeEabKid,
  OPTIONS.acmeEabKeyFile,
  OPTIONS.acmeProfile,
  OPTIONS.acmeDnsHook,
];
const WITHOUT = "needs a certificate; give --certfile, --domain or --tls internal";

/** Whether anything gives the server a certificate. */
export function hasCertificates(sources: Sources, tables: CertificateTables): boolean {
  const { certfile, domain, tls } = OPTIONS;
  return tables.certificates.length > 0 || hasAny(sources, [certfile, domain, tls]);
}

/** Null without certificates. */
export function readTls(
  sources: Sources,
  bind: Configuration["listeners"]["bind"],
  context: TlsContext,
): TlsConfiguration | null {
  const { tables, mistakes } = context;
  if (!hasAny(sources, [OPTIONS.domain]))
    addGiven(sources, OF_DOMAINS, "gets no certificate without --domain NAME", mistakes);
  if (!hasCertificates(sources, tables)) {
    addUseless(sources, tables, mistakes);
    return null;
  }
  if (typeof bind === "object" && bind.every(({ scheme }) => scheme === "http"))
    mistakes.add(
      "certificates are given and no address speaks TLS; write --bind https://HOST:PORT",
    );
  const internal = sources.ask(OPTIONS.tls)?.value === "internal";
  const acme = readAcme(sources, mistakes);
  const keepsState = internal || acme !== null;
  return {
    certificates: readCertificates(sources, context),
    internal,
    acme,
    stateDir: mistakes.attempt(() => readStateDir(sources, context, keepsState), ""),
    clients: readPolicies(sources, context),
    ciphers: sources.ask(OPTIONS.ciphers)?.value ?? "",
    hstsSeconds: sources.one(OPTIONS.hsts),
    redirect: readRedirect(sources),
  };
}

/** The redirect is on unless an address was written to be served without TLS. */
export function readRedirect(sources: Sources): boolean {
  const given = sources.ask(OPTIONS.httpRedirect);
  if (given !== null) return given.value;
  return !sources.all(OPTIONS.bind).some(({ value }) => value.scheme === "http");
}

function hasAny(sources: Sources, options: readonly Parameters<Sources["text"]>[0][]): boolean {
  return options.some((option) => sources.text(option) !== null);
}

function addUseless(sources: Sources, { clients }: CertificateTables, mistakes: Mistakes): void {
  const { keyfile, keyfilePasswordFile, caCerts, certReqs, ciphers, hsts, httpRedirect } = OPTIONS;
  addGiven(sources, [keyfile, keyfilePasswordFile, caCerts, ciphers], WITHOUT, mistakes);
  const asked = [sources.ask(hsts), sources.ask(httpRedirect), sources.ask(certReqs)];
  for (const given of asked)
    if (given !== null && given.value !== 0 && given.value !== false && given.value !== "none")
      mistakes.add(`${given.by} ${WITHOUT}`);
  for (const { by } of clients) mistakes.add(`${by} ${WITHOUT}`);
}

function addGiven(
  sources: Sources,
  options: readonly Parameters<Sources["text"]>[0][],
  why: string,
  mistakes: Mistakes,
): void {
  for (const option of options) {
    const given = sources.text(option);
    if (given !== null) mistakes.add(`${given.by} ${why}`);
  }
}

function readCertificates(sources: Sources, context: TlsContext): CertificateFiles[] {
  const { tables, mistakes } = context;
  const own = tables.certificates.flatMap((table) =>
    mistakes.attempt(() => readPairs(sourcesOf(table, context), table), []),
  );
  const all = [...mistakes.attempt(() => readPairs(sources, null), []), ...own];
  if (all.length > MAX_CERTIFICATES)
    mistakes.add(`${all.length} certificates are too many: at most ${MAX_CERTIFICATES}`);
  return all;
}

/** `table`: where the pair is, and must be one; null: the flags and the top level. Throws OperatorError. */
function readPairs(sources: Sources, table: ArrayTable | null): CertificateFiles[] {
  const certificates = sources.all(OPTIONS.certfile);
  const keys = sources.all(OPTIONS.keyfile);
  const password = sources.ask(OPTIONS.keyfilePasswordFile);
  const { length } = certificates;
  if (table !== null && (length !== 1 || keys.length > 1))
    throw new OperatorError(`${table.by} must have one certfile, and one keyfile or none`);
  if (keys.length > 0 && keys.length !== length)
    throw new OperatorError(
      `--certfile is given ${times(length)} and --keyfile ${times(keys.length)}; give one keyfile for each certfile, in order`,
    );
  return certificates.map((certificate, at) => {
    const key = keys[at] ?? certificate;
    return {
      certfile: readableFile(certificate),
      keyfile: readableFile(key),
      passwordFile: password && readableFile(password),
    };
  });
}

function times(count: number): string {
  return count === 1 ? "once" : `${count} times`;
}

function readPolicies(sources: Sources, context: TlsContext): ClientCertificatePolicy[] {
  const { tables, mistakes } = context;
  const own = tables.clients.flatMap((table) =>
    mistakes.attempt(() => {
      const inner = sourcesOf(table, context);
      const hosts = inner.all(ROUTE_KEYS.host).map(({ value }) => value);
      if (hosts.length === 0)
        throw new OperatorError(`${table.by} has no host; for every host write --cert-reqs`);
      const { mode, caCerts } = readPolicy(inner);
      return hosts.map((host) => ({ host, mode, caCerts }));
    }, []),
  );
  const seen = new Set<string>();
  for (const { host } of own) {
    if (seen.has(host)) mistakes.add(`[[client-certificates]] has host ${quote(host)} twice`);
    seen.add(host);
  }
  const usual = mistakes.attempt(() => readPolicy(sources), { mode: "none", caCerts: "" } as const);
  return usual.mode === "none" ? own : [...own, { host: "", ...usual }];
}

/** Throws OperatorError. */
function readPolicy(sources: Sources): Omit<ClientCertificatePolicy, "host"> {
  const given = sources.ask(OPTIONS.certReqs);
  // A value that its reader has refused is a mistake already.
  const isRefused = given === null && sources.text(OPTIONS.certReqs) !== null;
  const mode = given?.value ?? "none";
  const authorities = sources.ask(OPTIONS.caCerts);
  if (mode === "none" && authorities !== null && !isRefused)
    throw new OperatorError(
      `${authorities.by} asks no client for a certificate; give cert-reqs optional or required too, or leave it out`,
    );
  if (mode === "none") return { mode, caCerts: "" };
  if (authorities !== null) return { mode, caCerts: readableFile(authorities) };
  throw new OperatorError(
    `${given?.by ?? "--cert-reqs"} needs the authorities of these certificates; give ca-certs`,
  );
}

/** The sources of one table alone: nothing of the top level holds for it. */
function sourcesOf({ table }: ArrayTable, { folder, mistakes }: TlsContext): Sources {
  return new Sources([tableLayer(table, folder)], mistakes);
}

/** `isUsed`: whether anything is kept in it. Throws OperatorError. */
function readStateDir(sources: Sources, { environment, cwd }: TlsContext, isUsed: boolean): string {
  const given = sources.ask(OPTIONS.acmeDir);
  const dir = given === null ? usualStateDir(environment) : resolve(given.folder, given.value);
  if (!isUsed) return dir ?? cwd;
  if (dir === null)
    throw new OperatorError(
      "no folder for accounts, keys and certificates: there is no STATE_DIRECTORY and no HOME; name one with --acme-dir",
    );
  let last = dir;
  while (kindOf(last) === "missing" && dirname(last) !== last) last = dirname(last);
  if (kindOf(last) === "folder" && mayWriteIn(last)) return dir;
  const what = given === null ? quote(dir) : `${given.by} ${quote(given.text)}`;
  throw new OperatorError(
    `${what} is no folder that this user may make or write to; it is for accounts, keys and certificates: make it (mode 0700, of this user), or name another with --acme-dir`,
  );
}

/** Where the state is without --acme-dir; null: the environment does not say. */
export function usualStateDir(environment: Environment): string | null {
  // systemd: the folders of StateDirectory=, with colons between.
  const [ofUnit = ""] = (environment["STATE_DIRECTORY"] ?? "").split(":");
  if (isAbsolute(ofUnit)) return ofUnit;
  const { XDG_DATA_HOME: data = "", HOME: home = "" } = environment;
  // The specification of XDG ignores relative paths.
  if (isAbsolute(data)) return join(data, "typhon");
  return isAbsolute(home) ? join(home, ".local/share/typhon") : null;
}
