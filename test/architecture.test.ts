// The house: which folder may import which, and what every file must look like. Reads the sources as
// text, so that it sees what is written and depends on no tool that could pass without looking.
// ARCHITECTURE.md says the same in words.

import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { test } from "node:test";

import { missingPackages, readLock } from "../tools/complete-lock.ts";
import { CHECKOUT } from "./support/scratch.ts";

const HEADER_LINES = { least: 1, most: 24 };
/** Names that say nothing of what is inside. */
const EMPTY_NAMES = /(?:^|[-_])(?:utils?|helpers?|managers?|misc|common|part\d+)(?:[-_.]|$)/;

/** What an application and the server are made of. */
const PARTS = [
  "http",
  "net",
  "http1",
  "http2",
  "tls",
  "acme",
  "x509",
  "websocket",
  "processes",
  "cgi",
  "workers",
  "routing",
  "observe",
  "front",
  "handlers/builtin",
  "handlers/policy",
  "handlers/development",
  "handlers/static",
  "handlers/python",
  "handlers/wsgi",
  "handlers/asgi",
  "handlers/cgi",
];

/** A room of src/ → the rooms that it may import. What is not named here may not exist. */
const ROOMS: Readonly<Record<string, readonly string[]>> = {
  http: [],
  net: [],
  // Certificates and the DER that they are made of.
  // Certificates as bytes (X.509, PKCS #10).
  x509: [],
  // What a folder holds: reads files, and knows no option.
  discovery: [],
  config: ["net", "discovery"],
  http1: ["http", "net"],
  http2: ["http", "net"],
  tls: ["http", "net", "x509"],
  // RFC 8555; knows nothing of the server.
  acme: ["net", "x509"],
  websocket: ["http", "net"],
  // Python processes of the server's own, such as launchers.
  processes: ["net"],
  // CGI programs: what they are started with, their launcher, their responses (RFC 3875).
  cgi: ["http", "net", "processes"],
  workers: ["http", "net", "processes"],
  routing: ["http", "net"],
  observe: ["http"],
  front: ["http", "net", "tls"],
  "handlers/static": ["http", "net"],
  "handlers/builtin": ["http", "net"],
  // What a developer sees in a browser.
  "handlers/development": ["http"],
  // What a route asks of its requests, and changes in its responses.
  "handlers/policy": ["http", "net", "config"],
  // What WSGI and ASGI have in common.
  "handlers/python": ["http", "net", "workers", "websocket"],
  "handlers/wsgi": ["http", "net", "workers", "websocket", "handlers/python"],
  "handlers/asgi": ["http", "net", "workers", "websocket", "handlers/python"],
  "handlers/cgi": ["http", "net", "cgi", "handlers/python"],
  "pool-log.ts": ["http", "observe", "processes", "workers"],
  // One Python application as a service; then the one place where all parts are joined.
  "application.ts": [...PARTS, "config", "pool-log.ts"],
  "applications.ts": ["config", "net", "application.ts"],
  "programs.ts": ["cgi", "handlers/cgi", "http", "net", "observe", "config"],
  "site.ts": [...PARTS, "config"],
  "connections.ts": [...PARTS, "config"],
  "certificate-log.ts": ["acme", "observe"],
  "ordered-certificates.ts": ["acme", "net", "tls", "config", "observe", "certificate-log.ts"],
  "certificates.ts": ["acme", "tls", "config", "observe", "ordered-certificates.ts"],
  "server.ts": [
    ...PARTS,
    "config",
    "application.ts",
    "applications.ts",
    "certificates.ts",
    "connections.ts",
    "programs.ts",
    "site.ts",
  ],
  supervisor: ["config", "observe", "application.ts", "connections.ts", "server.ts"],
  "index.ts": ["config", "observe", "application.ts", "server.ts"],
  // What a start would need; starts nothing.
  doctor: ["config", "net", "tls"],
  // The first files of a project.
  init: [],
  // hash-password makes the hashes that a route checks.
  cli: [
    "net",
    "config",
    "doctor",
    "init",
    "observe",
    "supervisor",
    "handlers/policy",
    "tls",
    "server.ts",
  ],
};

