// Names that count as an application's code, and bytecode: only that of changed files is deleted.

import assert from "node:assert/strict";
import { mkdirSync, readdirSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";

import {
  dropBytecode,
  dropOutdatedBytecode,
  fitsPattern,
  isCodeFile,
  isPageFile,
  isCodeFolder,
} from "../../src/supervisor/code-files.ts";
import { makeScratch } from "../support/scratch.ts";

const CODE =
  "app.py __init__.py settings.toml app.ini setup.cfg page.html a.jinja a.html.jinja2 .env .env.local dev.env päge.html";
for (const name of CODE.split(" "))
  test(`${name} is the application's`, () => assert(isCodeFile(name)));

const NO_CODE =
  "app.pyc app.py~ .app.py.swp 4913 .#app.py #app.py# app.py___jb_tmp___ flycheck_app.py app_flymake.py " +
  ".goutputstream-X1 ~app.py pyvenv.cfg db.sqlite3 app.log a.css .coverage py .env~ .hidden.py";
const PAGE_FILES =
  "a.css js/a.js a.mjs static/a.png x/assets/b/c.woff2 public/logo.svg cgi-bin/a.cgi";
const NO_PAGE_FILES =
  "a.py a.html .a.css.swp a.css~ #a.css# uploads/a.png plot.png a.txt a.sqlite3 static/a.csv";
for (const name of PAGE_FILES.split(" "))
  test(`${name} is a page's`, () => assert(isPageFile(`/srv/${name}`)));
for (const name of NO_PAGE_FILES.split(" "))
  test(`${name} is no page's`, () => assert(!isPageFile(`/srv/${name}`)));

for (const name of NO_CODE.split(" ")) test(`${name} is not`, () => assert(!isCodeFile(name)));

for (const [name, expected] of [
  ["shop", true],
  ["venv", true],
  [".venv", false],
  [".git", false],
  ["__pycache__", false],
  ["node_modules", false],
  ["site-packages", false],
] as const)
  test(`${name} ${expected ? "may hold" : "holds no"} code`, () =>
    assert.equal(isCodeFolder(name), expected));

test("deletes the bytecode of a changed file, of every Python version, and nothing else", async (t) => {
  const folder = makeScratch(t);
  const cache = join(folder, "__pycache__");
  mkdirSync(cache);
  const names =
    "app.cpython-311.pyc app.cpython-312.opt-1.pyc app.pypy310.pyc app_two.cpython-311.pyc two.cpython-311.pyc app.txt";
  for (const name of names.split(" ")) writeFileSync(join(cache, name), "");
  await dropBytecode([join(folder, "app.py"), join(folder, "two.html")]);
  assert.deepEqual(readdirSync(cache).sort(), [
    "app.txt",
    "app_two.cpython-311.pyc",
    "two.cpython-311.pyc",
  ]);
});

test("does nothing without bytecode and without the folder", async (t) => {
  const folder = makeScratch(t);
  await dropBytecode([join(folder, "app.py"), join(folder, "gone", "a.py")]);
  assert.deepEqual(readdirSync(folder), []);
});

test("deletes bytecode older than its source, in all folders of the application", async (t) => {
  const folder = makeScratch(t);
  const write = (name: string, seconds: number): void => {
    writeFileSync(join(folder, name), "");
    utimesSync(join(folder, name), seconds, seconds);
  };
  for (const place of ["", "pkg", ".venv", "env"]) {
    mkdirSync(join(folder, place, "__pycache__"), { recursive: true });
    for (const [name, compiled] of [
      ["old", 1000.4],
      ["same", 1000.5],
      ["new", 1000.6],
    ] as const) {
      write(join(place, `${name}.py`), 1000.5);
      write(join(place, "__pycache__", `${name}.cpython-311.pyc`), compiled);
    }
    write(join(place, "__pycache__", "alone.cpython-311.pyc"), 1);
  }
  write("env/pyvenv.cfg", 1);
  await dropOutdatedBytecode([folder, join(folder, "gone")]);
  const left = (place: string): string[] =>
    readdirSync(join(folder, place, "__pycache__")).map((name) => name.replace(/\..*/, ""));
  for (const place of ["", "pkg"]) assert.deepEqual(left(place).sort(), ["alone", "new", "same"]);
  for (const place of [".venv", "env"]) assert.equal(left(place).length, 4);
});

for (const [path, pattern, expected] of [
  ["menu.yaml", "*.yaml", true],
  ["deep/er/menu.yaml", "*.yaml", true],
  ["menu.yml", "*.yaml", false],
  ["tests/test_a.py", "tests", true],
  ["tests/test_a.py", "tests/", true],
  ["shop/tests/unit/test_a.py", "tests", true],
  ["shop/tests/unit/test_a.py", "tests/*.py", false],
  ["shop/tests/test_a.py", "tests/*.py", true],
  ["contests/a.py", "tests", false],
  ["a.py", "/root/of/.hidden/code/a.py", true],
  ["sub/a.py", "/root/of/.hidden/code/sub", true],
] as const)
  test(`${path} ${expected ? "fits" : "does not fit"} the pattern ${pattern}`, () => {
    // A folder above the watched one may be hidden.
    const folder = "/root/of/.hidden/code";
    assert.equal(fitsPattern(join(folder, path), ["/elsewhere", folder], [pattern]), expected);
  });
