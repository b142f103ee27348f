// The plan of the Python worker: which package may import which, no circles, and how every module
// begins. Reads the sources as text, as architecture.test.ts does for src/. Imports for type checking
// count, too: a reader follows them as well.

import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";

import { CHECKOUT } from "./support/scratch.ts";

const ROOT = "python/typhon_worker";

/** A package → the packages that it may import. "" is main.py, which joins them. */
const PACKAGES: Readonly<Record<string, readonly string[]>> = {
  wire: [],
  process: ["wire"],
  application: ["wire", "process"],
  wsgi: ["wire", "process", "application"],
  asgi: ["wire", "process", "application"],
  cgi: ["wire", "process"],
  // A program of its own: it runs configuration files that are programs.
  conf: [],
  // What a developer sees of exceptions; imported only then.
  development: ["wire", "process", "application"],
  "": ["wire", "process", "application", "wsgi", "asgi", "development"],
};

/** Modules of the standard library that take long to import. Only asgi/ and functions may. */
const SLOW = new Set([
  "asyncio",
  "ctypes",
  "difflib",
  "inspect",
  "traceback",
  "typing",
  "urllib",
  "http",
]);

interface Import {
  readonly from: string;
  /** A module of the worker, "wire/frames", or a name of another library. */
  readonly target: string;
  readonly isOurs: boolean;
  readonly indent: string;
}

/** "wire/frames", "main"; a package stands for its __init__.py. */
const MODULES = readdirSync(join(CHECKOUT, ROOT), { recursive: true, encoding: "utf8" })
  .filter((name) => name.endsWith(".py"))
  .map((name) => name.replace(/\.py$/, "").replace(/(?:^|\/)__init__$/, ""))
  .sort();

function read(module: string): string {
  const folder = join(CHECKOUT, ROOT, module);
  const asPackage = join(folder, "__init__.py");
  return readFileSync(existsSync(asPackage) ? asPackage : `${folder}.py`, "utf8");
}

function packageOf(module: string): string {
  if (module in PACKAGES) return module;
  return module.includes("/") ? module.slice(0, module.indexOf("/")) : "";
}

/** Joins a package and a name that may be a module of it: "from .wire import frames". */
function moduleOf(place: string, name: string): string {
  const inside = place === "" ? name : `${place}/${name}`;
  return MODULES.includes(inside) ? inside : place;
}

/** "." and "wire.frames" in a module of asgi/ → "asgi/wire/frames". */
function resolveDots(from: string, dots: string, path: string): string {
  const parts = MODULES.some((one) => one.startsWith(`${from}/`))
    ? [from]
    : from.split("/").slice(0, -1);
  const base = parts.slice(0, parts.length - (dots.length - 1));
  return [...base, ...path.split(".").filter((part) => part !== "")].join("/");
}

