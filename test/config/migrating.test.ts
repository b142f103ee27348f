// docs/guide/migrating.md: every option of ours in its tables exists, and has the default that stands there.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import { OPTION_LIST, SWITCHES } from "../../src/config/schema.ts";

const page = readFileSync(new URL("../../docs/guide/migrating.md", import.meta.url), "utf8");

interface Row {
  readonly line: string;
  readonly ours: string;
  readonly fallback: string;
}

const rows: readonly Row[] = page
  .split("\n")
  .filter((line) => line.startsWith("| `"))
  .map((line) => {
    const [, , , ours = "", fallback = ""] = line.split("|").map((cell) => cell.trim());
    return { line, ours, fallback };
  });

const OPTION = /^`--([a-z-]+)`$/;
const known = new Map(OPTION_LIST.map((option) => [option.name, option]));

test("each row names an option of the table, or none", () => {
  assert.ok(rows.length > 60, `${rows.length} rows`);
  for (const { line, ours } of rows)
    assert.ok(ours === "" || known.has(OPTION.exec(ours)?.[1] ?? ""), line);
});

test("each default in quotes is the option's, and the words are those of the table", () => {
  for (const { line, ours, fallback } of rows) {
    const option = known.get(OPTION.exec(ours)?.[1] ?? "");
    if (option === undefined || fallback === "") continue;
    const quoted = /^`([^`]+)`$/.exec(fallback)?.[1];
    if (quoted !== undefined) assert.equal(quoted, option.fallback, line);
    else assert.ok(option.fallbackWords !== null || option.fallback === null, line);
  }
});

test("the commands of the page use options that exist", () => {
  const commands = [...page.matchAll(/`(typhon [^`]+)`/g)].map(([, command = ""]) => command);
  assert.ok(commands.length >= 3);
  const names = new Set([...known.keys(), ...SWITCHES.map(({ name }) => name)]);
  for (const command of commands)
    for (const [, name = ""] of command.matchAll(/ --([a-z-]+)/g))
      assert.ok(names.has(name), command);
});
