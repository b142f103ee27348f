// docs/typhon.schema.json: what the table of options renders, a valid JSON Schema, and of one mind with Typhon
// about which files are right.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, test } from "node:test";

import { Ajv } from "ajv";

import { readTables } from "../../src/config/file-tables.ts";
import { programConfiguration } from "../../src/config/load.ts";
import type { Located, Table } from "../../src/config/located.ts";
import { Mistakes, OperatorError } from "../../src/config/operator-error.ts";
import { FILE_KEYS } from "../../src/config/schema.ts";
import { readToml } from "../../src/config/toml-file.ts";
import { FILE } from "../support/file-scope.ts";
import { makeScratch } from "../support/scratch.ts";
import { renderSchema, schemaOfFile } from "../../tools/render-schema.ts";

const scratch = makeScratch(FILE);
const page = readFileSync(new URL("../../docs/options.md", import.meta.url), "utf8");
const accepts = new Ajv({ strict: true, strictRequired: false }).compile(schemaOfFile());

/** A file as the plain values that an editor would check. */
function plain(text: string): unknown {
  return object(readToml(text, "t"));
}

function object(table: Table): unknown {
  return Object.fromEntries([...table].map(([key, located]) => [key, valueOf(located)]));
}

function valueOf(located: Located): unknown {
  if (located.kind === "table") return object(located.entries);
  if (located.kind === "array") return located.items.map(valueOf);
  if (located.kind === "boolean") return located.text === "true";
  return located.kind === "number" ? Number(located.text) : located.text;
}

test("is what the table renders (node tools/render-schema.ts)", () => {
  const url = new URL("../../docs/typhon.schema.json", import.meta.url);
  assert.equal(readFileSync(url, "utf8"), renderSchema());
});

test("accepts the example of docs/options.md", () => {
  const example = /```toml\n(?<text>[\s\S]*?)```/.exec(page)?.groups?.["text"] ?? "";
  assert.ok(example.includes("[[routes]]"));
  assert.ok(accepts(plain(example)), JSON.stringify(accepts.errors));
});

describe("knows each key of each level", () => {
  const whole: Record<string, unknown> = { apps: {}, routes: [] };
  for (const { name } of FILE_KEYS.top) whole[name] = null;
  for (const name of Object.keys(whole))
    test(name, () => {
      accepts({ [name]: name === "apps" ? {} : [] });
      const isUnknown = accepts.errors?.some(({ keyword }) => keyword === "additionalProperties");
      assert.notEqual(isUnknown, true);
    });
});

const RIGHT = [
  "workers = 2\nmax-body = '10M'\nlimit-request-line = 4096\ntimeout = [30, '/a=5', 2.5]\nhealth = true\nport = 80",
  "bind = [':1', 'unix:s']\nenv = { A = 'b', N = 1 }\nforwarded-allow-ips = ['10.0.0.0/8']\nstatic = '/s=public'",
  "[apps.a]\napp = 'a:a'\ndir = '.'\nthreads = 1\nsendfile = ['/p=q']\n[[routes]]\napp = 'a'\nhost = ['a', '*.b']",
  "[[routes]]\nredirect = '/x'\nstatus = 301\nallow = '10.0.0.0/8'\nheaders = { A = 'b', C = false }",
  "certfile = ['a', 'b']\nkeyfile = 'c'\ncert-reqs = 2\nhttp2 = false\nhsts = 300\ntls = 'internal'\ndomain = 'a.example'",
  "[[certificates]]\ncertfile = 'a'\n[[certificates]]\ncertfile = 'b'\nkeyfile = 'c'\nkeyfile-password-file = 'd'",
  "[[client-certificates]]\nhost = ['a', '*.b']\ncert-reqs = 'required'\nca-certs = 'ca'",
  "cgi = '/cgi-bin=.'\ncgi-env = { A = 'b' }\n[[routes]]\ncgi = '.'\npath = '/a'\ncgi-env = { A = 'b' }\ntimeout = 5\ncgi-warm = 'off'",
  "[[routes]]\nrespond = 404\n[[routes]]\nrespond = 'x'\npath = '/straße'\ncompress = 'all'",
];
for (const text of RIGHT)
  test(`accepts ${JSON.stringify(text)}`, () => {
    assert.ok(accepts(plain(text)), JSON.stringify(accepts.errors));
  });

