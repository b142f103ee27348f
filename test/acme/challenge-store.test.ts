// Challenges of this process and of others that share the folder, and what strangers who look cost.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readdirSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";

import { ChallengeStore } from "../../src/acme/challenge-store.ts";
import { FakeTime } from "../support/fake-time.ts";
import { makeScratch, type Scope } from "../support/scratch.ts";

const TOKEN = "a".repeat(43);
const HTTP = {
  type: "http-01",
  madeAt: 1,
  token: TOKEN,
  keyAuthorization: `${TOKEN}.key`,
} as const;
const ALPN = {
  type: "tls-alpn-01",
  madeAt: 1,
  token: TOKEN,
  name: "example.com",
  certificate: { certPem: "cert", keyPem: "key" },
} as const;

function setUp(scope: Scope) {
  const folder = makeScratch(scope);
  const make = (time: FakeTime): ChallengeStore => {
    const store = new ChallengeStore({ folder, delay: time.delay });
    scope.after(() => store.close());
    return store;
  };
  return { folder, make };
}

test("every process that shares the folder responds, until the challenge is removed", async (t) => {
  const { folder, make } = setUp(t);
  const [mine, other] = [make(new FakeTime(0, 1000)), make(new FakeTime(0, 1000))];
  assert.equal(await other.keyAuthorization(TOKEN), null);
  await mine.add(HTTP);
  await mine.add(ALPN);
  for (const store of [mine, other]) {
    assert.equal(await store.keyAuthorization(TOKEN), HTTP.keyAuthorization);
    assert.deepEqual(await store.certificate("Example.COM"), ALPN.certificate);
    assert.equal(await store.certificate("www.example.com"), null);
  }
  await mine.remove(HTTP, "example.com");
  await mine.remove(ALPN, "example.com");
  assert.equal(await other.keyAuthorization(TOKEN), null);
  assert.equal(await mine.certificate("example.com"), null);
  assert.deepEqual(readdirSync(folder), []);
});

test("what is no token and no name is not looked for", async (t) => {
  const { make } = setUp(t);
  const time = new FakeTime(0, 0);
  const store = make(time);
  await store.add(HTTP);
  const strange = ["", "..", "../accounts", "a/b", `${TOKEN}\0`, `${TOKEN}\n`, "é".repeat(43)];
  for (const text of [...strange, "a".repeat(257)]) {
    assert.equal(await store.keyAuthorization(text), null);
    assert.equal(await store.certificate(text.length > 253 ? text : `${text}/`), null);
  }
  assert.equal(time.waiting, 0, "the folder was read");
});

test("a flood of unknown tokens reads the folder at most once in 250 ms", async (t) => {
  const { make } = setUp(t);
  const time = new FakeTime(0, 0);
  const store = make(time);
  const flood = (): Promise<unknown> =>
    Promise.all(Array.from({ length: 500 }, (_, at) => store.keyAuthorization(tokenOf(at))));
  await flood();
  assert.equal(time.waiting, 1);
  const second = flood();
  await time.advance(249);
  assert.equal(time.waiting, 1, "the next reading waits");
  await time.advance(1);
  await second;
  assert.equal(time.waiting, 1);
});

test("a challenge that is written before a look-up is found by it, also while others wait", async (t) => {
  const { make } = setUp(t);
  const time = new FakeTime(0, 0);
  const [mine, other] = [make(new FakeTime(0, 0)), make(time)];
  await other.keyAuthorization(tokenOf(1));
  const early = other.keyAuthorization(tokenOf(2));
  await mine.add(HTTP);
  const found = other.keyAuthorization(TOKEN);
  await time.advance(250);
  assert.equal(await early, null);
  assert.equal(await found, HTTP.keyAuthorization);
});

test("look-ups beyond a thousand that wait find nothing at once", async (t) => {
  const { make } = setUp(t);
  const store = make(new FakeTime(0, 0));
  await store.keyAuthorization(tokenOf(0));
  const waiting = Array.from({ length: 1000 }, (_, at) => store.keyAuthorization(tokenOf(at)));
  assert.equal(await store.keyAuthorization(TOKEN), null);
  store.close();
  assert.deepEqual([...new Set(await Promise.all(waiting))], [null]);
});

test("of several challenges for one name the newest counts: a crash may have left others", async (t) => {
  const { make } = setUp(t);
  const [mine, other] = [make(new FakeTime(0, 1000)), make(new FakeTime(0, 1000))];
  for (let madeAt = 9; madeAt > 0; madeAt -= 1)
    await mine.add({
      ...ALPN,
      madeAt,
      token: tokenOf(madeAt),
      certificate: { certPem: String(madeAt), keyPem: "" },
    });
  assert.equal((await other.certificate("example.com"))?.certPem, "9");
  const newer = { ...ALPN, madeAt: 10, certificate: { certPem: "10", keyPem: "" } };
  await mine.add(newer);
  assert.equal((await other.certificate("example.com"))?.certPem, "10");
});

test("damaged files and files of others are passed over", async (t) => {
  const { folder, make } = setUp(t);
  const [mine, other] = [make(new FakeTime(0, 1000)), make(new FakeTime(0, 1000))];
  for (const [at, text] of ["", "{", "[]", '{"type":"http-01"}', '{"token":"x"}'].entries())
    writeFileSync(join(folder, `${String(at).repeat(32)}.json`), text);
  writeFileSync(join(folder, "notes.txt"), "");
  await mine.add(HTTP);
  assert.equal(await other.keyAuthorization(TOKEN), HTTP.keyAuthorization);
});

test("challenges of an order that ended in a crash are removed after a day", async (t) => {
  const { folder, make } = setUp(t);
  const store = make(new FakeTime(0, 1000));
  await store.add(HTTP);
  await store.removeAbandoned(Date.now());
  assert.equal(readdirSync(folder).length, 1);
  for (const name of readdirSync(folder)) utimesSync(join(folder, name), 1, 1);
  await store.removeAbandoned(Date.now());
  assert.deepEqual(readdirSync(folder), []);
});

function tokenOf(number: number): string {
  return createHash("sha256").update(String(number)).digest("base64url");
}
