// docs/limits.md says the limits of CGI programs as they are.

import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";

import { CHECKOUT } from "../support/scratch.ts";

const FOLDERS = ["src/cgi", "src/handlers/cgi", "python/typhon_worker/cgi"];
const FILES = ["src/http/local-redirect.ts", "src/config/cgi-options.ts"];
/** A name that a limit has: no table, path or size of a read. */
const LIMIT =
  /^(?:export )?(?:const )?((?:MAX_[A-Z_]+)|(?:[A-Z][A-Z_]+_(?:MS|SECONDS|BYTES))) = ([\d_.]+);?$/gm;

test("each limit of CGI programs is in docs/limits.md with its value", () => {
  const page = readFileSync(join(CHECKOUT, "docs/limits.md"), "utf8");
  const [, section = ""] = /^## CGI programs\n(.*?)^## /ms.exec(page) ?? [];
  const rows = section.split("\n").filter((line) => line.startsWith("| "));
  const inFolders = FOLDERS.flatMap((folder) =>
    readdirSync(join(CHECKOUT, folder))
      .filter((name) => /\.(?:ts|py)$/.test(name))
      .map((name) => join(folder, name)),
  );
  let found = 0;
  for (const file of [...inFolders, ...FILES])
    for (const [, name = "", value = ""] of readFileSync(join(CHECKOUT, file), "utf8").matchAll(
      LIMIT,
    )) {
      found += 1;
      const number = new RegExp(`\\b${Number(value.replaceAll("_", ""))}\\b`);
      assert(
        rows.some((row) => row.includes(`\`${name}\``) && number.test(row)),
        `${name} = ${value} (${file}) in docs/limits.md`,
      );
    }
  assert(found >= 15, `only ${found} limits were found`);
});
