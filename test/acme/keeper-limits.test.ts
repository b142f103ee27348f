// docs/limits.md says the limits of the keeper of certificates as they are.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";

import { CHECKOUT } from "../support/scratch.ts";

const FILES = [
  "certificate-names",
  "certificate-record",
  "challenge-store",
  "dns-hook",
  "folder-lock",
  "keeper",
  "kept-certificate",
  "schedule",
  "state-folder",
  "stored-certificate",
  "whole-file",
];
/** Units, and rights of files. */
const NO_LIMITS: ReadonlySet<string> = new Set([
  "MINUTE_MS",
  "HOUR_MS",
  "DAY_MS",
  "MODE",
  "OTHERS_WRITE",
]);

test("each limit of the keeper is in docs/limits.md with its value", () => {
  const page = readFileSync(join(CHECKOUT, "docs/limits.md"), "utf8");
  const section = page.split("\n## ").find((text) => text.startsWith("Certificates that renew"));
  const rows = (section ?? "").split("\n").filter((line) => line.startsWith("| "));
  let found = 0;
  for (const file of FILES) {
    const source = readFileSync(join(CHECKOUT, `src/acme/${file}.ts`), "utf8");
    const values = new Map<string, number>();
    for (const [, name = "", product = ""] of source.matchAll(
      /^(?:export )?const ([A-Z_]+) = ([\w.]+(?: \* [\w.]+)*);$/gm,
    )) {
      const factors = product.split(" * ").map((factor) => {
        return values.get(factor) ?? Number(factor.replaceAll("_", ""));
      });
      const value = factors.reduce((one, other) => one * other);
      values.set(name, value);
      if (NO_LIMITS.has(name)) continue;
      found += 1;
      const number = new RegExp(`(?<![\\d.])${String(value).replace(".", "\\.")}(?![\\d.]\\d)`);
      assert(
        rows.some((row) => row.includes(`\`${name}\``) && number.test(row)),
        `${name} = ${value} (${file}) in docs/limits.md`,
      );
    }
  }
  assert(found >= 35, `only ${found} limits were found`);
});
