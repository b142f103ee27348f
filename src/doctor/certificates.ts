// The certificates of files: until when they are valid. The state folder of ACME and of the local authority: whether it
// can be used. With --online the hosts of --domain: whether their names lead to this machine.

import { X509Certificate } from "node:crypto";
import { Resolver } from "node:dns/promises";
import { existsSync, readFileSync } from "node:fs";
import { networkInterfaces } from "node:os";
import { dirname } from "node:path";

import type { TlsConfiguration } from "../config/configuration.ts";
import { mayWriteIn } from "../config/paths.ts";
import { validity } from "../tls/certificate.ts";
import { finding, type Finding } from "./finding.ts";

/** For the names of all domains together, ms. */
const LOOKUP_MS = 5000;

export interface CertificateFacts {
  readonly file: string;
  readonly notBefore: number;
  readonly notAfter: number;
}

/** Certificates that cannot be read are left out: the configuration's own check tells of them. */
export function readCertificates({ certificates }: TlsConfiguration): readonly CertificateFacts[] {
  return certificates.flatMap(({ certfile }) => {
    try {
      const { validFrom, validTo } = new X509Certificate(readFileSync(certfile));
      return [{ file: certfile, notBefore: Date.parse(validFrom), notAfter: Date.parse(validTo) }];
    } catch {
      return [];
    }
  });
}

/** `now`: ms since 1970. */
export function checkCertificate(facts: CertificateFacts, now: number): Finding {
  const day = new Date(facts.notAfter).toISOString().slice(0, 10);
  const found = validity(facts, now);
  const fact = `${facts.file}, until ${day}`;
  if (found === "valid") return finding("ok", "certificate", fact);
  if (found === "expires soon")
    return finding(
      "warn",
      "certificate",
      `${fact}: expires soon`,
      "renew it, or let --domain do so",
    );
  if (found === "expired")
    return finding(
      "fail",
      "certificate",
      `${fact}: has expired`,
      "renew it, or let --domain do so",
    );
  return finding(
    "fail",
    "certificate",
    `${facts.file} is not valid yet`,
    "compare the clock of this machine",
  );
}

/** The folder, or the nearest above it that is there. */
export function stateFolderIsWritable(folder: string): boolean {
  let nearest = folder;
  while (!existsSync(nearest) && dirname(nearest) !== nearest) nearest = dirname(nearest);
  return mayWriteIn(nearest);
}

export function checkStateFolder(folder: string, isWritable: boolean): Finding {
  if (isWritable) return finding("ok", "state folder", folder);
  return finding(
    "fail",
    "state folder",
    `this user may not write to ${folder}`,
    "give this user a folder with --acme-dir",
  );
}

export interface DomainFacts {
  readonly domain: string;
  readonly addresses: readonly string[];
}

/**
 * The addresses of each name; none where it has none, or where no name server responds in time. Name servers are asked
 * as an authority asks them, without /etc/hosts, and without the threads of lookup(), which would hold the exit of the
 * process until a dead name server is given up.
 */
export async function lookUpDomains(
  domains: readonly string[],
  resolver = new Resolver({ timeout: LOOKUP_MS / 2, tries: 2 }),
): Promise<readonly DomainFacts[]> {
  const timer = setTimeout(() => resolver.cancel(), LOOKUP_MS);
  const none = (): string[] => [];
  const found = domains
    // A wildcard has no address.
    .filter((domain) => !domain.startsWith("*."))
    .map(async (domain) => {
      const asked = [resolver.resolve4(domain), resolver.resolve6(domain)];
      const addresses = await Promise.all(asked.map(async (one) => await one.catch(none)));
      return { domain, addresses: addresses.flat() };
    });
  try {
    return await Promise.all(found);
  } finally {
    clearTimeout(timer);
  }
}

export function ownAddresses(): readonly string[] {
  return Object.values(networkInterfaces()).flatMap(
    (all) => all?.map(({ address }) => address) ?? [],
  );
}

export function checkDomain({ domain, addresses }: DomainFacts, own: readonly string[]): Finding {
  if (addresses.length === 0)
    return finding(
      "fail",
      "domain",
      `${domain} has no address`,
      "add an A or AAAA record that names this machine",
    );
  const fact = `${domain} is ${addresses.join(", ")}`;
  if (addresses.some((address) => own.includes(address))) return finding("ok", "domain", fact);
  return finding(
    "note",
    "domain",
    `${fact}, no address of this machine`,
    "right behind a load balancer or NAT that passes on ports 80 and 443; else correct the record",
  );
}
