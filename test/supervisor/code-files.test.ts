// Which names are an application's code.

import assert from "node:assert/strict";
import { test } from "node:test";

import { isCodeFile, isCodeFolder } from "../../src/supervisor/code-files.ts";

const CODE =
  "app.py __init__.py settings.toml app.ini setup.cfg page.html a.jinja a.html.jinja2 .env .env.local dev.env päge.html";
for (const name of CODE.split(" "))
  test(`${name} is the application's`, () => assert(isCodeFile(name)));

const NO_CODE =
  "app.pyc app.py~ .app.py.swp 4913 .#app.py #app.py# app.py___jb_tmp___ flycheck_app.py app_flymake.py " +
  ".goutputstream-X1 ~app.py pyvenv.cfg db.sqlite3 app.log a.css .coverage py .env~ .hidden.py";
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
