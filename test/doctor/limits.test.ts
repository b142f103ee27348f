// docs/limits.md says the limits of `typhon doctor` as they are.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";

import { CHECKOUT } from "../support/scratch.ts";

test("each limit of the doctor is in docs/limits.md with its value", () => {
  const page = readFileSync(join(CHECKOUT, "docs/limits.md"), "utf8");
  const wanted = {
    python: ["PATIENCE_MS", "MAX_OUTPUT_BYTES"],
    ports: ["MAX_PROCESSES"],
    certificates: ["LOOKUP_MS"],
  };
  for (const [file, names] of Object.entries(wanted)) {
    const source = readFileSync(join(CHECKOUT, `src/doctor/${file}.ts`), "utf8");
    for (const name of names) {
      const [, value = ""] = new RegExp(`^const ${name} = ([\\d_]+);$`, "m").exec(source) ?? [];
      const number = value.replaceAll("_", "");
      assert.match(page, new RegExp(`\\| \`${name}\` \\| ${number} `), `${name} = ${number}`);
    }
  }
});
