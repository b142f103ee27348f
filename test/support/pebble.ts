// Pebble, Let's Encrypt's authority for tests, and its DNS server, built by tools/setup-pebble.sh: each name
// is 127.0.0.1 there, and TXT records are set over HTTP.

import assert from "node:assert/strict";
import { spawn, type ChildProcess } from "node:child_process";
import { generateKeyPairSync, X509Certificate } from "node:crypto";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";

import { makeCertificate } from "../../src/x509/certificate.ts";
import { until } from "./deadline.ts";
import { freePorts } from "./free-ports.ts";
import { CHECKOUT, makeScratch, type Scope } from "./scratch.ts";

const FOLDER = join(CHECKOUT, "test/.cache/pebble");
const DAY_MS = 86_400_000;

export interface PebbleOptions {
  /** Where the authority checks http-01 and tls-alpn-01. */
  readonly httpPort: number;
  readonly tlsPort: number;
  /** PEBBLE_WFE_NONCEREJECT and the like. */
  readonly environment: Readonly<Record<string, string>>;
  /** Keys of external accounts in base64url, by their names; empty: none is asked for. */
  readonly macKeys: Readonly<Record<string, string>>;
}

export interface Pebble {
  readonly directoryUrl: string;
  /** PEM of the root of Pebble's own HTTPS. */
  readonly caRoot: string;
  setTxt(name: string, value: string): Promise<void>;
  clearTxt(name: string): Promise<void>;
}

/** Starts both programs until the scope ends. */
export async function startPebble(scope: Scope, options: PebbleOptions): Promise<Pebble> {
  const folder = makeScratch(scope);
  const ports = await freePorts(["port", "managementPort", "dnsPort", "txtPort"]);
  const { port, managementPort, dnsPort, txtPort } = ports;
  const identity = makeIdentity();
  const config = {
    listenAddress: `127.0.0.1:${port}`,
    managementListenAddress: `127.0.0.1:${managementPort}`,
    certificate: join(folder, "cert.pem"),
    privateKey: join(folder, "key.pem"),
    httpPort: options.httpPort,
    tlsPort: options.tlsPort,
    externalAccountBindingRequired: Object.keys(options.macKeys).length > 0,
    externalAccountMACKeys: options.macKeys,
    domainBlocklist: ["blocked.example"],
    retryAfter: { authz: 1, order: 1 },
    keyAlgorithm: "ecdsa",
    profiles: {
      default: { description: "ninety days", validityPeriod: 7_776_000 },
      shortlived: { description: "six days", validityPeriod: 518_400 },
    },
  };
  writeFileSync(config.certificate, identity.certificate);
  writeFileSync(config.privateKey, identity.key);
  const configPath = join(folder, "config.json");
  writeFileSync(configPath, JSON.stringify({ pebble: config }));
  const dns = ["-dnsserver", `127.0.0.1:${dnsPort}`, "-management", `127.0.0.1:${txtPort}`];
  const off = ["-defaultIPv6", "-doh", "-http01", "-https01", "-tlsalpn01"];
  run(scope, "pebble-challtestsrv", [...dns, ...off.flatMap((option) => [option, ""])]);
  const arguments_ = ["-strict", "-config", configPath, "-dnsserver", `127.0.0.1:${dnsPort}`];
  run(scope, "pebble", arguments_, options.environment);
  for (const one of [port, dnsPort, txtPort])
    await until(`port ${one} of Pebble accepts`, () => accepts(one));
  const ask = async (path: string, members: object): Promise<void> => {
    const url = `http://127.0.0.1:${txtPort}/${path}`;
    const response = await fetch(url, { method: "POST", body: JSON.stringify(members) });
    assert.equal(response.status, 200, path);
    await response.arrayBuffer();
  };
  return {
    directoryUrl: `https://127.0.0.1:${port}/dir`,
    caRoot: identity.certificate,
    setTxt: (name, value) => ask("set-txt", { host: `${name}.`, value }),
    clearTxt: (name) => ask("clear-txt", { host: `${name}.` }),
  };
}

function run(
  scope: Scope,
  program: string,
  arguments_: readonly string[],
  environment: Readonly<Record<string, string>> = {},
): void {
  const child: ChildProcess = spawn(join(FOLDER, program), arguments_, {
    env: { PATH: process.env["PATH"], ...environment },
    stdio: [
      "ignore",
      process.env["TEST_PEBBLE_LOG"] === undefined ? "ignore" : "inherit",
      "inherit",
    ],
  });
  const isOver = once(child, "close");
  scope.after(async () => {
    child.kill("SIGKILL");
    await isOver;
  });
}

async function accepts(port: number): Promise<boolean> {
  const socket = connect(port, "127.0.0.1");
  try {
    await once(socket, "connect");
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}

/** A certificate for 127.0.0.1 that signs itself. */
function makeIdentity(): { readonly certificate: string; readonly key: string } {
  const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const certificate = makeCertificate({
    subject: "Pebble",
    names: ["127.0.0.1"],
    isAuthority: false,
    issuer: null,
    signingKey: privateKey,
    publicKey,
    notBefore: Date.now() - DAY_MS,
    notAfter: Date.now() + DAY_MS,
    usages: ["serverAuth"],
    extensions: [],
  });
  return {
    certificate: new X509Certificate(certificate).toString(),
    key: privateKey.export({ type: "pkcs8", format: "pem" }).toString(),
  };
}
