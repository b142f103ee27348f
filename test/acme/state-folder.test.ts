// The folder of accounts, certificates and challenges: its rights, and the names of its files.

import assert from "node:assert/strict";
import { chmodSync, chownSync, mkdirSync, readdirSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";

import { StateFolder, StateFolderError } from "../../src/acme/state-folder.ts";
import { makeScratch } from "../support/scratch.ts";

test("a missing folder is made, with its parents, for this user alone", async (t) => {
  const path = join(makeScratch(t), "a/b");
  await StateFolder.open(path, Date.now());
  assert.equal(statSync(path).mode & 0o777, 0o700);
  assert.deepEqual(readdirSync(path).sort(), ["accounts", "certificates", "challenges", "locks"]);
  for (const name of readdirSync(path))
    assert.equal(statSync(join(path, name)).mode & 0o777, 0o700);
  await StateFolder.open(path, Date.now());
});

test("a folder that others may write to is refused, with the remedy", async (t) => {
  const path = makeScratch(t);
  chmodSync(path, 0o770);
  await assert.rejects(StateFolder.open(path, 0), (error: unknown) => {
    assert(error instanceof StateFolderError);
    assert.equal(
      error.message,
      `other users may write to ${path}, which is to contain private keys: chmod 700 ${path}`,
    );
    return true;
  });
  chmodSync(path, 0o755);
  await StateFolder.open(path, 0);
  chmodSync(join(path, "certificates"), 0o777);
  await assert.rejects(StateFolder.open(path, 0), /chmod 700 .*certificates$/);
});

test("a folder of another user, and a file in its place, are refused", async (t) => {
  const scratch = makeScratch(t);
  writeFileSync(join(scratch, "file"), "");
  await assert.rejects(StateFolder.open(join(scratch, "file"), 0), StateFolderError);
  await assert.rejects(StateFolder.open(join(scratch, "file/a"), 0), /ENOTDIR; give a folder/);
  if (process.getuid?.() !== 0) return;
  mkdirSync(join(scratch, "theirs"), { mode: 0o700 });
  chownSync(join(scratch, "theirs"), 65_534, 65_534);
  await assert.rejects(StateFolder.open(join(scratch, "theirs"), 0), /user 65534.*chown 0/);
});

test("a set of names has the same files in any order, and no other set has them", async (t) => {
  const folder = await StateFolder.open(makeScratch(t), 0);
  const both = folder.certificate(["example.com", "www.example.com"]);
  assert.equal(both.pem, folder.certificate(["example.com", "www.example.com"]).pem);
  assert.match(both.pem, /\/certificates\/example\.com-[0-9a-f]{16}\.pem$/);
  assert.notEqual(folder.certificate(["example.com"]).pem, both.pem);
  assert.match(folder.certificate(["*.example.com"]).pem, /\/_\.example\.com-[0-9a-f]{16}\.pem$/);
  assert.match(
    folder.certificate(["2001:db8::1"]).lock,
    /\/locks\/2001_db8__1-[0-9a-f]{16}\.lock$/,
  );
  assert.notEqual(folder.account("https://a.example/1"), folder.account("https://a.example/2"));
});
