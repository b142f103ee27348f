// CGI routes of flags and of typhon.toml: what they run, whose options count, which places are mistakes, and what a
// site of files does with a cgi-bin folder.

import assert from "node:assert/strict";
import { chmodSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";

import { MAX_PRELOADED } from "../../src/config/cgi-options.ts";
import type { CgiTarget, Configuration } from "../../src/config/configuration.ts";
import { usableCores } from "../../src/config/cores.ts";
import { load, programConfiguration } from "../../src/config/load.ts";
import { OperatorError } from "../../src/config/operator-error.ts";
import { readToml } from "../../src/config/toml-file.ts";
import { FILE } from "../support/file-scope.ts";
import { makeScratch } from "../support/scratch.ts";

const scratch = makeScratch(FILE);
const bin = join(scratch, "bin");
for (const folder of ["bin", "programs", "shop/.venv/bin", "shop/programs", "www/cgi-bin"])
  mkdirSync(join(scratch, folder), { recursive: true });
for (const [name, mode] of [
  ["bin/python3", 0o755],
  ["shop/.venv/bin/python", 0o755],
  ["hello", 0o755],
  ["module.py", 0o644],
  ["plain", 0o644],
  ["www/index.html", 0o644],
  ["www/cgi-bin/hello.py", 0o755],
] as const) {
  writeFileSync(join(scratch, name), "#!/bin/sh\n");
  chmodSync(join(scratch, name), mode);
}

function site(...words: string[]): Configuration {
  return load(words, { PATH: bin }, scratch);
}

function siteOf(text: string, ...words: string[]): Configuration {
  writeFileSync(join(scratch, "site.toml"), text);
  return site("-c", "site.toml", ...words);
}

function targets({ routes }: Configuration): CgiTarget[] {
  return routes.flatMap(({ target }) => (target.kind === "cgi" ? [target] : []));
}

/** The lines of the mistakes that these words make. */
function mistakes(make: () => unknown): string[] {
  try {
    make();
  } catch (error) {
    assert.ok(error instanceof OperatorError, String(error));
    return error.text.split("\n");
  }
  return assert.fail("no mistake");
}

describe("routes of programs", () => {
  test("a folder, or one program that gets every path below its own", () => {
    const { routes, cgi, applications } = site("--cgi", "/p=programs", "--cgi", "/one=hello");
    assert.deepEqual(applications, []);
    const target = {
      kind: "cgi",
      python: "",
      isWarm: true,
      preload: [],
      passesAuthorization: false,
      env: {},
      timeoutMs: 30_000,
      routeTimeouts: [],
    };
    assert.partialDeepStrictEqual(routes, [
      { host: "", path: "/one", target: { ...target, place: join(scratch, "hello") } },
      { host: "", path: "/p", target: { ...target, place: join(scratch, "programs") } },
    ]);
    assert.deepEqual(cgi, {
      python: join(bin, "python3"),
      concurrency: 4 * usableCores(),
      queue: 1000,
      queueTimeoutMs: 5000,
      templateIdleMs: 300_000,
      maxResponseSpill: 1_073_741_824,
    });
    assert.equal(site("app:app").cgi, null);
  });
  test("a route's own options stand above those of the top level; variables are added", () => {
    const configuration = siteOf(`
      cgi = "/cgi-bin=programs"
      cgi-env = { A = "top", B = "top" }
      timeout = [10, "/cgi-bin/slow=60"]
      [[routes]]
      path = "/own"
      cgi = "shop/programs"
      cgi-env = { B = "own" }
      cgi-run-py = true
      cgi-warm = "off"
      cgi-preload = ["numpy", "a.b"]
      cgi-pass-authorization = true
      timeout = 5`);
    const [top, own] = targets(configuration);
    assert.partialDeepStrictEqual(top, {
      env: { A: "top", B: "top" },
      timeoutMs: 10_000,
      routeTimeouts: [{ prefix: "/cgi-bin/slow", ms: 60_000 }],
      python: "",
    });
    assert.partialDeepStrictEqual(own, {
      env: { A: "top", B: "own" },
      timeoutMs: 5000,
      routeTimeouts: [],
      isWarm: false,
      preload: ["numpy", "a.b"],
      passesAuthorization: true,
      // The virtual environment beside the folder.
      python: join(scratch, "shop/.venv/bin/python"),
    });
  });
  test("--python is the interpreter of the launcher and of .py files", () => {
    const python = join(scratch, "hello");
    const configuration = site("--cgi", "/p=programs", "--cgi-run-py", "--python", "./hello");
    assert.equal(configuration.cgi?.python, python);
    assert.equal(targets(configuration)[0]?.python, python);
  });
  test("TYPHON_CGI_ENV has a variable on each line, TYPHON_CGI a route for each word", () => {
    const environment = {
      PATH: bin,
      TYPHON_CGI: "/a=programs,/b=hello",
      TYPHON_CGI_ENV: "A=1, 2\nB=3",
    };
    const configuration = load([], environment, scratch);
    assert.deepEqual(
      targets(configuration).map(({ env }) => env),
      Array.from({ length: 2 }, () => ({ A: "1, 2", B: "3" })),
    );
  });
  test("a program has them as options of createServer", () => {
    const table = readToml('cgi = "/p=programs"\n[cgi-env]\nA = "b"', "t");
    const configuration = programConfiguration(table, { PATH: bin }, scratch);
    assert.deepEqual(targets(configuration)[0]?.env, { A: "b" });
  });
});

describe("mistakes", () => {
  const modules = Array.from({ length: MAX_PRELOADED + 1 }, (_, at) => `--cgi-preload=m${at}`);
  for (const [words, line] of [
    [["--cgi", "/p=gone"], /^--cgi '\/p=gone' is no folder and no program; name one that exists$/],
    [["--cgi", "p=programs"], /^--cgi 'p=programs' is no .*; write '\/p=programs'$/],
    [
      ["--cgi", "/p=programs", "--cgi-env", "A"],
      /^--cgi-env 'A' must be NAME=VALUE, such as LANG=/,
    ],
    [["--cgi", "/p="], /^--cgi '\/p=' must be DIR or \/PREFIX=DIR/],
    [["--cgi", "/p=plain"], /^--cgi '\/p=plain' is a file that this user may not run: chmod \+x /],
    [["--cgi", "/p=module.py"], /may not run: chmod \+x '.*module\.py', or --cgi-run-py$/],
    [
      ["--cgi", "/p=programs", "--cgi", "/p=hello"],
      /^--cgi '\/p=hello' has the same host and path as --cgi '\/p=programs': every host, '\/p'$/,
    ],
    [["--cgi", "/=programs", "app:app"], /has the same host and path as application 'app:app'/],
    [["--cgi", "/p=programs", "--python", "gone"], /^--python 'gone' is not on PATH/],
    [["--cgi", "/p=programs", ...modules], /^--cgi-preload has 65 modules; give at most 64$/],
  ] as const)
    test(words.slice(0, 4).join(" "), () => {
      const [first, second] = mistakes(() => site(...words));
      assert.match(first ?? "", line);
      assert.equal(second, undefined);
    });
  test("keys of programs are for routes of programs alone", () => {
    const keys = [
      'python = "python3"',
      "timeout = 5",
      "cgi-run-py = true",
      'cgi-env = { A = "b" }',
    ];
    for (const key of keys)
      assert.match(
        mistakes(() => siteOf(`[[routes]]\nrespond = 404\n${key}`))[0] ?? "",
        /^site\.toml:1: \[\[routes\]\] has [a-z-]+, which is for cgi, not for respond$/,
      );
  });
  test("a file of Python may be the program with --cgi-run-py", () => {
    const [target] = targets(site("--cgi", "/p=module.py", "--cgi-run-py"));
    assert.deepEqual(
      [target?.place, target?.python],
      [join(scratch, "module.py"), join(bin, "python3")],
    );
  });
});

describe("a site of files with a cgi-bin folder", () => {
  const absent = { host: "", path: "/cgi-bin", target: { kind: "respond", status: 404 } };
  test("its programs are neither run nor sent, and a notice says how they are run", () => {
    const usual = join(scratch, "www/cgi-bin");
    for (const { routes, notices } of [site("./www"), siteOf('app = "./www"')]) {
      assert.partialDeepStrictEqual(routes, [absent, { path: "", target: { kind: "static" } }]);
      assert.deepEqual(notices, [
        `the programs of ${usual} are not run, and their source is not sent; to run them: --cgi /cgi-bin=${usual}`,
      ]);
    }
  });
  test("with --cgi they are run, and no notice is left", () => {
    const { routes, notices } = site("./www", "--cgi", "/cgi-bin=www/cgi-bin");
    assert.partialDeepStrictEqual(routes, [
      { path: "/cgi-bin", target: { kind: "cgi" } },
      { path: "", target: { kind: "static" } },
    ]);
    assert.deepEqual(notices, []);
  });
  test("Python files elsewhere in the folder are refused as ever", () => {
    mkdirSync(join(scratch, "mixed/cgi-bin"), { recursive: true });
    for (const name of ["cgi-bin/a.py", "b.py"]) writeFileSync(join(scratch, "mixed", name), "");
    assert.match(mistakes(() => site("./mixed"))[0] ?? "", /with Python files \('b\.py'\)/);
  });
});
