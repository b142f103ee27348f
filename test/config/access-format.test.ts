// --access-log-format: what a format is made of, and which mistakes are found at the start.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";

import { ATOMS, readAccessFormat } from "../../src/config/access-format.ts";
import { BadValue } from "../../src/config/values.ts";
import { ATOM_NAMES } from "../../src/observe/access-format.ts";
import { CHECKOUT } from "../support/scratch.ts";

function atom(name: string): { atom: string; name: string } {
  return { atom: name, name: "" };
}

describe("readAccessFormat", () => {
  it("takes the formats that have a name", () => {
    assert.equal(readAccessFormat("json"), "json");
    assert.equal(readAccessFormat("text"), "text");
    const common = readAccessFormat("common");
    assert.deepEqual(common, readAccessFormat('%(h)s %(l)s %(u)s %(t)s "%(r)s" %(s)s %(b)s'));
    assert.deepEqual(readAccessFormat("combined").slice(0, common.length - 1), common.slice(0, -1));
  });

  it("takes a text with atoms apart", () => {
    assert.deepEqual(readAccessFormat("a %(h)s 100%% %(L)s%({X-Tenant}i)s%({Etag}o)s."), [
      "a ",
      atom("h"),
      " 100% ",
      atom("L"),
      { atom: "i", name: "x-tenant" },
      { atom: "o", name: "etag" },
      ".",
    ]);
    assert.deepEqual(readAccessFormat("%(s)d"), [atom("s")]);
  });

  it("knows the variables of an environ that the front has", () => {
    assert.deepEqual(
      readAccessFormat("%({REMOTE_ADDR}e)s%({HTTP_X_REAL_IP}e)s%({CONTENT_TYPE}e)s"),
      [atom("h"), { atom: "i", name: "x-real-ip" }, { atom: "i", name: "content-type" }],
    );
  });

  for (const [format, mistake] of [
    ["apache", /must be text, json, common or combined, or have atoms/],
    ["%(h)s %(x)s", /unknown atom %\(x\)s; there are h, l,/],
    ["%(constructor)s", /unknown atom/],
    ["%h", /% that begins no atom/],
    ["100% %(h)s", /% that begins no atom/],
    ["%({a b}i)s", /unknown atom/],
    ["%({x}z)s", /unknown atom/],
    ["%({wsgi.input}e)s", /variable wsgi\.input, which the front does not know/],
    ["%(h)s\n", /one line/],
    [`%(h)s${"x".repeat(4096)}`, /at most 4096/],
  ] as const)
    it(`refuses ${JSON.stringify(format.slice(0, 30))}`, () => {
      assert.throws(
        () => readAccessFormat(format),
        (error) => error instanceof BadValue && mistake.test(error.message),
      );
    });

  it("has each atom in docs/guide/logging.md", () => {
    const guide = readFileSync(join(CHECKOUT, "docs/guide/logging.md"), "utf8");
    for (const [name, what] of ATOMS) assert(guide.includes(`| \`%(${name})s\` | ${what} |`), name);
  });

  it("knows the same atoms as the log", () => {
    assert.deepEqual([...ATOMS.keys()].toSorted(), ATOM_NAMES.toSorted());
  });
});
