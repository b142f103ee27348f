// Compiled code of changed files goes; all else stays.

import assert from "node:assert/strict";
import { mkdirSync, readdirSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";

import { dropBytecode, dropOutdatedBytecode } from "../../src/supervisor/bytecode.ts";
import { makeScratch } from "../support/scratch.ts";

test("takes away what was compiled of a changed file, for every Python, and nothing else", async (t) => {
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

test("does nothing where nothing was compiled or the folder is gone", async (t) => {
  const folder = makeScratch(t);
  await dropBytecode([join(folder, "app.py"), join(folder, "gone", "a.py")]);
  assert.deepEqual(readdirSync(folder), []);
});

test("takes away what is older than its source, in all folders of the application", async (t) => {
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
