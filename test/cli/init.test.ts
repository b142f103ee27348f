// `typhon init` as its users run it: in folders of their own, by the real command.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, test } from "node:test";

import { COMMAND } from "../support/scratch.ts";

const scratch = realpathSync(mkdtempSync(join(tmpdir(), "typhon-init-")));
after(() => rmSync(scratch, { recursive: true }));
let made = 0;

const FLASK = "from flask import Flask\napp = Flask(__name__)\n";

function folderWith(tree: Readonly<Record<string, string>>, name = "shop"): string {
  const folder = join(scratch, String((made += 1)), name);
  mkdirSync(folder, { recursive: true });
  for (const [path, text] of Object.entries(tree)) {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), text);
  }
  return folder;
}

function typhon(
  cwd: string,
  ...words: string[]
): { status: number | null; out: string; err: string } {
  const env = { PATH: process.env["PATH"] ?? "", HOME: scratch, TYPHON_NODE: process.execPath };
  const { status, stdout, stderr } = spawnSync(COMMAND, words, { cwd, env, encoding: "utf8" });
  return { status, out: stdout, err: stderr };
}

test("writes typhon.toml for what it finds, which typhon check accepts, and which it never overwrites", () => {
  const folder = folderWith({ "app.py": FLASK });
  const first = typhon(folder, "init");
  assert.equal(first.err, "");
  assert.equal(
    first.out,
    "wrote typhon.toml: app:app, the Flask object app in app.py\nnext: typhon check, then typhon\n",
  );
  const path = join(folder, "typhon.toml");
  const text = readFileSync(path, "utf8");
  assert.match(text, /^app = "app:app"$/m);
  assert.match(typhon(folder, "check").out, /^Applications:\n {2}app:app$/m);
  const second = typhon(folder, "init", "toml");
  assert.equal(second.status, 2);
  assert.match(second.err, /^typhon: typhon.toml is there already and stays as it is; /);
  assert.equal(readFileSync(path, "utf8"), text);
});

test("every line that is a comment in typhon.toml is a right one", () => {
  const folder = folderWith({ "app.py": FLASK, ".env": "", "downloads/a": "" });
  typhon(folder, "init");
  const path = join(folder, "typhon.toml");
  const lines = readFileSync(path, "utf8").split("\n");
  const isOption = (line: string): boolean => /^# (?:[a-z-]+ = |\[\[)/.test(line);
  assert(lines.filter(isOption).length > 12);
  // Two addresses are an array; certificates need a port of their own.
  const other = /^# (?:bind = "unix|domain)/;
  const written = lines
    .map((line) => (isOption(line) && !other.test(line) ? line.slice(2) : line))
    .join("\n");
  writeFileSync(path, written);
  const { status, err, out } = typhon(folder, "check");
  assert.equal(status, 0, err);
  assert.match(out, /\/reports: 300 s/);
});

test("[tool.typhon] is a file that is there already", () => {
  const folder = folderWith({ "app.py": FLASK, "pyproject.toml": "[tool.typhon]\nworkers = 1\n" });
  const { status, err } = typhon(folder, "init");
  assert.equal(status, 2);
  assert.match(err, /^typhon: \[tool.typhon\] of pyproject.toml is there already/);
  assert(!existsSync(join(folder, "typhon.toml")));
});

test("a link that leads nowhere is not followed", () => {
  const folder = folderWith({ "app.py": FLASK });
  symlinkSync(join(scratch, "elsewhere"), join(folder, "Dockerfile"));
  const { status, err } = typhon(folder, "init", "dockerfile");
  assert.equal(status, 2);
  assert.match(err, /^typhon: Dockerfile is there already and stays as it is/);
  assert(!existsSync(join(scratch, "elsewhere")));
});

