// docs/limits.md says the limits of CGI programs as they are.

import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";

import { CHECKOUT } from "../support/scratch.ts";

const PYTHON = "python/typhon_worker/cgi";

function read(path: string): string {
  return readFileSync(join(CHECKOUT, path), "utf8");
}

function filesOf(folder: string, ending: string): string[] {
  const names = readdirSync(join(CHECKOUT, folder)).filter((name) => name.endsWith(ending));
  return names.map((name) => `${folder}/${name}`);
}

const [, rows = ""] = /## CGI programs\n([\s\S]*?)\n## /.exec(read("docs/limits.md")) ?? [];

test("each limit of the front is in docs/limits.md with its value", () => {
  const files = ["src/cgi", "src/handlers/cgi"].flatMap((folder) => filesOf(folder, ".ts"));
  let found = 0;
  for (const file of [...files, "src/http/local-redirect.ts"]) {
    const constants = read(file).matchAll(/^(?:export )?const ([A-Z_]+) = ([\d_]+);$/gm);
    for (const [, name = "", value = ""] of constants) {
      found += 1;
      const row = rows.split("\n").find((line) => line.includes(`\`${name}\``)) ?? "";
      assert.match(row, new RegExp(`\\b${value.replaceAll("_", "")}\\b`), `${name} of ${file}`);
    }
  }
  assert(found >= 10, `${found} limits were found`);
});

test("each limit of the launcher that docs/limits.md names has its value", () => {
  let found = 0;
  for (const file of filesOf(PYTHON, ".py"))
    for (const [, name = "", value = ""] of read(file).matchAll(
      /^_?([A-Z_]+) = ([\d_]+)(?:\.0)?$/gm,
    )) {
      const row = rows.split("\n").find((line) => line.includes(`\`${name}\``));
      if (row === undefined) continue;
      found += 1;
      assert.match(row, new RegExp(`\\b${value.replaceAll("_", "")}\\b`), `${name} of ${file}`);
    }
  assert(found >= 2, `${found} limits were found`);
});
