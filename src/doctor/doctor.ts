// Everything that `typhon doctor` looks at, in the order in which it is shown. Facts are collected side by side; nothing
// of the application runs, and without `isOnline` nothing leaves the machine.

import type { Configuration, TlsConfiguration } from "../config/configuration.ts";
import {
  checkCertificate,
  checkDomain,
  checkStateFolder,
  lookUpDomains,
  ownAddresses,
  readCertificates,
  stateFolderIsWritable,
} from "./certificates.ts";
import type { Environment } from "../config/sources.ts";
import type { Finding } from "./finding.ts";
import { checkMachine, checkTempFolder, readFolder, readMachine } from "./machine.ts";
import { checkNode } from "./node.ts";
import { checkPorts, type PortFacts } from "./ports.ts";
import { askPython, checkPython } from "./python.ts";
import { checkNotices, checkSettings } from "./settings.ts";

export interface Examined {
  /** Null: there is no interpreter, and no configuration. */
  readonly configuration: Configuration | null;
  /** Whether an operator has chosen it: else its certificates and applications tell nothing. */
  readonly isChosen: boolean;
  readonly ports: readonly PortFacts[];
  readonly environment: Environment;
  /** Whether name servers may be asked. */
  readonly isOnline: boolean;
}

export async function examine(examined: Examined): Promise<readonly Finding[]> {
  const { configuration, isChosen, ports } = examined;
  const now = Date.now();
  const machine = readMachine(now);
  const chosen = isChosen ? configuration : null;
  const workers =
    configuration?.applications.reduce((sum, one) => sum + one.workers, 0) ?? machine.usable;
  const [pythons, certificates] = await Promise.all([
    configuration === null ? [] : checkPythons(configuration, examined.environment, now),
    chosen === null || chosen.tls === null ? [] : checkTls(chosen.tls, examined.isOnline, now),
  ]);
  return [
    ...(chosen === null ? [] : checkSettings(chosen, machine.isRoot)),
    ...(configuration === null ? [] : checkNotices(configuration)),
    ...pythons,
    checkNode(process.versions.node, process.execPath),
    ...checkMachine(machine, workers),
    ...(configuration === null
      ? []
      : [checkTempFolder(readFolder(configuration.process.tempDir), configuration.process)]),
    ...checkPorts(ports),
    ...certificates,
  ];
}

/** Each interpreter once. */
async function checkPythons(
  { applications, cgi }: Configuration,
  environment: Environment,
  now: number,
): Promise<readonly Finding[]> {
  const variables = new Map<string, Environment>();
  if (cgi !== null) variables.set(cgi.python, environment);
  for (const { python, env } of applications) variables.set(python, { ...environment, ...env });
  const reasons = new Map(applications.map(({ python, pythonWhy }) => [python, pythonWhy]));
  const asked = [...variables].map(async ([path, own]) => ({
    path,
    why: reasons.get(path) ?? "",
    facts: await askPython(path, own),
  }));
  return (await Promise.all(asked)).flatMap((one) => checkPython(one, now));
}

async function checkTls(
  tls: TlsConfiguration,
  isOnline: boolean,
  now: number,
): Promise<readonly Finding[]> {
  const { acme, internal, stateDir } = tls;
  const domains = isOnline && acme !== null ? await lookUpDomains(acme.domains) : [];
  const own = ownAddresses();
  return [
    ...readCertificates(tls).map((one) => checkCertificate(one, now)),
    ...(acme === null && !internal
      ? []
      : [checkStateFolder(stateDir, stateFolderIsWritable(stateDir))]),
    ...domains.map((one) => checkDomain(one, own)),
  ];
}