test("writes a unit of the folder's name, and an image with its .dockerignore", () => {
  const folder = folderWith({ "src/main.py": FLASK, "requirements.txt": "" }, "My Shop");
  assert.match(
    typhon(folder, "init", "systemd").out,
    /^wrote My-Shop.service: main:app, .*\nnext: .*\n$/,
  );
  const unit = readFileSync(join(folder, "My-Shop.service"), "utf8");
  assert.match(unit, /^ExecStart=\S+\/typhon main:app --app-dir src /m);
  assert(unit.includes(`\nWorkingDirectory=${folder}\n`));
  assert.match(typhon(folder, "init", "dockerfile").out, /^wrote Dockerfile and .dockerignore: /);
  assert.match(
    readFileSync(join(folder, "Dockerfile"), "utf8"),
    /^CMD \["typhon", "main:app", "--app-dir", "src"\]$/m,
  );
  rmSync(join(folder, "Dockerfile"));
  writeFileSync(join(folder, ".dockerignore"), "mine");
  assert.match(typhon(folder, "init", "dockerfile").out, /^wrote Dockerfile: /);
  assert.equal(readFileSync(join(folder, ".dockerignore"), "utf8"), "mine");
});

test("a unit beside typhon.toml leaves everything to that file", () => {
  const folder = folderWith({ "app.py": FLASK, "typhon.toml": 'app = "app:app"\n' });
  const { out } = typhon(folder, "init", "systemd", "--print");
  assert.match(out, /^ExecStart=\S+\/typhon --pid \/run\/shop\/pid$/m);
  assert(!existsSync(join(folder, "shop.service")));
});

test("an application may be named, and what is found may be wrong", () => {
  const folder = folderWith({ "app.py": FLASK });
  assert.match(typhon(folder, "init", "toml", "other:site", "-").out, /^app = "other:site"$/m);
  assert.match(typhon(folder, "init", "other:site", "--print").out, /^app = "other:site"$/m);
  const none = typhon(folderWith({}), "init");
  assert.equal(none.status, 2);
  assert.match(none.err, /^typhon: no application given, and none found in this folder/);
  const option = typhon(folder, "init", "-w", "3");
  assert.match(option.err, /^typhon: typhon init takes no --workers; write it into the file$/m);
  assert.match(typhon(folder, "init", "--help").out, /^Usage: typhon init /);
});

test("a folder whose name would begin a line of its own is refused", () => {
  const folder = folderWith({ "app.py": FLASK }, "a\nExecStart=b");
  const { status, err } = typhon(folder, "init", "systemd");
  assert.equal(status, 2);
  assert.match(err, /^typhon: a path here has a control character; rename it/);
});

for (const [folder, name] of [
  ["_My Shop!", "My-Shop"],
  ["a._-b", "a-b"],
  ["a..b", "a.b"],
  ["my_shop", "my_shop"],
  ["…", "app"],
] as const)
  test(`${folder} is ${name} for systemd and Docker`, () => {
    const place = folderWith({ "app.py": FLASK }, folder);
    assert.match(typhon(place, "init", "dockerfile", "--print").out, new RegExp(`^# ${name} by`));
    assert.match(typhon(place, "init", "systemd").out, new RegExp(`^wrote ${name}.service: `));
  });

test("a folder of pipes and endless files keeps nobody waiting", { timeout: 60_000 }, () => {
  const pipes = ["gunicorn.conf.py", "manage.py", "main.py", "pyproject.toml", ".pdm-python"];
  const folder = folderWith({ "app.py": FLASK });
  for (const name of [...pipes, ".python-version", "poetry.toml", "Pipfile"])
    assert.equal(spawnSync("mkfifo", [join(folder, name)]).status, 0);
  const image = typhon(folder, "init", "dockerfile", "--print");
  assert.match(image.out, /^FROM python:3\.13-slim$/m);
  assert.equal(typhon(folder, "check").status, 0);
  rmSync(join(folder, ".python-version"));
  symlinkSync("/dev/zero", join(folder, ".python-version"));
  assert.match(typhon(folder, "init", "dockerfile", "--print").out, /^FROM python:3\.13-slim$/m);
});
