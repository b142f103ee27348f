// `typhon trust`: where the root certificate of the local authority (--tls internal) is, and how browsers and programs
// of this machine come to trust it. Changes nothing: whom a machine trusts is its owner's decision.

import { X509Certificate } from "node:crypto";
import { readFileSync } from "node:fs";

import { givenOptions, type Flags } from "../config/flags.ts";
import { stateDirOf } from "../config/load.ts";
import { OperatorError, quote } from "../config/operator-error.ts";
import { OPTIONS } from "../config/schema.ts";
import type { Environment } from "../config/sources.ts";
import { rootPathIn } from "../tls/internal-authority.ts";

/** Only as the first word: an application in a module of that name is `typhon trust:app`. */
export const TRUST = "trust";

export const TRUST_HELP = `Usage: typhon trust [--acme-dir DIR]
       typhon trust [--config FILE]

Shows where the root certificate of the local authority is that signs the
certificates of \`typhon APP --tls internal\`, and how browsers and programs of
this machine trust it. Changes nothing.

  --acme-dir DIR  the folder of the server's state
  --config FILE   a file with the key acme-dir; default: typhon.toml

Exit codes: 0 the certificate is there; 2 it is not there yet, or is damaged.
`;

/** The text for the operator, ending in a line end. Throws OperatorError if there is no authority yet. */
export function trust(flags: Flags, environment: Environment, cwd: string): string {
  const { acmeDir, config } = OPTIONS;
  const other = givenOptions(flags).find((name) => name !== acmeDir.name && name !== config.name);
  if (flags.app !== null || other !== undefined)
    throw new OperatorError(
      `typhon trust takes --acme-dir DIR or --config FILE and nothing else, not ${quote(flags.app ?? `--${other}`)}`,
    );
  const stateDir = stateDirOf(flags, environment, cwd);
  if (stateDir === null)
    throw new OperatorError("no folder of state is known: there is no HOME; name it by --acme-dir");
  const path = rootPathIn(stateDir);
  return renderTrust(path, readRoot(path));
}

function readRoot(path: string): X509Certificate {
  let bytes: Buffer;
  try {
    bytes = readFileSync(path);
  } catch (error) {
    const code = error instanceof Error && "code" in error ? error.code : "";
    if (code === "EACCES" || code === "EPERM")
      throw new OperatorError(
        `${quote(path)} may not be read by this user; call it as the server's user`,
      );
    throw new OperatorError(
      `no local authority yet: ${quote(path)} is made by the first start of typhon APP --tls internal`,
    );
  }
  try {
    return new X509Certificate(bytes);
  } catch {
    throw new OperatorError(
      `${quote(path)} is no certificate; remove its folder, and the next start with --tls internal makes a new authority`,
    );
  }
}

/** Commands as a shell takes them. Pure. */
function renderTrust(path: string, { fingerprint256, validTo }: X509Certificate): string {
  const root = `'${path.replaceAll("'", String.raw`'\''`)}'`;
  const ways: readonly (readonly [string, readonly string[]])[] = [
    [
      "Debian, Ubuntu",
      [
        `sudo cp ${root} /usr/local/share/ca-certificates/typhon-local.crt`,
        "sudo update-ca-certificates",
      ],
    ],
    [
      "Fedora, RHEL",
      [`sudo cp ${root} /etc/pki/ca-trust/source/anchors/typhon-local.pem`, "sudo update-ca-trust"],
    ],
    [
      "macOS",
      [
        "sudo security add-trusted-cert -d -r trustRoot \\",
        `    -k /Library/Keychains/System.keychain ${root}`,
      ],
    ],
    ["Firefox: Settings, Privacy & Security, View Certificates, Authorities, Import", [path]],
    [
      "Chromium on Linux (certutil is in libnss3-tools, on Fedora in nss-tools)",
      [`certutil -d sql:$HOME/.pki/nssdb -A -t C,, -n typhon-local -i ${root}`],
    ],
    ["curl", [`curl --cacert ${root} https://localhost:8443/`]],
    ["Python: requests", [`export REQUESTS_CA_BUNDLE=${root}`]],
    ["Python: httpx, aiohttp, urllib", [`export SSL_CERT_FILE=${root}`]],
    ["Node.js", [`export NODE_EXTRA_CA_CERTS=${root}`]],
  ];
  return [
    "The root certificate of the local authority (typhon APP --tls internal):",
    "",
    `  ${path}`,
    `  SHA-256 ${fingerprint256}`,
    `  valid until ${validTo}`,
    "",
    "Whoever has the key beside it can pretend to be any site to whoever trusts it:",
    "trust it on machines for development only, and give the key to nobody.",
    ...ways.flatMap(([name, lines]) => ["", `${name}:`, ...lines.map((line) => `  ${line}`)]),
    "",
  ].join("\n");
}