interface Import {
  readonly from: string;
  readonly specifier: string;
}

function listFiles(folder: string, suffix: string): string[] {
  return readdirSync(join(CHECKOUT, folder), { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(suffix) && !name.includes("__pycache__"))
    .map((name) => join(folder, name))
    .sort();
}

function read(path: string): string {
  return readFileSync(join(CHECKOUT, path), "utf8");
}

/** Every module that a file names: import and export from, import for its effect, import(). */
function importsOf(path: string): Import[] {
  const pattern =
    /(?:^|\n)\s*(?:import|export)\b[^;"']*?\bfrom\s*["']([^"']+)["']|(?:^|\n)\s*import\s*["']([^"']+)["']|\bimport\(\s*["']([^"']+)["']/g;
  return [...read(path).matchAll(pattern)].map((match) => ({
    from: path,
    specifier: match[1] ?? match[2] ?? match[3] ?? "",
  }));
}

/** "src/handlers/wsgi/wsgi-job.ts" → "handlers/wsgi"; "src/server.ts" → "server.ts". */
function roomOf(path: string): string {
  const [, first = "", second = "", third] = path.split("/");
  return first === "handlers" && third !== undefined ? `${first}/${second}` : first;
}

const SOURCES = listFiles("src", ".ts");
const TESTS = [...listFiles("test", ".ts"), ...listFiles("benchmarks", ".ts")].filter(
  (path) => !path.includes("/.cache/"),
);
const WORKER = listFiles("python/typhon_worker", ".py");
const IMPORTS = SOURCES.flatMap(importsOf);

function targetOf({ from, specifier }: Import): string {
  return relative(CHECKOUT, resolve(CHECKOUT, dirname(from), specifier));
}

function check(faults: readonly string[]): void {
  assert.deepEqual(faults, []);
}

test("finds the sources that it is to judge", () => {
  for (const room of ["http", "net", "config", "workers", "cli", "server.ts"])
    assert(
      SOURCES.some((path) => roomOf(path) === room),
      `nothing in src/${room}`,
    );
  assert(IMPORTS.length > SOURCES.length, "hardly an import was recognised");
  assert(WORKER.length > 0, "no Python worker");
});

test("every file of src/ lies in a room of the plan", () => {
  check(SOURCES.filter((path) => !(roomOf(path) in ROOMS)));
});

test("no room imports what lies above or beside it", () => {
  check(
    IMPORTS.filter(({ specifier }) => specifier.startsWith(".")).flatMap((one) => {
      const room = roomOf(one.from);
      const target = roomOf(targetOf(one));
      const mayImport = target === room || (ROOMS[room] ?? []).includes(target);
      return mayImport ? [] : [`${one.from} imports ${targetOf(one)}`];
    }),
  );
});

test("no file imports itself through others", () => {
  const graph = new Map(SOURCES.map((path) => [path, importsOf(path).map(targetOf)]));
  const finished = new Set<string>();
  const faults: string[] = [];
  const visit = (path: string, way: readonly string[]): void => {
    if (way.includes(path)) faults.push([...way.slice(way.indexOf(path)), path].join(" → "));
    if (finished.has(path) || way.includes(path)) return;
    for (const next of graph.get(path) ?? []) visit(next, [...way, path]);
    finished.add(path);
  };
  for (const path of SOURCES) visit(path, []);
  check(faults);
});

test("every import is a file with its ending, a module of Node, or a declared dependency", () => {
  const parsed: unknown = JSON.parse(read("package.json"));
  assert(typeof parsed === "object" && parsed !== null && "dependencies" in parsed);
  const declared = Object.keys(parsed.dependencies ?? {});
  check(
    IMPORTS.filter(({ specifier }) => {
      if (specifier.startsWith(".")) return !specifier.endsWith(".ts");
      return !specifier.startsWith("node:") && !declared.includes(specifier);
    }).map(({ from, specifier }) => `${from} imports ${specifier}`),
  );
});

