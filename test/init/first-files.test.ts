// The first files for several projects, as texts.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";

import { readToml } from "../../src/config/toml-file.ts";
import { DOCKERIGNORE, renderDockerfile } from "../../src/init/dockerfile.ts";
import type { InitFacts } from "../../src/init/facts.ts";
import { renderUnit } from "../../src/init/systemd.ts";
import { renderToml } from "../../src/init/toml.ts";
import { CHECKOUT } from "../support/scratch.ts";

const FACTS: InitFacts = {
  name: "shop",
  folder: "/srv/shop",
  app: "app:app",
  appDir: "",
  statics: [],
  found: "app:app, the Flask object app in app.py",
  python: { path: "/srv/shop/.venv/bin/python", why: ".venv beside the application" },
  command: "/srv/shop/.venv/bin/typhon",
  user: "shop",
  packages: "requirements.txt",
  pythonVersion: "3.13",
};

function textOf(toml: string, key: string): unknown {
  const located = readToml(toml, "typhon.toml").get(key);
  if (located?.kind === "array") return located.items.map((one) => "text" in one && one.text);
  return located !== undefined && "text" in located ? located.text : undefined;
}

describe("typhon.toml", () => {
  test("names the application, its folder and its files", () => {
    const toml = renderToml({
      ...FACTS,
      app: "mysite.wsgi:application",
      appDir: "src",
      statics: [{ prefix: "/static", folder: 'a "b"\\c' }],
    });
    assert.equal(textOf(toml, "app"), "mysite.wsgi:application");
    assert.equal(textOf(toml, "app-dir"), "src");
    assert.deepEqual(textOf(toml, "static"), ['/static=a "b"\\c']);
  });
  test("has nothing about Python for a site of files", () => {
    const toml = renderToml({ ...FACTS, app: ".", python: null });
    assert.equal(textOf(toml, "app"), ".");
    assert.doesNotMatch(toml, /workers|python/);
  });
});

describe("the unit", () => {
  const lineOf = (text: string, key: string): string =>
    new RegExp(`^${key}=(.*)$`, "m").exec(text)?.[1] ?? "";
  test("has every line of the guide, whose values fit", () => {
    const guide = readFileSync(join(CHECKOUT, "docs/guide/systemd.md"), "utf8");
    const [, wanted = ""] =
      /myapp\.service`:\n(?:<!--.*?-->|\s)*```ini\n(.*?)```/s.exec(guide) ?? [];
    const unit = renderUnit({ ...FACTS, name: "myapp", user: "myapp", folder: "/srv/myapp" });
    const differing = wanted
      .split("\n")
      .filter((line) => !unit.includes(`${line}\n`))
      .map((line) => line.split("=")[0]);
    assert.deepEqual(differing, ["Environment", "ExecStart", "ExecReload"]);
  });
  test("starts what was found, and reloads it by its PID file", () => {
    const unit = renderUnit({ ...FACTS, statics: [{ prefix: "/s", folder: "files" }] });
    assert.equal(
      lineOf(unit, "ExecStart"),
      "/srv/shop/.venv/bin/typhon app:app --static /s=files --bind unix:/run/shop/web.sock --forwarded-allow-ips unix --pid /run/shop/pid",
    );
    assert.equal(
      lineOf(unit, "ExecReload"),
      "/srv/shop/.venv/bin/typhon reload --pid /run/shop/pid",
    );
  });
  test("names the interpreter of another environment than the command's", () => {
    const unit = renderUnit({ ...FACTS, command: "/opt/typhon/bin/typhon" });
    assert.match(lineOf(unit, "ExecStart"), / --python \/srv\/shop\/.venv\/bin\/python --bind /);
  });
  test("leaves addresses and the interpreter to a file", () => {
    const unit = renderUnit({ ...FACTS, app: null });
    assert.equal(lineOf(unit, "ExecStart"), "/srv/shop/.venv/bin/typhon --pid /run/shop/pid");
  });
  test("ends the line of a folder with a backslash or a blank at its end", () => {
    const folderOf = (folder: string): string =>
      lineOf(renderUnit({ ...FACTS, folder }), "WorkingDirectory");
    assert.equal(folderOf("/srv/a\\"), "/srv/a\\/");
    assert.equal(folderOf("/srv/a "), "/srv/a /");
  });
  test("quotes words and doubles % and $ as systemd reads them", () => {
    const unit = renderUnit({
      ...FACTS,
      folder: "/srv/a b%c",
      app: `mod:make("x", $y)`,
      command: "/opt/my typhon/bin/typhon",
    });
    assert.equal(lineOf(unit, "WorkingDirectory"), "/srv/a b%%c");
    assert.match(
      lineOf(unit, "ExecStart"),
      /^"\/opt\/my typhon\/bin\/typhon" "mod:make\(\\"x\\", \$\$y\)" /,
    );
  });
});

describe("the Dockerfile", () => {
  test("installs the packages before the code is copied, and starts Typhon as process 1", () => {
    const text = renderDockerfile(FACTS);
    const instructions = text.match(/^[A-Z]+/gm);
    assert.equal(
      instructions?.join(" "),
      "FROM WORKDIR COPY RUN COPY RUN USER ENV EXPOSE HEALTHCHECK CMD",
    );
    assert.match(text, /^CMD \["typhon", "app:app"\]$/m);
    assert.match(text, /^RUN pip install --no-cache-dir typhon-server -r requirements.txt$/m);
  });
  test("is docker/Dockerfile with the packages and the application of the project", () => {
    const wanted = readFileSync(join(CHECKOUT, "docker/Dockerfile"), "utf8").split("\n");
    const text = renderDockerfile(FACTS);
    const differing = wanted.filter((line) => !line.startsWith("#") && !text.includes(`${line}\n`));
    assert.deepEqual(differing, ["RUN pip install --no-cache-dir -r requirements.txt"]);
    assert.equal(DOCKERIGNORE, readFileSync(join(CHECKOUT, "docker/.dockerignore"), "utf8"));
  });
  for (const [packages, line] of [
    ["uv.lock", /uv export --frozen .* -o \/tmp\/requirements.txt/],
    ["Pipfile.lock", /pipenv requirements > /],
    ["pyproject.toml", /pip install --no-cache-dir typhon-server \.$/m],
    ["none", /^# Name your packages here/m],
  ] as const)
    test(`installs by ${packages}`, () =>
      assert.match(renderDockerfile({ ...FACTS, packages }), line));
  test("of a site has no packages and no bytecode, and does not send itself", () => {
    const text = renderDockerfile({ ...FACTS, app: ".", packages: "requirements.txt" });
    assert.doesNotMatch(text, /requirements|compileall/);
    assert.match(text, /^CMD \["typhon", "\."\]$/m);
    assert.match(DOCKERIGNORE, /^Dockerfile$/m);
  });
  test("leaves everything to a file", () =>
    assert.match(renderDockerfile({ ...FACTS, app: null }), /^CMD \["typhon"\]$/m));
});
