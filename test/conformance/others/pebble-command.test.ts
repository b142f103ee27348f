// The whole command against Pebble (tools/setup-pebble.sh) with its random delays and refused nonces: what a user
// does to get a certificate, by each type of challenge.

import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { connect } from "node:tls";

import { until } from "../../support/deadline.ts";
import { freePorts } from "../../support/free-ports.ts";
import { startPebble } from "../../support/pebble.ts";
import { getOnce } from "../../support/raw-client.ts";
import { makeScratch } from "../../support/scratch.ts";
import { startTyphon } from "../../support/typhon.ts";

/** An order with Pebble's pauses, ms. */
const ORDER_MS = 120_000;

/** The names of the certificate that a server has for a host, and the name of its authority. */
async function certificateOf(port: number, servername: string): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  // Pebble's root is made anew at each of its starts.
  const options = { host: "127.0.0.1", port, servername, rejectUnauthorized: false };
  const socket = connect(options, () => {
    const { subjectaltname = "", issuer } = socket.getPeerCertificate();
    resolve(`${subjectaltname} by ${String(issuer.CN)}`);
  });
  socket.once("error", reject);
  try {
    return await promise;
  } finally {
    socket.destroy();
  }
}

for (const kind of ["http-01 and tls-alpn-01", "tls-alpn-01"] as const)
  test(`typhon --domain gets certificates by ${kind}, and keeps them over a restart`, async (t) => {
    const { http, https } = await freePorts(["http", "https"]);
    const environment = { PEBBLE_VA_SLEEPTIME: "3", PEBBLE_WFE_NONCEREJECT: "30" };
    const pebble = await startPebble(t, {
      httpPort: http,
      tlsPort: https,
      environment,
      macKeys: {},
    });
    const folder = makeScratch(t);
    const root = join(folder, "root.pem");
    writeFileSync(root, pebble.caRoot);
    const binds = ["--bind", `https://127.0.0.1:${https}`];
    if (kind !== "tls-alpn-01") binds.push("--bind", `http://127.0.0.1:${http}`);
    const names = ["example.com", "www.example.com"];
    const words = [
      "raw:app",
      "--workers=1",
      "--http-redirect",
      "--acme-email=admin@example.com",
      "--acme-profile=shortlived",
      `--acme-ca=${pebble.directoryUrl}`,
      `--acme-ca-root=${root}`,
      `--acme-dir=${join(folder, "state")}`,
      ...binds,
      ...names.flatMap((name) => ["--domain", name]),
    ];
    const first = await startTyphon(t, words);
    const has = (name: string): boolean =>
      first.output.all.includes(` ${name}: certificate ordered from ${pebble.directoryUrl}`);
    await until("all certificates", () => names.every(has), ORDER_MS);
    for (const name of names)
      assert.match(await certificateOf(https, name), new RegExp(`DNS:${name} by Pebble`));
    if (kind !== "tls-alpn-01") assert.equal((await getOnce({ port: http }, "/")).status, 308);
    await first.stop();
    const second = await startTyphon(t, words);
    assert.match(await certificateOf(https, "example.com"), /DNS:example.com by Pebble/);
    assert.doesNotMatch(second.output.all, /being ordered/);
  });