const WRONG = [
  "workers = 0",
  "workers = '2'",
  "timeout = -1",
  "max-body = '10MB'",
  "health = 'yes'",
  "log-level = 'loud'",
  "nonsense = 1",
  "config = 'x'",
  "env = 'A=b'",
  "[apps.a]\nworkers = 1",
  "[apps.a]\napp = 'a:a'\nkeep-alive = 1",
  "[apps.'a b']\napp = 'a:a'",
  "[routes]\nrespond = ''",
  "cert-reqs = 'always'",
  "tls = true",
  "[[certificates]]\nkeyfile = 'c'",
  "[[certificates]]\ncertfile = 'a'\nhost = 'b'",
  "[[client-certificates]]\ncert-reqs = 'none'",
  "[certificates]\ncertfile = 'a'",
  "[[routes]]\npath = '/'",
  "[[routes]]\nrespond = ''\nstatic = 'x'",
  "[[routes]]\nrespond = ''\npath = 'x'",
  "[[routes]]\nrespond = ''\nheaders = { A = true }",
  "[[routes]]\nrespond = ''\nnonsense = 1",
];
for (const text of WRONG)
  test(`refuses ${JSON.stringify(text)}`, () => assert.equal(accepts(plain(text)), false));

/** Values as TOML writes them. */
const LITERALS = [
  "true",
  "false",
  "-1",
  "0",
  "1",
  "404",
  "70000",
  "2.5",
  "1e400",
  "1979-05-27",
  "''",
  "'x'",
  "'/x'",
  "'/x=y'",
  "'10M'",
  "'auto'",
  "'off'",
  "'0660'",
  "'A=b'",
  "'a:b'",
  "'unix:s'",
  "'10.0.0.0/8'",
  "'index.html'",
  "[]",
  "[1]",
  "[true]",
  "['x']",
  "['/x=y', '/z']",
  "['10.0.0.0/8', '::1']",
  "['A=b']",
  "[[1]]",
  "[{ A = 'b' }]",
  "{}",
  "{ A = 'b' }",
  "{ A = false }",
  "{ A = [1] }",
];

describe("what Typhon takes for a key, the schema accepts, and nothing crashes", () => {
  for (const level of ["top", "app", "route"] as const)
    for (const { name, alias } of FILE_KEYS[level])
      for (const key of alias === null ? [name] : [name, alias])
        test(`${level}: ${key}`, () => {
          for (const literal of LITERALS) {
            const text = `${HEADS[level](key)}\n${key} = ${literal}\n`;
            const table = readToml(text, "t");
            const mistakes = new Mistakes();
            readTables(table, scratch, mistakes);
            const isTaken = !throws(() => mistakes.end());
            if (level === "route" ? isServed(table) : isTaken)
              assert.ok(accepts(plain(text)), `${text}: ${JSON.stringify(accepts.errors)}`);
          }
        });
});

const HEADS: Readonly<Record<"top" | "app" | "route", (key: string) => string>> = {
  top: () => "",
  app: (key) => `[apps.a]\n${key === "app" ? "" : "app = 'a:a'"}`,
  route: (key) =>
    `[[routes]]\n${["app", "static", "redirect", "respond"].includes(key) ? "" : "respond = ''"}`,
};

/** Some mistakes of a route show only together with its other keys. */
function isServed(table: Table): boolean {
  return !throws(() => programConfiguration(table, process.env, scratch));
}

function throws(run: () => void): boolean {
  try {
    run();
    return false;
  } catch (error) {
    assert.ok(error instanceof OperatorError, String(error));
    return true;
  }
}
