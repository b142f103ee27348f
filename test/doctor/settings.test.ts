// What is said of a configuration that is right.

import assert from "node:assert/strict";
import { test } from "node:test";

import { load } from "../../src/config/load.ts";
import { checkMistakes, checkNotices, checkSettings } from "../../src/doctor/settings.ts";

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

test("each mistake is a line, and a notice of the start is a note", () => {
  assert.deepEqual(
    checkMistakes("a\nb").map(({ level, fact }) => [level, fact]),
    [
      ["fail", "a"],
      ["fail", "b"],
    ],
  );
  const configuration = load(["app:app"], { PATH: process.env["PATH"] }, "/tmp");
  const [found] = checkNotices({ ...configuration, notices: ["a gunicorn.conf.py is here"] });
  assert.deepEqual([found?.level, found?.fact], ["note", "a gunicorn.conf.py is here"]);
});
