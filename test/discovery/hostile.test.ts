// Sources that somebody has written to keep a start waiting, or to end it: each is read in bounded time, and none
// throws. Random ones print their seed.

import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";

import fc from "fast-check";

import { MAX_ENTRIES } from "../../src/discovery/python-files.ts";
import { folderWith, look, words, type Tree } from "./folder.ts";

function django(settings: string): Tree {
  return {
    "manage.py": "os.environ.setdefault('DJANGO_SETTINGS_MODULE', 'p.settings')",
    "p/__init__.py": "",
    "p/settings.py": `WSGI_APPLICATION = 'p.wsgi.application'\n${settings}`,
    "p/wsgi.py": "application = 1",
  };
}

const doubled = Array.from({ length: 60 }, (_, at) => `A${at + 1} = A${at} + A${at}`).join("\n");
const BOMBS: readonly (readonly [what: string, tree: Tree])[] = [
  ["an import with many dots", { "main.py": `from ${".".repeat(200_000)}x import app` }],
  ["an import of many names", { "main.py": `from ${"a.".repeat(125_000)}b import app` }],
  ["brackets that are never closed", { "main.py": "((((((]]]]{{{{'''".repeat(15_000) }],
  ["a sum of many terms", { "main.py": `app = ${"a+".repeat(120_000)}1` }],
  ["a call of a call", { "main.py": `app = a${"()".repeat(120_000)}` }],
  ["a URL of slashes", django(`STATIC_URL = 'a${"/".repeat(250_000)}x'\nSTATIC_ROOT = '/tmp'`)],
  ["a text that doubles", django(`A0 = 'x'\n${doubled}\nSTATIC_URL = 's/'\nSTATIC_ROOT = A60`)],
  [
    "settings by a name of many parts",
    {
      "manage.py": `os.environ.setdefault('DJANGO_SETTINGS_MODULE', '${"a.".repeat(125_000)}b')`,
    },
  ],
];

describe("is read in bounded time", () => {
  for (const [what, tree] of BOMBS)
    test(what, { timeout: 30_000 }, () => {
      assert(["app", "nothing"].includes(look(folderWith(tree)).what));
    });
});

test("no random source throws", () => {
  const word = fc.constantFrom(
    ..."( ) [ ] { } : , . = == * ** -> @ \\ ' \" ''' # \n \t \0 \uFEFF \u{1F600} é if elif else def class from import app".split(
      " ",
    ),
    ..."return yield lambda Flask() __name__ '__main__' async with try except match case for in not or".split(
      " ",
    ),
    " ",
    "\n    ",
  );
  const source = fc.array(word, { maxLength: 400 }).map((all) => all.join(" "));
  fc.assert(
    fc.property(source, (text) => {
      look(folderWith({ "main.py": text, "gunicorn.conf.py": text, "manage.py": text }));
    }),
    { numRuns: 150 },
  );
});

test("a folder with more files than are looked at is no site by itself", () => {
  const folder = folderWith({ "index.html": "", "z/deep/server/app.py": "x = 1" });
  const packages = join(folder, "z/a");
  mkdirSync(packages);
  for (let at = 0; at < MAX_ENTRIES; at += 1) writeFileSync(join(packages, `${at}.js`), "");
  assert.match(words(folder, look(folder)), /^index.html is here, but .*: typhon \. serves all/m);
});