function importsOf(from: string): Import[] {
  const source = read(from).replace(/^(?:#.*\n)*r?"""[\s\S]*?"""/, "");
  const found: Import[] = [];
  const pattern = /^( *)(?:from (\.*)([\w.]*) import (\([^)]*\)|.*)|import (.*))$/gm;
  for (const [, indent = "", dots = "", path = "", names = "", plain] of source.matchAll(pattern)) {
    if (plain !== undefined) {
      for (const one of plain.split(","))
        found.push({ from, target: one.trim().split(/[ .]/)[0] ?? "", isOurs: false, indent });
    } else if (dots !== "" || path.split(".")[0] === "typhon_worker") {
      const place =
        dots === "" ? path.split(".").slice(1).join("/") : resolveDots(from, dots, path);
      for (const name of names
        .replaceAll(/[()\s]/g, " ")
        .split(",")
        .map((one) => one.trim()))
        if (name !== "")
          found.push({
            from,
            target: moduleOf(place, name.split(" ")[0] ?? ""),
            isOurs: true,
            indent,
          });
    } else {
      found.push({ from, target: path.split(".")[0] ?? "", isOurs: false, indent });
    }
  }
  return found;
}

const IMPORTS = MODULES.flatMap(importsOf);
const OURS = IMPORTS.filter(({ isOurs }) => isOurs);

test("finds the modules and imports that it is to judge", () => {
  for (const module of ["main", "wire/frames", "process/launcher", "wsgi/server", "asgi/server"])
    assert(MODULES.includes(module), `no module ${module}`);
  for (const { from, target } of OURS)
    assert(MODULES.includes(target), `${from} imports ${target}, which is no module`);
  assert(OURS.some(({ from, target }) => from === "main" && target === "asgi/worker"));
  assert(OURS.length > 2 * MODULES.length, "hardly an import was recognised");
});

test("every module lies in a package of the plan", () => {
  const faults = MODULES.filter((module) => {
    const [first = "", ...rest] = module.split("/");
    return (
      rest.length > 1 ||
      (rest.length === 1
        ? !(first in PACKAGES)
        : !["", "main"].includes(module) && !(module in PACKAGES))
    );
  });
  assert.deepEqual(faults, []);
});

test("no package imports one that lies above or beside it", () => {
  const faults = OURS.filter(({ from, target }) => {
    const [mine, theirs] = [packageOf(from), packageOf(target)];
    return mine !== theirs && !(PACKAGES[mine] ?? []).includes(theirs);
  });
  assert.deepEqual(
    faults.map(({ from, target }) => `${from} imports ${target}`),
    [],
  );
});

test("no module imports itself through others", () => {
  const graph = new Map(
    MODULES.map((module) => [
      module,
      OURS.filter(({ from }) => from === module).map(({ target }) => target),
    ]),
  );
  const finished = new Set<string>();
  const faults: string[] = [];
  const visit = (module: string, way: readonly string[]): void => {
    if (way.includes(module)) faults.push([...way.slice(way.indexOf(module)), module].join(" → "));
    if (finished.has(module) || way.includes(module)) return;
    for (const next of graph.get(module) ?? []) visit(next, [...way, module]);
    finished.add(module);
  };
  for (const module of MODULES) visit(module, []);
  assert.deepEqual(faults, []);
});

test("the launcher imports nothing slow at its start", () => {
  const faults = IMPORTS.filter(
    ({ from, target, indent }) => SLOW.has(target) && indent === "" && packageOf(from) !== "asgi",
  );
  assert.deepEqual(
    faults.map(({ from, target }) => `${from} imports ${target}`),
    [],
  );
});

test("only main imports the interfaces, and ASGI only when it is needed", () => {
  const faults = OURS.filter(
    ({ from, target, indent }) =>
      packageOf(from) !== "asgi" &&
      packageOf(target) === "asgi" &&
      (from !== "main" || indent === ""),
  );
  assert.deepEqual(
    faults.map(({ from }) => from),
    [],
  );
});

/** Modules whose code runs before the application is imported, and the one that wants what it has patched. */
const BEFORE_IMPORT = new Set([
  "cgi/launcher",
  "cgi/run",
  "cgi/templates",
  "main",
  "process/hook_processes",
  "process/launcher",
  "process/native",
  "process/process_setup",
  "process/reaper",
  "process/run_directory",
  "process/sd_notify",
  "wsgi/client_socket",
  "conf/gunicorn_settings",
]);

test("code that runs after the application's import waits by process/native alone", () => {
  const replaced =
    /\b(?:time\.sleep|select\.|selectors\.\w+\(|socket\.socket\b|threading\.(?!enumerate|main_thread|_shutdown|__file__)|os\.(?:read|write|writev)\()|from (?:_thread|select|threading) import (?!get_native_id\n)|from time import .*sleep|from socket import .*\bsocket\b/;
  const faults = MODULES.filter((module) => !BEFORE_IMPORT.has(module)).flatMap((module) => {
    const code = read(module).replaceAll(/"""[\s\S]*?"""|#.*/g, "");
    const found = replaced.exec(code);
    return found === null ? [] : [`${module}: ${found[0]}`];
  });
  assert.deepEqual(faults, []);
});

test("every module begins with a docstring", () => {
  assert.deepEqual(
    MODULES.filter((module) => !/^(?:#.*\n)*r?"""\S/.test(read(module))),
    [],
  );
});
