// The certificates of a server as a whole: a reload replaces all of them or none.

import assert from "node:assert/strict";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";

import { Certificates } from "../src/certificates.ts";
import type { Configuration, TlsConfiguration } from "../src/config/configuration.ts";
import { load } from "../src/config/load.ts";
import { OperatorError } from "../src/config/operator-error.ts";
import { Log } from "../src/observe/log.ts";
import { Sink } from "../src/observe/sink.ts";
import { TestAuthority } from "./support/certificates.ts";
import { FILE } from "./support/file-scope.ts";
import { makeScratch } from "./support/scratch.ts";

const folder = makeScratch(FILE);
const authority = new TestAuthority("Servers");
for (const name of ["a", "b"]) {
  const { cert, key } = authority.issue({ names: [`${name}.example`] });
  writeFileSync(join(folder, `${name}.pem`), cert + key);
}
writeFileSync(join(folder, "file"), "");

const logFile = join(folder, "log");
const sink = new Sink(logFile);

type Secure = Configuration & { readonly tls: TlsConfiguration };

function configure(words: string, changes: Partial<TlsConfiguration> = {}): Secure {
  const all = ["raw:app", ...words.split(" ")];
  const configuration = load(all, { ...process.env, HOME: folder }, folder);
  assert(configuration.tls !== null);
  return { ...configuration, tls: { ...configuration.tls, ...changes } };
}

function makeCertificates(configuration: Secure): Certificates {
  return new Certificates(configuration, new Log(sink, { level: "debug", format: "json" }));
}

function namesOf({ store }: Certificates): readonly string[] {
  return store.all.flatMap(({ names }) => names).filter((name) => name.endsWith(".example"));
}

test("a part that cannot be used changes no other part", async () => {
  const certificates = makeCertificates(configure("--certfile a.pem"));
  await certificates.load();
  const parts = [
    { internal: true },
    { acme: configure("--domain site.example").tls.acme },
    { clients: [{ host: "", mode: "required" as const, caCerts: join(folder, "file") }] },
  ];
  for (const part of parts) {
    const wanted = configure("--certfile b.pem", { ...part, stateDir: join(folder, "file/state") });
    await assert.rejects(certificates.replace(wanted), OperatorError);
    assert.deepEqual(namesOf(certificates), ["a.example"]);
    assert.deepEqual(certificates.store.clients, []);
  }
  await certificates.replace(configure("--certfile b.pem"));
  assert.deepEqual(namesOf(certificates), ["b.example"]);
  await certificates.stop(0);
});

test("a root of a private authority that holds no certificate is found at the start", async () => {
  const certificates = makeCertificates(configure("--domain site.example --acme-ca-root file"));
  await assert.rejects(
    certificates.load(),
    /--acme-ca-root .*file: there is no certificate in PEM/,
  );
  await certificates.stop(0);
});

test("a certificate that takes the place of another is told about if it is not valid", async () => {
  const { cert, key } = authority.issue({ names: ["late.example"], notAfter: Date.now() - 1000 });
  writeFileSync(join(folder, "late.pem"), cert + key);
  const certificates = makeCertificates(configure("--certfile a.pem"));
  await certificates.load();
  certificates.start();
  await certificates.replace(configure("--certfile late.pem"));
  await certificates.stop(0);
  await sink.flush();
  assert.match(readFileSync(logFile, "utf8"), /the certificate for late\.example has expired/);
});

test("what a configuration no longer has leaves the store", async () => {
  const stateDir = join(folder, "state");
  const certificates = makeCertificates(configure("--certfile a.pem --tls internal", { stateDir }));
  await certificates.load();
  assert.equal(certificates.store.all.length, 2);
  await certificates.replace(configure("--certfile b.pem"));
  assert.deepEqual(namesOf(certificates), ["b.example"]);
  assert.equal(certificates.store.all.length, 1);
  await certificates.stop(0);
});

test("a reload that is late for the end of the server opens nothing", async () => {
  const certificates = makeCertificates(configure("--certfile a.pem"));
  await certificates.load();
  certificates.start();
  const stateDir = join(folder, "late");
  const replaced = certificates.replace(configure("--domain site.example", { stateDir }));
  await certificates.stop(0);
  await replaced;
  await sink.flush();
  assert.doesNotMatch(readFileSync(logFile, "utf8"), /certificate\.ordering/);
  assert.deepEqual(readdirSync(join(stateDir, "accounts")), []);
});
