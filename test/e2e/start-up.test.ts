// Starts that fail: each mistake of an operator ends in one clear line (or the application's own
// traceback), exit code 2 or 3, and nothing left running. What an application's name may mean, and how it
// fails, is in python/tests (the importer); the options are in test/config/load.test.ts.

import assert from "node:assert/strict";
import { createServer } from "node:net";
import { join } from "node:path";
import { test } from "node:test";

import { APPS, type Scope } from "../support/scratch.ts";
import { runTyphon, withDefaults, type TyphonOptions } from "../support/typhon.ts";

const BROKEN = join(APPS, "broken");

/** The message of a failed start: it matches all of `parts` and shows no stack of ours. */
async function readRefusal(
  args: readonly string[],
  code: number,
  parts: readonly RegExp[],
  options: TyphonOptions = {},
): Promise<string> {
  const run = await runTyphon(args, options);
  assert.equal(run.code, code, run.stderr);
  for (const part of parts) assert.match(run.stderr, part);
  assert.doesNotMatch(run.stderr, /\.[jt]s:\d+|typhon_worker|node:internal/, "a stack of ours");
  assert.equal(run.stdout, "", "something on standard output");
  return run.stderr;
}

async function expectRefusal(
  args: readonly string[],
  code: number,
  parts: readonly RegExp[],
): Promise<void> {
  await readRefusal(args, code, parts);
}

async function expectOneLine(
  args: readonly string[],
  code: number,
  parts: readonly RegExp[],
  options: TyphonOptions = {},
): Promise<void> {
  const all = await readRefusal(args, code, parts, options);
  // On a slow machine the log says that the application is loading, before it fails.
  const text = all.replace(/^.* INFO  \S+ is loading in .*\n/, "");
  assert.equal(text.trimEnd().split("\n").length, 1, text);
}

/** A port that is taken for as long as the test runs. */
async function takePort(scope: Scope): Promise<number> {
  const server = createServer();
  const { promise, resolve } = Promise.withResolvers<void>();
  server.listen(0, "127.0.0.1", resolve);
  await promise;
  scope.after(() => void server.close());
  const address = server.address();
  assert(typeof address === "object" && address !== null);
  return address.port;
}

test("no application, and none is found: exit 2, and what to do", async () => {
  const text = await readRefusal([], 2, [/no application/, /typhon shop:app/]);
  assert(text.trimEnd().split("\n").length <= 6, text);
});

test("a bad value of an option: exit 2, and the option's name", () =>
  expectOneLine(["raw:app", "--workers", "0"], 2, [/--workers/]));

test("a bad value of a variable: exit 2, and the variable's name", () =>
  expectOneLine(withDefaults(["raw:app"]), 2, [/TYPHON_WORKERS/], {
    env: { TYPHON_WORKERS: "x" },
  }));

test("an interpreter that is not there: exit 2", () =>
  expectOneLine(["raw:app", "--python", "/nowhere/python"], 2, [/--python/]));

test("an interpreter that is no Python: exit 2", () =>
  expectRefusal(withDefaults(["raw:app", "--python", "/bin/false"]), 2, [/--python/]));

test("a folder that is not there: exit 2", () =>
  expectOneLine(["raw:app", "--app-dir", "/nowhere"], 2, [/--app-dir/]));

test("a port in use: exit 2, and which", async (t) => {
  const port = await takePort(t);
  await expectOneLine(withDefaults(["raw:app", "--bind", `127.0.0.1:${port}`]), 2, [
    new RegExp(`127\\.0\\.0\\.1:${port}`),
    /in use/,
  ]);
});

test("an address that is not this machine's: exit 2", () =>
  expectOneLine(withDefaults(["raw:app", "--bind", "192.0.2.1:8000"]), 2, [/192\.0\.2\.1:8000/]));

test("a Unix socket where it may not be made: exit 2", () =>
  expectOneLine(withDefaults(["raw:app", "--bind", "unix:/nowhere/sock"]), 2, [/\/nowhere\/sock/]));

test("a module that is not there: exit 3", () =>
  expectOneLine(withDefaults(["no_such_module:app"]), 3, [/no_such_module/]));

test("a file that is not there: exit 2 or 3, and its name", async () => {
  const run = await runTyphon(withDefaults(["no/such/file.py"]));
  assert(run.code === 2 || run.code === 3, run.stderr);
  assert.match(run.stderr, /no\/such\/file\.py/);
});

test("a module that raises: exit 3 with the application's own traceback", async () => {
  const args = withDefaults(["raises:app", "--app-dir", BROKEN, "--workers", "2"]);
  const text = await readRefusal(args, 3, [
    /Traceback \(most recent call last\)/,
    /raises\.py", line \d+, in read_settings/,
    /ValueError: DATABASE_URL is missing/,
  ]);
  assert.doesNotMatch(text, /importlib|frozen/, "frames that are not the application's");
  assert.equal(text.split("Traceback").length, 2, "the traceback more than once");
});

test("a module that imports what is not installed: exit 3, told from a missing application", () =>
  expectRefusal(withDefaults(["imports_missing:app", "--app-dir", BROKEN]), 3, [
    /imports_missing\.py/,
    /a_module_that_nobody_has/,
  ]));

test("an attribute that is not there: exit 3, and its name", () =>
  expectOneLine(withDefaults(["raw:aap"]), 3, [/aap/]));

test("a factory that raises: exit 3 with its traceback", () =>
  expectRefusal(withDefaults(["factory:fail_to_create()"]), 3, [
    /factory\.py/,
    /LookupError: no settings for the factory/,
  ]));

test("a process that ends while it is imported: exit 3", () =>
  expectRefusal(withDefaults(["exits:app", "--app-dir", BROKEN]), 3, [/exit code 5/]));

test("an application that cannot speak the interface asked for: exit 3, and the option is named", async () => {
  const speaks = (app: string, kind: string): string[] => [app, "--interface", kind];
  const asWsgi = withDefaults([...speaks("asgi:app", "wsgi"), "--app-dir", BROKEN]);
  await expectOneLine(asWsgi, 3, [/speaks ASGI/, /--interface wsgi/]);
  const asAsgi = withDefaults(speaks("wsgi_plain:app", "asgi"));
  await expectOneLine(asAsgi, 3, [/cannot be an ASGI application/, /--interface wsgi/]);
});
