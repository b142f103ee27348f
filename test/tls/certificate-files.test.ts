// Certificates on disk: read, replaced while connections are open, and kept where the new ones are broken.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";

import { CertificateFiles } from "../../src/tls/certificate-files.ts";
import { CertificateStore } from "../../src/tls/certificate-store.ts";
import { TestAuthority, type Issued } from "../support/certificates.ts";
import { PATIENCE_MS, within } from "../support/deadline.ts";
import { makeScratch, type Scope } from "../support/scratch.ts";

const AUTHORITY = new TestAuthority("Tests");
const A = AUTHORITY.issue({ names: ["a.example"] });
const B = AUTHORITY.issue({ names: ["b.example"] });
const NEW_A = AUTHORITY.issue({ names: ["a.example", "www.a.example"] });

function write(folder: string, name: string, { cert, key }: Issued): void {
  writeFileSync(join(folder, `${name}.pem`), cert);
  writeFileSync(join(folder, `${name}.key`), key);
}

function pathsIn(folder: string, name: string) {
  const base = join(folder, name);
  return { certfile: `${base}.pem`, keyfile: `${base}.key`, passwordFile: null };
}

async function open(scope: Scope, folder: string, caCerts: string | null = null) {
  const told: string[] = [];
  const store = new CertificateStore({ ciphers: "", clients: [] });
  const files = await CertificateFiles.open(
    {
      certificates: [pathsIn(folder, "a"), pathsIn(folder, "b")],
      mayWait: true,
      clients: caCerts === null ? [] : [{ host: "", mode: "required", caCerts }],
      onReplaced: (paths) => told.push(`replaced ${paths.map((one) => one.slice(-5)).join()}`),
      onBroken: (message) => told.push(`broken ${message.replaceAll(folder, "")}`),
      onWarning: (message) => told.push(`warning ${message.replaceAll(folder, "")}`),
    },
    store,
  );
  scope.after(() => files.close());
  const names = (): string => store.all.map((one) => one.names.join()).join(" ");
  return { files, store, told, names };
}

describe("certificate files", () => {
  it("are read again when both have settled, and only then", async (t) => {
    const folder = makeScratch(t);
    write(folder, "a", A);
    write(folder, "b", B);
    const { files, told, names } = await open(t, folder);
    await files.look();
    await files.look();
    writeFileSync(join(folder, "a.pem"), NEW_A.cert);
    await files.look();
    writeFileSync(join(folder, "a.key"), NEW_A.key);
    await files.look();
    assert.deepEqual([told, names()], [[], "a.example b.example"]);
    await files.look();
    await files.look();
    assert.equal(names(), "a.example,www.a.example b.example");
    assert.deepEqual(told, ["replaced a.pem,a.key"]);
  });

  it("change nothing where they are broken, and are told once", async (t) => {
    const folder = makeScratch(t);
    write(folder, "a", A);
    write(folder, "b", B);
    const { files, store, told, names } = await open(t, folder);
    const before = store.certificateFor("a.example", "");
    writeFileSync(join(folder, "a.key"), NEW_A.key);
    for (let look = 0; look < 4; look += 1) await files.look();
    assert.deepEqual(told, ["broken /a.pem, /a.key: the key does not belong to the certificate"]);
    rmSync(join(folder, "a.key"));
    for (let look = 0; look < 4; look += 1) await files.look();
    assert.deepEqual(told.slice(1), ["broken /a.key: there is no such file"]);
    assert.equal(store.certificateFor("a.example", ""), before);
    writeFileSync(join(folder, "b.pem"), "");
    for (let look = 0; look < 2; look += 1) await files.look();
    assert.equal(told.length, 3);
    write(folder, "a", NEW_A);
    for (let look = 0; look < 3; look += 1) await files.look();
    assert.equal(told.at(-1), "replaced a.pem,a.key");
    assert.equal(names(), "a.example,www.a.example b.example");
  });

  it("may be links of which one in the path is changed", async (t) => {
    const folder = makeScratch(t);
    for (const [version, issued] of Object.entries({ one: A, two: NEW_A })) {
      mkdirSync(join(folder, version));
      write(join(folder, version), "a", issued);
      write(join(folder, version), "b", B);
    }
    symlinkSync("one", join(folder, "..data"));
    for (const name of ["a.pem", "a.key", "b.pem", "b.key"])
      symlinkSync(join("..data", name), join(folder, name));
    const { files, names } = await open(t, folder);
    symlinkSync("two", join(folder, "next"));
    renameSync(join(folder, "next"), join(folder, "..data"));
    await files.look();
    await files.look();
    assert.equal(names(), "a.example,www.a.example b.example");
  });

  it("that are authorities of clients are replaced as well", async (t) => {
    const folder = makeScratch(t);
    write(folder, "a", A);
    write(folder, "b", B);
    const caCerts = join(folder, "ca.pem");
    writeFileSync(caCerts, new TestAuthority("Old").cert);
    const { files, store, told } = await open(t, folder, caCerts);
    const hello = { serverName: "a.example", protocols: [] };
    const before = store.choose(hello, "");
    assert.equal(before?.client?.mode, "required");
    const newer = new TestAuthority("New").cert;
    writeFileSync(caCerts, newer);
    await files.look();
    await files.look();
    assert.equal(store.choose(hello, "")?.client?.caCerts, newer);
    assert.notEqual(store.choose(hello, "")?.context, before.context);
    writeFileSync(caCerts, "nothing");
    await files.look();
    await files.look();
    assert.equal(store.choose(hello, "")?.client?.caCerts, newer);
    assert.deepEqual(told, [
      "replaced a.pem",
      "broken /ca.pem: there is no certificate in PEM form",
    ]);
  });

  it("that are pipes or have no end hold up nothing", async (t) => {
    const folder = makeScratch(t);
    write(folder, "a", A);
    write(folder, "b", B);
    const { files, told, names } = await open(t, folder);
    rmSync(join(folder, "a.key"));
    execFileSync("mkfifo", [join(folder, "a.key")]);
    rmSync(join(folder, "b.pem"));
    symlinkSync("/dev/zero", join(folder, "b.pem"));
    await within(PATIENCE_MS, files.look(), "the first look");
    await within(PATIENCE_MS, files.look(), "the second look");
    const reason = "it is no regular file, and can be read by a start only";
    assert.deepEqual(told.toSorted(), [`broken /a.key: ${reason}`, `broken /b.pem: ${reason}`]);
    assert.equal(names(), "a.example b.example");
    rmSync(join(folder, "a.key"));
    write(folder, "a", A);
    await assert.rejects(open(t, folder), /b\.pem: the file is too large/);
  });

  it("that cannot be used at the start are named with the reason", async (t) => {
    const folder = makeScratch(t);
    write(folder, "a", A);
    await assert.rejects(open(t, folder), /b\.(?:pem|key): there is no such file/);
    write(folder, "b", { ...B, key: A.key });
    await assert.rejects(open(t, folder), /b\.pem, .*b\.key: the key does not belong/);
    rmSync(join(folder, "b.pem"));
    mkdirSync(join(folder, "b.pem"));
    await assert.rejects(open(t, folder), /b\.pem: it is a folder/);
  });
});
