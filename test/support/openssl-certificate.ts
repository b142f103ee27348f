// Certificates of an authority that a test makes by openssl: for "localhost" and 127.0.0.1, valid as long as a
// public one. Clients that check names and chains get the authority's certificate.

import { execFileSync } from "node:child_process";
import { createHash, X509Certificate } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { makeScratch, type Scope } from "./scratch.ts";

/** Paths of PEM files. */
export interface Certificate {
  /** The certificate of the server and that of its authority. */
  readonly certfile: string;
  readonly keyfile: string;
  readonly authority: string;
  /** SHA-256 of the public key, base64, as Chromium and HPKP name it. */
  readonly spki: string;
}

const LEAF = `basicConstraints = CA:false
keyUsage = digitalSignature
extendedKeyUsage = serverAuth
subjectAltName = DNS:localhost, IP:127.0.0.1
crlDistributionPoints = URI:http://crl.invalid/1.crl
`;

const KEYS = {
  "P-256": ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"],
  RSA: ["-newkey", "rsa:2048"],
} as const;

/** Makes an authority and a certificate, removed at the end of the scope. */
export function makeCertificate(scope: Scope, kind: keyof typeof KEYS = "P-256"): Certificate {
  const folder = makeScratch(scope);
  const file = (name: string): string => join(folder, name);
  const openssl = (...words: string[]): void =>
    void execFileSync("openssl", words, { cwd: folder, stdio: ["ignore", "ignore", "pipe"] });
  const key = [...KEYS[kind], "-nodes"];
  openssl(
    "req",
    "-x509",
    ...key,
    "-keyout",
    "ca.key",
    "-out",
    "ca.pem",
    "-days",
    "365",
    "-subj",
    "/CN=Tests",
  );
  openssl("req", ...key, "-keyout", "leaf.key", "-out", "leaf.csr", "-subj", "/CN=localhost");
  writeFileSync(file("leaf.cnf"), LEAF);
  const issuer = ["-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial"];
  openssl(
    "x509",
    "-req",
    "-in",
    "leaf.csr",
    ...issuer,
    "-days",
    "90",
    "-extfile",
    "leaf.cnf",
    "-out",
    "leaf.pem",
  );
  const leaf = readFileSync(file("leaf.pem"));
  writeFileSync(file("chain.pem"), Buffer.concat([leaf, readFileSync(file("ca.pem"))]));
  const publicKey = new X509Certificate(leaf).publicKey.export({ type: "spki", format: "der" });
  return {
    certfile: file("chain.pem"),
    keyfile: file("leaf.key"),
    authority: file("ca.pem"),
    spki: createHash("sha256").update(publicKey).digest("base64"),
  };
}
