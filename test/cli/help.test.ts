// The text of `typhon --help`.

import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { renderHelp } from "../../src/cli/help.ts";
import { isOnByDefault } from "../../src/config/option.ts";
import { GROUPS, OPTION_LIST } from "../../src/config/schema.ts";

describe("renderHelp", () => {
  const lines = renderHelp().split("\n");

  test("fits a terminal of 80 columns", () => {
    for (const line of lines) assert.ok(line.length <= 80, line);
  });
  test("names every option and every group once", () => {
    for (const option of OPTION_LIST) {
      const { name, short } = option;
      const no = isOnByDefault(option) ? "[no-]" : "";
      const flag = `${short === null ? "    " : `-${short}, `}--${no}${name} `;
      const isFlag = (line: string): boolean => `${line} `.startsWith(`  ${flag}`);
      assert.equal(lines.filter(isFlag).length, 1, name);
    }
    for (const group of GROUPS)
      assert.equal(lines.filter((line) => line === `${group}:`).length, 1, group);
  });
  test("keeps each default in one piece", () => {
    for (const line of lines)
      assert.equal(line.includes("(default:"), /\(default: .*\)$/.test(line), line);
  });
  test("ends with examples", () => {
    const examples = lines.slice(lines.indexOf("Examples:") + 1, -1);
    assert.ok(examples.length >= 3);
    for (const example of examples) assert.match(example, /^ {2}typhon /);
  });
  test("holds no control character but line ends", () => {
    assert.doesNotMatch(lines.join(""), /[\p{Cc}\u00a0]/u);
  });
});
