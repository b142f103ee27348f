// The public API as an embedding program uses it: partial options, defaults, start, reload, stop.

import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";

import { createServer } from "../src/index.ts";
import { makeScratch, requirePython } from "./support/scratch.ts";

const CODE = `def app(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"VERSION"]
`;

test("serves with partial options, loads new code, and stops", async (t) => {
  const appDir = makeScratch(t);
  writeFileSync(join(appDir, "web.py"), CODE.replace("VERSION", "one"));
  const server = createServer({
    app: "web:app",
    appDir,
    python: requirePython(),
    bind: ["127.0.0.1:0"],
    workers: 1,
    logLevel: "error",
  });
  const { addresses, applications } = await server.start();
  t.after(() => server.stop(0));
  assert.equal(applications[0]?.pool.interface, "wsgi");
  const [url = ""] = addresses;
  assert.equal(await (await fetch(url)).text(), "one");
  writeFileSync(join(appDir, "web.py"), CODE.replace("VERSION", "another"));
  assert.equal(await server.reload(), null);
  assert.equal(await (await fetch(url)).text(), "another");
  await server.stop(1000);
  await assert.rejects(fetch(url));
});

test("checks options as the command line does", () => {
  assert.throws(() => createServer({ app: "web:app", workers: 0 }), {
    text: /--workers '0' must be a whole number from 1 to 1024/,
  });
  assert.throws(() => createServer({ app: "no callable!" }), { text: /must be module:callable/ });
});

test("an application that does not load rejects the start with its traceback", async (t) => {
  const appDir = makeScratch(t);
  writeFileSync(join(appDir, "web.py"), "import nothing_of_this_name");
  const server = createServer({
    app: "web",
    appDir,
    python: requirePython(),
    bind: "127.0.0.1:0",
    workers: 1,
    logLevel: "error",
  });
  await assert.rejects(server.start(), { text: /nothing_of_this_name/ });
});

test("does not reload before its start or after its stop, and starts only once", async (t) => {
  const appDir = makeScratch(t);
  writeFileSync(join(appDir, "web.py"), CODE.replace("VERSION", "one"));
  const server = createServer({
    app: "web:app",
    appDir,
    python: requirePython(),
    bind: "127.0.0.1:0",
    workers: 1,
    logLevel: "error",
  });
  // Workers that began now would be left by the stop.
  assert.match((await server.reload()) ?? "", /not running/);
  const { addresses } = await server.start();
  t.after(() => server.stop(0));
  await assert.rejects(server.start(), { text: /only once/ });
  const [url = ""] = addresses;
  assert.equal(await (await fetch(url)).text(), "one");
  await server.stop(0);
  assert.match((await server.reload()) ?? "", /not running/);
  await assert.rejects(server.start(), { text: /only once/ });
});

test("takes applications and routes as the file has them", async (t) => {
  const appDir = makeScratch(t);
  writeFileSync(
    join(appDir, "web.py"),
    CODE.replace('b"VERSION"', '(environ["SCRIPT_NAME"] + environ["WHO"]).encode()')
      .replace("def app", "import os\ndef app")
      .replace('environ["WHO"]', 'os.environ["WHO"]'),
  );
  const server = createServer({
    python: requirePython(),
    bind: "127.0.0.1:0",
    workers: 1,
    logLevel: "error",
    apps: {
      one: { app: "web:app", appDir, env: { WHO: "one" } },
      other: { app: "web:app", dir: appDir, env: { WHO: "other" }, threads: 1 },
    },
    routes: [
      { app: "one", path: "/one" },
      { app: "other", stripPrefix: false, path: "/other" },
      { respond: "no", status: 404, path: "/one/not", headers: { "X-Route": "own" } },
    ],
  });
  const { addresses } = await server.start();
  t.after(() => server.stop(0));
  const [url = ""] = addresses;
  const text = async (path: string): Promise<string> => await (await fetch(url + path)).text();
  assert.equal(await text("/one/x"), "/oneone");
  assert.equal(await text("/other/x"), "other");
  assert.equal(await text("/one/not"), "no");
});

test("a mistake in applications and routes names its place", () => {
  const text = (options: Parameters<typeof createServer>[0]): RegExp | string => {
    try {
      createServer(options);
    } catch (error) {
      if (error instanceof Error) return error.message;
    }
    return assert.fail("accepted");
  };
  assert.equal(
    text({ apps: { a: { app: "a:a", threads: 0 } }, routes: [{ app: "a", path: "x" }] }),
    "apps.a.threads '0' must be a whole number from 1 to 256\n" +
      "routes[0].path 'x' must be a path such as /shop: one / before each name",
  );
  // A program in JavaScript may write what the types refuse.
  assert.match(
    String(text(JSON.parse('{"app": "a:a", "wrokers": 2}'))),
    /^--wrokers .*did you mean workers/,
  );
  assert.match(
    String(text(JSON.parse('{"app": "a:a", "bind": [null]}'))),
    /bind\[0\] 'null' is no value/,
  );
});
