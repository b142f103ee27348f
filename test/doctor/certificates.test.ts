// Certificates, the state folder, and names that lead to this machine.

import assert from "node:assert/strict";
import { createSocket } from "node:dgram";
import { Resolver } from "node:dns/promises";
import { once } from "node:events";
import { join } from "node:path";
import { test, type TestContext } from "node:test";

import {
  checkCertificate,
  checkDomain,
  checkStateFolder,
  lookUpDomains,
  ownAddresses,
  stateFolderIsWritable,
} from "../../src/doctor/certificates.ts";
import { makeScratch } from "../support/scratch.ts";

const DAY_MS = 86_400_000;
const NOW = Date.UTC(2026, 10, 29);

for (const [why, from, until, level, text] of [
  ["valid", -1, 90, "ok", /until 2027-02-27$/],
  ["near its end", -80, 5, "warn", /expires soon$/],
  ["past its end", -90, -1, "fail", /has expired$/],
  ["of tomorrow", 1, 90, "fail", /not valid yet$/],
] as const) {
  test(`a certificate that is ${why}`, () => {
    const times = { notBefore: NOW + from * DAY_MS, notAfter: NOW + until * DAY_MS };
    const found = checkCertificate({ file: "site.pem", ...times }, NOW);
    assert.equal(found.level, level);
    assert.match(found.fact, text);
  });
}

test("a state folder that is not there yet is writable if the one above it is", (t) => {
  const scratch = makeScratch(t);
  assert(stateFolderIsWritable(join(scratch, "a/b/c")));
  assert(!stateFolderIsWritable("/proc/self/typhon"));
  assert.equal(checkStateFolder("/s", true).level, "ok");
  assert.equal(checkStateFolder("/s", false).level, "fail");
});

test("a name without an address fails, one of elsewhere is noted", () => {
  const level = (addresses: readonly string[]) =>
    checkDomain({ domain: "shop.example", addresses }, ["192.0.2.1"]).level;
  assert.equal(level([]), "fail");
  assert.equal(level(["192.0.2.1", "2001:db8::1"]), "ok");
  assert.equal(level(["198.51.100.7"]), "note");
});

/** A name server: answers questions for an address of IPv4 with 127.0.0.1, others with none; or says nothing. */
async function startNameServer(t: TestContext, isSilent: boolean): Promise<Resolver> {
  const server = createSocket("udp4", (question, { port }) => {
    if (isSilent) return;
    const asksForIPv4 = question.readUInt16BE(question.indexOf(0, 12) + 1) === 1;
    const answer = "c00c000100010000000000047f000001";
    const head = Buffer.from("81800001000000000000", "hex");
    head.writeUInt16BE(asksForIPv4 ? 1 : 0, 4);
    const end = question.indexOf(0, 12) + 5;
    const parts = [question.subarray(0, 2), head, question.subarray(12, end)];
    server.send(Buffer.concat([...parts, Buffer.from(asksForIPv4 ? answer : "", "hex")]), port);
  });
  t.after(() => server.close());
  server.bind(0, "127.0.0.1");
  await once(server, "listening");
  const resolver = new Resolver({ timeout: 100, tries: 1 });
  resolver.setServers([`127.0.0.1:${server.address().port}`]);
  return resolver;
}

test("name servers are asked for names, not for wildcards", async (t) => {
  const resolver = await startNameServer(t, false);
  const found = await lookUpDomains(["a.example", "*.a.example"], resolver);
  assert.deepEqual(found, [{ domain: "a.example", addresses: ["127.0.0.1"] }]);
  assert(found.every((one) => checkDomain(one, ownAddresses()).level === "ok"));
});

test("a name server that says nothing is given up, and holds no thread", async (t) => {
  const resolver = await startNameServer(t, true);
  assert.deepEqual(await lookUpDomains(["a.example"], resolver), [
    { domain: "a.example", addresses: [] },
  ]);
  assert(!process.getActiveResourcesInfo().some((name) => /getaddrinfo/i.test(name)));
});
