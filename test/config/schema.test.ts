// What the table of options promises to everything that is made from it.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, test } from "node:test";

import { OPTION_LIST, SWITCHES, variableOf } from "../../src/config/schema.ts";
import { renderOptions } from "../../tools/render-options.ts";

describe("the table of options", () => {
  test("docs/options.md is what it renders (node tools/render-options.ts)", () => {
    const page = readFileSync(new URL("../../docs/options.md", import.meta.url), "utf8");
    assert.equal(page, renderOptions());
  });
  test("each option stands in docs/options.md with its variable", () => {
    const page = renderOptions();
    for (const { name } of OPTION_LIST) {
      assert.match(page, new RegExp(`^### .*--${name}[ ,\`]`, "m"));
      assert.ok(page.includes(`\`${variableOf(name)}\``), name);
    }
  });
  test("names and letters are used once", () => {
    const all = [...OPTION_LIST, ...SWITCHES];
    const names = all.map((option) => option.name);
    const letters = all.map((option) => option.short).filter((short) => short !== null);
    assert.equal(new Set(names).size, names.length);
    assert.equal(new Set(letters).size, letters.length);
  });
  test("each default is a value of its option", () => {
    for (const { name, fallback, read } of OPTION_LIST)
      if (fallback !== null) assert.doesNotThrow(() => read(fallback), name);
  });
});
