// A command without an application: which files are read, what discovery adds to the configuration, and what a reload
// keeps. The sources are real folders; nothing is started.

import assert from "node:assert/strict";
import { chmodSync, lchownSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, describe, test } from "node:test";

import type { Configuration } from "../../src/config/configuration.ts";
import { readFlags } from "../../src/config/flags.ts";
import { ConfigurationReader, load, pidFileOf } from "../../src/config/load.ts";

const scratch = mkdtempSync(join(tmpdir(), "typhon-discovered-"));
after(() => rmSync(scratch, { recursive: true }));
let made = 0;

function folderWith(tree: Readonly<Record<string, string>>): string {
  const folder = join(scratch, String((made += 1)));
  for (const [path, text] of Object.entries({ "bin/python3": "#!/bin/sh\n", ...tree })) {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), text);
  }
  chmodSync(join(folder, "bin/python3"), 0o755);
  return folder;
}

function read(folder: string, words: string[] = [], environment = {}): Configuration {
  return load(words, { PATH: join(folder, "bin"), HOME: folder, ...environment }, folder);
}

const FLASK = "from flask import Flask\napp = Flask(__name__)\n";
const FACTORY = "from flask import Flask\ndef create_app():\n    return Flask(__name__)\n";

describe("without an application", () => {
  test("one is found, and why is kept", () => {
    const folder = folderWith({ "shop/__init__.py": "", "app/main.py": FLASK });
    const { found, applications, routes } = read(folder);
    assert.deepEqual(found, { what: "main:app", why: "the Flask object app in app/main.py" });
    const [application] = applications;
    assert.equal(application?.app, "main:app");
    assert.equal(application.appDir, join(folder, "app"));
    assert.equal(application.cwd, folder);
    assert.equal(application.pythonWhy, "python3 on PATH; no virtual environment was found");
    assert.deepEqual(
      routes.map(({ path, target }) => [path, target.kind]),
      [["", "application"]],
    );
  });
  test("flags and variables hold for it", () => {
    const folder = folderWith({ "app.py": FACTORY });
    const { applications, listeners } = read(folder, ["-p", "9000"], { TYPHON_WORKERS: "3" });
    assert.equal(applications[0]?.app, "app:create_app()");
    assert.equal(applications[0].workers, 3);
    assert.deepEqual(listeners.bind, [
      { kind: "tcp", host: "127.0.0.1", port: 9000, scheme: "http" },
    ]);
  });
  test("--app-dir says where to look", () => {
    const folder = folderWith({ "back/app/main.py": FLASK, "main.py": FLASK });
    const { applications } = read(folder, ["--app-dir", "back"]);
    assert.equal(applications[0]?.appDir, join(folder, "back/app"));
  });
  for (const [what, words, environment] of [
    ["APP", ["a:b"], {}],
    ["TYPHON_APP", [], { TYPHON_APP: "a:b" }],
    ["--mount", ["--mount", "/x=a:b"], {}],
  ] as const)
    test(`${what} is no reason to look`, () => {
      const { found, applications } = read(
        folderWith({ "main.py": FLASK }),
        [...words],
        environment,
      );
      assert.equal(found, null);
      assert.deepEqual(
        applications.map(({ app }) => app),
        ["a:b"],
      );
    });
  test("--static alone serves files, as before", () => {
    const { applications } = read(folderWith({ "main.py": FLASK, "s/a": "" }), ["--static", "s"]);
    assert.deepEqual(applications, []);
  });
  test("a folder with index.html is a site", () => {
    const folder = folderWith({ "index.html": "", "cgi-bin/a.py": "" });
    const { found, routes, notices } = read(folder);
    assert.deepEqual(found, {
      what: "the files of this folder",
      why: "index.html, and no files of Python",
    });
    assert.deepEqual(
      routes.map(({ path, target }) => [path, target.kind]),
      [
        ["/cgi-bin", "respond"],
        ["", "static"],
      ],
    );
    assert.match(notices.join(), /the programs of .*cgi-bin are not run/);
  });
  test("Django's static files are a route", () => {
    const folder = folderWith({
      "manage.py": "import os\nos.environ.setdefault('DJANGO_SETTINGS_MODULE', 'site1.settings')",
      "site1/settings.py":
        "WSGI_APPLICATION = 'site1.wsgi.application'\nSTATIC_URL = 'assets/'\nSTATIC_ROOT = 'collected'",
      "site1/wsgi.py": "",
      "collected/a.css": "",
    });
    const { applications, routes } = read(folder);
    assert.equal(applications[0]?.app, "site1.wsgi:application");
    const [first] = routes;
    assert.equal(first?.path, "/assets");
    assert(first.target.kind === "static");
    assert.equal(first.target.folder, join(folder, "collected"));
    // Its root path is that of the server.
    assert.equal(applications[0].rootPath, "");
  });
  test("a name that is none is a mistake with its place", () => {
    const folder = folderWith({ "pyproject.toml": '[tool.fastapi]\nentrypoint = "a b"' });
    assert.throws(() => read(folder), {
      text: /^entrypoint of \[tool.fastapi\] in pyproject.toml 'a b' must be module:callable/,
    });
  });
});

