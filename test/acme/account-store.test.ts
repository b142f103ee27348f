// The account's file: one key for all processes, and what happens to a damaged one.

import assert from "node:assert/strict";
import { readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";

import { openAccount, saveAccount, type StoredAccount } from "../../src/acme/account-store.ts";
import { makeScratch } from "../support/scratch.ts";

const URL = "https://ca.example/directory";

function keyOf({ key }: StoredAccount): string {
  return String(key.export({ type: "pkcs8", format: "pem" }));
}

test("of processes that begin at once all have one key, and later its URL", async (t) => {
  const path = join(makeScratch(t), "account.json");
  const open = (): Promise<StoredAccount> => openAccount(path, URL, () => assert.fail("damaged"));
  const all = await Promise.all(Array.from({ length: 8 }, open));
  assert.equal(new Set(all.map(keyOf)).size, 1);
  const [first] = all;
  assert(first !== undefined && first.url === null);
  await saveAccount(path, URL, { ...first, url: "https://ca.example/1" });
  const later = await open();
  assert.equal(later.url, "https://ca.example/1");
  assert.equal(keyOf(later), keyOf(first));
});

test("a damaged file is told, and kept beside the new one", async (t) => {
  const folder = makeScratch(t);
  const path = join(folder, "account.json");
  for (const text of ["", "[]", '{"url":null}', '{"url":1,"key":""}', '{"url":null,"key":"x"}']) {
    writeFileSync(path, text);
    const told: string[] = [];
    const made = await openAccount(path, URL, (damaged) => void told.push(damaged));
    assert.deepEqual(told, [path]);
    assert.equal(made.url, null);
    assert.deepEqual(readdirSync(folder).sort(), ["account.json", "account.json.damaged"]);
  }
});
