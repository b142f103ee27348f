// Certificates, the state folder, and names that lead to this machine.

import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";

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

test("names are looked up, wildcards are not", async () => {
  const found = await lookUpDomains(["localhost", "*.localhost"]);
  assert.equal(found.length, 1);
  const [first] = found;
  assert(first !== undefined && checkDomain(first, ownAddresses()).level === "ok");
});
