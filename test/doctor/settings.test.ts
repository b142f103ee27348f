// What is said of a configuration that is right.

import assert from "node:assert/strict";
import { test } from "node:test";

import { load } from "../../src/config/load.ts";
import { checkGunicornFile, checkMistakes, checkSettings } from "../../src/doctor/settings.ts";

function amiss(words: readonly string[], isRoot = false): string[] {
  return checkSettings(load(["app:app", ...words], { PATH: process.env["PATH"] }, "/tmp"), isRoot)
    .filter(({ level }) => level !== "ok")
    .map(({ level, topic }) => `${level} ${topic}`);
}

test("names applications, and tells of root and of proxies that are everybody", () => {
  assert.deepEqual(amiss([]), []);
  assert.deepEqual(amiss([], true), ["warn user"]);
  assert.deepEqual(amiss(["--forwarded-allow-ips=*", "--bind=:8000"]), ["note proxies"]);
  assert.deepEqual(amiss(["--forwarded-allow-ips=*", "--bind=127.0.0.1:8000"]), []);
  assert.deepEqual(amiss(["--forwarded-allow-ips=*", "--bind=unix:/tmp/typhon-s"]), []);
});

test("each mistake is a line, and gunicorn's file is a note", () => {
  assert.deepEqual(
    checkMistakes("a\nb").map(({ level, fact }) => [level, fact]),
    [
      ["fail", "a"],
      ["fail", "b"],
    ],
  );
  assert.equal(checkGunicornFile(false).length, 0);
  assert.equal(checkGunicornFile(true)[0]?.level, "note");
});