describe("pyproject.toml", () => {
  test("[tool.typhon] is the file", () => {
    const folder = folderWith({
      "pyproject.toml":
        '[project]\nname = "x"\n\n[tool.typhon]\napp = "a:b"\nworkers = 2\npid = "x.pid"\n\n[[tool.typhon.routes]]\npath = "/old"\nredirect = "/new"\n',
    });
    const { found, applications, routes } = read(folder);
    assert.equal(found, null);
    assert.deepEqual(
      applications.map(({ app, workers }) => [app, workers]),
      [["a:b", 2]],
    );
    assert.deepEqual(
      routes.map(({ path }) => path),
      ["/old", ""],
    );
    const flags = readFlags([]);
    assert.equal(pidFileOf(flags, {}, folder), join(folder, "x.pid"));
    assert.deepEqual(read(folder, ["-c", "pyproject.toml"]).applications, applications);
  });
  test("its mistakes name the file and the line", () => {
    const folder = folderWith({
      "pyproject.toml": '[project]\nname = "x"\n\n[tool.typhon]\nworker = 2\nport = "no"',
    });
    assert.throws(() => read(folder, ["--static", "."]), {
      text: /^pyproject.toml:5: worker is no key of the top level; did you mean workers\?\npyproject.toml:6: port 'no' must/,
    });
  });
  test("typhon.toml comes first", () => {
    const folder = folderWith({
      "typhon.toml": 'app = "first:app"',
      "pyproject.toml": '[tool.typhon]\napp = "second:app"',
    });
    assert.equal(read(folder).applications[0]?.app, "first:app");
  });
  test("an application of its own means that it is not read", () => {
    const folder = folderWith({ "pyproject.toml": "[tool.typhon]\nworkers = 2" });
    assert.notEqual(read(folder, ["a:b", "-w", "1"]).applications[0]?.workers, 2);
  });
  test("the entrypoint of [tool.fastapi] comes before the modules", () => {
    const folder = folderWith({
      "pyproject.toml": '[tool.fastapi]\nentrypoint = "back.web:site"',
      "main.py": FLASK,
    });
    assert.equal(read(folder).applications[0]?.app, "back.web:site");
  });
  test("the name of the project may be that of the package", () => {
    const folder = folderWith({
      "pyproject.toml": '[project]\nname = "Flask-R"',
      "flask_r/__init__.py": FACTORY,
    });
    assert.equal(read(folder).applications[0]?.app, "flask_r:create_app()");
  });
  test("without [tool.typhon], named by --config, is a mistake", () => {
    const folder = folderWith({ "pyproject.toml": "[project]\nname = 'x'", "app.py": FLASK });
    assert.throws(() => read(folder, ["-c", "pyproject.toml"]), {
      text: "--config 'pyproject.toml' has no [tool.typhon]; write one",
    });
  });
  test("that is no TOML is a mistake", () => {
    const folder = folderWith({ "pyproject.toml": "[project", "app.py": FLASK });
    assert.throws(() => read(folder), { text: /^pyproject.toml:1: this is no TOML/ });
  });
});

describe("a file without an application", () => {
  test("is completed by what is found", () => {
    const folder = folderWith({ "typhon.toml": "threads = 9", "app.py": FLASK });
    const { applications, found } = read(folder);
    assert.equal(found?.what, "app:app");
    assert.deepEqual(
      applications.map(({ app, threads }) => [app, threads]),
      [["app:app", 9]],
    );
  });
  test("names the nearest thing, where nothing is found", () => {
    const folder = folderWith({ "typhon.toml": "threads = 9", "hello.py": FLASK });
    assert.throws(() => read(folder), {
      text: /^typhon.toml names no application and no route; for example: app = "shop:app"\nhello.py has the Flask object app: typhon hello:app$/,
    });
  });
});

test("a reload keeps what was found, and reads the file anew", () => {
  const folder = folderWith({ "typhon.toml": "threads = 9", "app.py": FLASK });
  const environment = { PATH: join(folder, "bin") };
  const reader = new ConfigurationReader(readFlags([]), environment, folder);
  reader.read();
  writeFileSync(join(folder, "main.py"), FLASK);
  writeFileSync(join(folder, "typhon.toml"), "threads = 10");
  const { applications, found } = reader.read();
  assert.equal(found?.what, "app:app");
  assert.equal(applications[0]?.threads, 10);
});

test("what a stranger has written into a folder is one short line", () => {
  const folder = folderWith({ "a\u001b[31m\nb.py": FLASK });
  assert.throws(
    () => read(folder),
    (error: Error) =>
      error.message.split("\n").at(-1) ===
      String.raw`a\x1b[31m\x0ab.py has the Flask object app: typhon 'a\x1b[31m\x0ab:app'`,
  );
  const settings = `os.environ.setdefault("DJANGO_SETTINGS_MODULE", "a\\n${"b".repeat(100_000)}")`;
  assert.throws(
    () => read(folderWith({ "manage.py": settings })),
    (error: Error) => error.message.split("\n").length === 3 && error.message.length < 2000,
  );
});

test("root is told of an interpreter that another user may change", () => {
  // Only root may give files away.
  if (process.geteuid?.() !== 0) return;
  const folder = folderWith({ "app.py": FLASK, ".venv/bin/python": "#!/bin/sh\n" });
  const python = join(folder, ".venv/bin/python");
  chmodSync(python, 0o755);
  assert.deepEqual(read(folder).notices, []);
  lchownSync(python, 65_534, 65_534);
  assert.match(
    read(folder).notices.join(),
    /\.venv\/bin\/python \(.venv beside the application\) belongs to another user, and root runs it; /,
  );
  assert.deepEqual(read(folder, ["--python", python]).notices, []);
});