test("the published package has all Python that the server starts", () => {
  const parsed: unknown = JSON.parse(read("package.json"));
  assert(typeof parsed === "object" && parsed !== null && "files" in parsed);
  assert(Array.isArray(parsed.files));
  const files: readonly string[] = parsed.files;
  const folders = readdirSync(join(CHECKOUT, "python")).filter((one) => one.startsWith("typhon_"));
  assert(folders.length > 0);
  check(folders.filter((one) => !files.some((kept) => kept.startsWith(`python/${one}/`))));
});

test("the lock file names the packages of every platform, else npm ci refuses it", () => {
  const missing = missingPackages(
    readLock(new URL("../package-lock.json", import.meta.url)).packages,
  );
  assert.deepEqual([...missing.keys()], [], "run: node tools/complete-lock.ts");
});

test("every import of the sources names a file that is there", () => {
  const known = new Set(SOURCES);
  check(
    IMPORTS.filter((one) => one.specifier.startsWith(".") && !known.has(targetOf(one))).map(
      (one) => `${one.from} imports ${one.specifier}`,
    ),
  );
});

test("nothing in src/ knows the tests", () => {
  check(
    IMPORTS.filter((one) => /(?:^|\/)(?:test|benchmarks)\//.test(one.specifier)).map(
      (one) => one.from,
    ),
  );
});

test("every file begins by saying what it holds", () => {
  const faults = [...SOURCES, ...TESTS].filter((path) => {
    const lines = read(path)
      .replace(/^#!.*\n/, "")
      .split("\n");
    const header = lines.findIndex((line) => !line.startsWith("//"));
    return header < HEADER_LINES.least || header > HEADER_LINES.most;
  });
  check(faults);
});

test("every module of the worker begins with a docstring", () => {
  check(WORKER.filter((path) => read(path) !== "" && !/^(?:#.*\n)*r?"""\S/.test(read(path))));
});

test("every name says what is inside, in kebab-case", () => {
  const faults = [...SOURCES, ...TESTS, ...WORKER].filter((path) => {
    const name = path.split("/").at(-1) ?? "";
    const isPlain = name.endsWith(".py") || /^[a-z0-9]+(?:-[a-z0-9]+)*(?:\.test)?\.ts$/.test(name);
    return EMPTY_NAMES.test(name) || !isPlain;
  });
  check(faults);
});

test("no source has a default export, any, a non-null assertion or a console", () => {
  const faults = SOURCES.flatMap((path) => {
    const code = read(path)
      .replaceAll(/\/\*[\s\S]*?\*\/|(?<=^|[\s;{}(),])\/\/.*$/gm, "")
      .replaceAll(/"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'|`(?:[^`\\]|\\.)*`/g, '""');
    const found =
      /\bexport default\b|[:<|&]\s*any\b|\bas any\b|[\w)\]]!(?:[.;,)[]|$)|\bconsole\.\w/m.exec(
        code,
      );
    return found === null ? [] : [`${path}: ${found[0]}`];
  });
  check(faults);
});

test("no test is skipped, put off or run alone", () => {
  const pattern = /\b(?:test|it|describe|suite|t)\.(?:skip|todo|only)\b|\{ (?:skip|todo)\b/;
  check(
    TESTS.filter(
      (path) => path.endsWith(".test.ts") && !path.endsWith("architecture.test.ts"),
    ).filter((path) => pattern.test(read(path))),
  );
  const python = listFiles("python/tests", ".py");
  check(python.filter((path) => /pytest\.(?:mark\.(?:skip|xfail)|skip\()/.test(read(path))));
});

test("no test module stands beside nothing: each room's tests lie in a folder of its name", () => {
  const rooms = new Set([...Object.keys(ROOMS), "e2e", "conformance", "packages"]);
  // Tests of the whole tree, of its sources or of its documentation, stand at the top.
  const isOfTree = (path: string): boolean => /^test\/[\w-]*(?:architecture|docs)/.test(path);
  check(
    listFiles("test", ".test.ts").filter((path) => {
      const room = roomOf(path).replace(/\.test\.ts$/, ".ts");
      return !rooms.has(room) && !rooms.has(path.split("/")[1] ?? "") && !isOfTree(path);
    }),
  );
});
