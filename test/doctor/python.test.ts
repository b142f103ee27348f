// What is said of an interpreter.

import assert from "node:assert/strict";
import { test } from "node:test";

import { checkPython, askPython, type PythonFacts } from "../../src/doctor/python.ts";
import { requirePython } from "../support/scratch.ts";

const NOW = Date.UTC(2026, 10, 29);
const GOOD: PythonFacts = {
  implementation: "CPython",
  version: [3, 13, 9],
  isFinal: true,
  prefix: "/srv/app/.venv",
  basePrefix: "/usr/local",
  encoding: "UTF-8",
  hasUvloop: true,
};

for (const [why, facts, level, text] of [
  ["a good one", {}, "ok", /^CPython 3\.13\.9, \/p$/],
  ["one that is too old", { version: [3, 9, 25] }, "fail", /3\.9\.25/],
  ["Python 2", { version: [2, 7, 18] }, "fail", /2\.7\.18/],
  ["another implementation", { implementation: "PyPy" }, "warn", /^PyPy/],
  ["one without fixes any more", { version: [3, 10, 20] }, "warn", /3\.10 gets no security fixes/],
  ["an old release", { version: [3, 13, 3] }, "warn", /3\.13\.4 has security fixes/],
  ["the release with the fixes", { version: [3, 13, 4] }, "ok", /3\.13\.4, \/p$/],
  [
    "the same of a distribution",
    { version: [3, 11, 2], basePrefix: "/usr" },
    "note",
    /3\.11\.13 has/,
  ],
  ["one that is newer than this build", { version: [3, 15, 0] }, "note", /newer than what/],
  ["a beta", { version: [3, 14, 0], isFinal: false }, "note", /not a final release/],
] as const) {
  test(`python: ${why}`, () => {
    const [found] = checkPython({ path: "/p", why: "", facts: { ...GOOD, ...facts } }, NOW);
    assert.equal(found?.level, level);
    assert.match(found.fact, text);
    assert(level === "ok" || level === "note" || found.remedy !== "");
  });
}

test("the last day of a release line is the end of October", () => {
  const levelAt = (now: number) =>
    checkPython({ path: "/p", why: "", facts: { ...GOOD, version: [3, 10, 18] } }, now)[0]?.level;
  assert.equal(levelAt(Date.UTC(2026, 9, 31, 23)), "ok");
  assert.equal(levelAt(Date.UTC(2026, 10, 1)), "warn");
});

test("an interpreter that cannot be run is told with its reason", () => {
  const [found, ...more] = checkPython({ path: "/p", why: "", facts: "no such file" }, NOW);
  assert.deepEqual([found?.level, more.length], ["fail", 0]);
  assert.match(found?.fact ?? "", /^\/p cannot be used: no such file$/);
});

test("environment, encoding and packages", () => {
  const levels = (facts: Partial<PythonFacts>) =>
    checkPython({ path: "/p", why: "", facts: { ...GOOD, ...facts } }, NOW).map(
      ({ level }) => level,
    );
  assert.deepEqual(levels({}), ["ok", "ok", "ok", "ok"]);
  assert.deepEqual(levels({ prefix: "/usr/local" }), ["ok", "note", "ok", "ok"]);
  assert.deepEqual(levels({ encoding: "utf8" }), ["ok", "ok", "ok", "ok"]);
  assert.deepEqual(levels({ encoding: "ANSI_X3.4-1968" }), ["ok", "ok", "warn", "ok"]);
  assert.deepEqual(levels({ hasUvloop: false }), ["ok", "ok", "ok", "note"]);
});

test("a real interpreter tells of itself, and a program that is none does not", async () => {
  const facts = await askPython(requirePython(), process.env);
  assert(typeof facts === "object");
  assert.partialDeepStrictEqual(facts, { implementation: "CPython", hasUvloop: true });
  assert.equal(facts.version.length, 3);
  assert.equal(typeof (await askPython("/bin/cat", process.env)), "string");
  const missing = await askPython("/nowhere", process.env);
  assert(typeof missing === "string");
  assert.match(missing, /ENOENT/);
});

test("no module of PYTHONPATH takes the place of one of Python's", async () => {
  const facts = await askPython(requirePython(), {
    ...process.env,
    PYTHONPATH: "/nowhere",
    PYTHONUTF8: "1",
  });
  assert(typeof facts === "object");
  assert.match(facts.encoding, /^utf-?8$/i);
});
