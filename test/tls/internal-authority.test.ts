// The local authority: made once, kept private, and trusted by a client that has its root.

import assert from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import { chmodSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { describe, it } from "node:test";

import { CertificateStore } from "../../src/tls/certificate-store.ts";
import { InternalAuthority, rootPathIn } from "../../src/tls/internal-authority.ts";
import { request, TlsServer } from "../front/tls-server.ts";
import { makeScratch } from "../support/scratch.ts";

const DAY_MS = 86_400_000;

describe("the local authority", () => {
  it("is made once, in a folder of this user alone", async (t) => {
    const state = makeScratch(t);
    const [first, second] = await Promise.all([
      InternalAuthority.open(state, []),
      InternalAuthority.open(state, []),
    ]);
    assert.equal(first.rootPath, rootPathIn(state));
    const root = readFileSync(first.rootPath, "utf8");
    const folder = dirname(first.rootPath);
    assert.deepEqual(readdirSync(folder).toSorted(), ["authority-key.pem", "authority.pem"]);
    assert.equal(statSync(folder).mode & 0o777, 0o700);
    assert.equal(statSync(join(folder, "authority-key.pem")).mode & 0o777, 0o600);
    chmodSync(folder, 0o755);
    await InternalAuthority.open(state, []);
    assert.equal(statSync(folder).mode & 0o777, 0o700);
    assert.equal(readFileSync(second.rootPath, "utf8"), root);
    const certificate = new X509Certificate(root);
    assert.equal(certificate.ca, true);
    assert(Date.parse(certificate.validTo) > Date.now() + 3600 * DAY_MS);
  });

  it("signs certificates for this machine and the site, which clients verify", async (t) => {
    const state = makeScratch(t);
    const authority = await InternalAuthority.open(state, [
      "shop.test",
      "*.shop.test",
      "",
      "no name",
    ]);
    const server = await TlsServer.start(t, { certificates: [] });
    authority.renew(server.store);
    const ca = readFileSync(authority.rootPath, "utf8");
    for (const servername of ["localhost", "shop.test", "a.shop.test", ""]) {
      const socket = await server.connect({ servername, ca, rejectUnauthorized: true });
      assert.match(await request(socket), /^HTTP\/1\.1 200 OK/, servername);
    }
    await assert.rejects(
      server.connect({ servername: "other.test", ca, rejectUnauthorized: true }),
      /other\.test/,
    );
  });

  it("replaces its certificates before they expire, and itself", async (t) => {
    const state = makeScratch(t);
    const store = new CertificateStore({ ciphers: "", clients: [] });
    const now = Date.now();
    const authority = await InternalAuthority.open(state, [], now);
    authority.renew(store, now);
    const [first] = store.all;
    assert(first !== undefined && first.notAfter - now <= 90 * DAY_MS);
    authority.renew(store, now + 50 * DAY_MS);
    assert.equal(store.all[0], first);
    authority.renew(store, now + 70 * DAY_MS);
    const [second] = store.all;
    assert.notEqual(second, first);
    // The clock was wrong, and is set back.
    authority.renew(store, now);
    assert(store.all[0] !== second && (store.all[0]?.notBefore ?? Infinity) <= now);
    const root = readFileSync(authority.rootPath, "utf8");
    await InternalAuthority.open(state, [], now + 3600 * DAY_MS);
    assert.notEqual(readFileSync(authority.rootPath, "utf8"), root);
  });

  it("that is damaged is named", async (t) => {
    const state = makeScratch(t);
    const folder = dirname(rootPathIn(state));
    mkdirSync(folder);
    writeFileSync(join(folder, "authority-key.pem"), "nothing");
    await assert.rejects(InternalAuthority.open(state, []), /the local authority in .*PEM/);
  });
});
