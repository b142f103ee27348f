// `typhon hash-password` as a user calls it: the password on standard input, a line for the password file.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { describe, test } from "node:test";

import { isPasswordHash, verifyPassword } from "../../src/handlers/policy/password-hash.ts";
import { COMMAND } from "../support/scratch.ts";

function hash(words: readonly string[], input: string | Buffer) {
  return spawnSync(COMMAND, ["hash-password", ...words], { input, encoding: "utf8" });
}

describe("typhon hash-password", () => {
  test("prints a line for the file, whose hash fits the password and no other", async () => {
    const { status, stdout } = hash(["anna"], "correct horse\n");
    assert.equal(status, 0);
    const [, line = ""] = /^anna:(\S+)\n$/.exec(stdout) ?? [];
    assert.match(line, /^\$scrypt\$ln=15,r=8,p=1\$/);
    assert(isPasswordHash(line));
    assert.equal(await verifyPassword("correct horse", line), true);
    assert.equal(await verifyPassword("correct horse ", line), false);
  });

  test("prints the hash alone without a user", () => {
    assert.match(hash([], "x").stdout, /^\$scrypt\$\S+\n$/);
  });

  test("refuses an empty password and a user with a colon", () => {
    for (const { status, stderr } of [hash([], "\n"), hash(["a:b"], "x")]) {
      assert.equal(status, 2);
      assert.match(stderr, /^typhon: .*must not/);
    }
  });

  test("refuses what could never log in: a user whose spaces the file drops, a password too long or no text", () => {
    for (const [user, password, text] of [
      ["anna ", "x", /spaces at its ends/],
      [
        "anna",
        "x".repeat(764),
        /password is too long: user and password together have at most 767/,
      ],
      ["anna", Buffer.from([0x61, 0xff]), /must be text in UTF-8/],
    ] as const) {
      const { status, stderr } = hash([user], password);
      assert.equal(status, 2);
      assert.match(stderr, text);
    }
    assert.equal(hash(["anna"], "x".repeat(763)).status, 0);
  });

  test("--help tells how it is used", () => {
    assert.match(hash(["--help"], "").stdout, /^Usage: typhon hash-password/);
  });
});

test("a hash whose computation would cost too much, or that is none, is no hash", () => {
  const salt = "A".repeat(22);
  const key = "A".repeat(43);
  assert(isPasswordHash(`$scrypt$ln=15,r=8,p=1$${salt}$${key}`));
  for (const text of [
    `$scrypt$ln=40,r=8,p=1$${salt}$${key}`,
    `$scrypt$ln=15,r=99,p=1$${salt}$${key}`,
    `$scrypt$ln=15,r=8,p=0$${salt}$${key}`,
    "$apr1$abc$def",
    "{SHA}abc",
    "password",
    "",
  ])
    assert(!isPasswordHash(text), text);
});
