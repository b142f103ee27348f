// Which names get certificates by ACME, and from which authorities.

import { resolve } from "node:path";

import type { AcmeConfiguration, AcmeIssuer } from "./configuration.ts";
import { MAX_CERTIFICATES } from "./file-tables.ts";
import { readableFile } from "./given-paths.ts";
import { OperatorError, quote, type Mistakes } from "./operator-error.ts";
import { mayRun } from "./paths.ts";
import { OPTIONS } from "./schema.ts";
import type { GivenValue, Sources } from "./sources.ts";
import { ZERO_SSL } from "./tls-values.ts";

/** Null: no name is given. */
export function readAcme(sources: Sources, mistakes: Mistakes): AcmeConfiguration | null {
  const given = sources.all(OPTIONS.domain);
  if (given.length === 0) return null;
  const hook = sources.ask(OPTIONS.acmeDnsHook);
  if (given.length > MAX_CERTIFICATES)
    mistakes.add(`${given.length} domains are too many: at most ${MAX_CERTIFICATES}`);
  for (const { by, text, value } of given)
    if (value.startsWith("*.") && hook === null)
      mistakes.add(
        `${by} ${quote(text)} is a wildcard, which authorities prove by DNS only; give --acme-dns-hook PROGRAM, or name each host`,
      );
  return {
    domains: [...new Set(given.map(({ value }) => value))],
    email: sources.ask(OPTIONS.acmeEmail)?.value ?? "",
    issuers: mistakes.attempt(() => readIssuers(sources), []),
    dnsHook: mistakes.attempt(() => hook && readHook(hook), null),
  };
}

/** Throws OperatorError. */
function readIssuers(sources: Sources): AcmeIssuer[] {
  const root = sources.ask(OPTIONS.acmeCaRoot);
  const first: AcmeIssuer = {
    directoryUrl: sources.one(OPTIONS.acmeCa),
    caRoot: root && readableFile(root),
    eab: readBinding(sources),
    profile: sources.ask(OPTIONS.acmeProfile)?.value ?? "",
  };
  if (first.directoryUrl === ZERO_SSL && first.eab === null)
    throw new OperatorError(
      "--acme-ca zerossl needs --acme-eab-kid and --acme-eab-key-file, which ZeroSSL's site gives",
    );
  const fallback = sources.ask(OPTIONS.acmeFallbackCa);
  if (fallback === null) return [first];
  const { by, text, value } = fallback;
  if (value === first.directoryUrl)
    throw new OperatorError(`${by} ${quote(text)} is the authority of --acme-ca; name another`);
  if (value === ZERO_SSL)
    throw new OperatorError(
      `${by} ${quote(text)} needs external account binding; make it --acme-ca, and the other one --acme-fallback-ca`,
    );
  return [first, { directoryUrl: value, caRoot: null, eab: null, profile: "" }];
}

function readBinding(sources: Sources): AcmeIssuer["eab"] {
  const kid = sources.ask(OPTIONS.acmeEabKid);
  const file = sources.ask(OPTIONS.acmeEabKeyFile);
  if (kid !== null && file !== null) return { kid: kid.value, keyFile: readableFile(file) };
  const hasKid = sources.text(OPTIONS.acmeEabKid) !== null;
  // Neither is given, or one is a mistake already.
  if (hasKid === (sources.text(OPTIONS.acmeEabKeyFile) !== null)) return null;
  throw new OperatorError("--acme-eab-kid and --acme-eab-key-file belong together; give both");
}

function readHook({ by, text, value, folder }: GivenValue<string>): string {
  const path = resolve(folder, value);
  if (mayRun(path)) return path;
  throw new OperatorError(`${by} ${quote(text)} is no program that this user may run; chmod +x`);
}
