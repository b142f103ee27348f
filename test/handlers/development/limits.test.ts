// docs/limits.md says the limits of typhon dev as they are.

import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";

import { CHECKOUT } from "../../support/scratch.ts";

const FOLDERS = ["src/handlers/development", "python/typhon_worker/development"];
const LIMIT = /^(?:export const )?(MAX_[A-Z_]+) = ([\d_.]+);?$/gm;

test("each limit of typhon dev is in docs/limits.md with its value", () => {
  const page = readFileSync(join(CHECKOUT, "docs/limits.md"), "utf8");
  const [, section = ""] = /^## Start, control socket.*?\n(.*?)^## /ms.exec(page) ?? [];
  const rows = section.split("\n").filter((line) => line.startsWith("| "));
  let found = 0;
  for (const folder of FOLDERS)
    for (const file of readdirSync(join(CHECKOUT, folder)).filter((one) => /\.(ts|py)$/.test(one)))
      for (const [, name = "", value = ""] of readFileSync(
        join(CHECKOUT, folder, file),
        "utf8",
      ).matchAll(LIMIT)) {
        found += 1;
        const number = value.replaceAll("_", "").replace(".", "\\.");
        assert(
          rows.some(
            (row) => row.includes(`\`${name}\``) && new RegExp(`\\b${number}\\b`).test(row),
          ),
          `${name} = ${value} (${folder}/${file}) in docs/limits.md`,
        );
      }
  assert(found >= 14, `only ${found} limits were found`);
});
