// Which Python is taken, in scratch folders with programs in them.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, describe, test } from "node:test";

import { chooseInterpreter, findInterpreter } from "../../src/config/interpreter.ts";
import { NO_LAUNCHER, type LaunchedBy } from "../../src/config/launched-by.ts";

const scratch = mkdtempSync(join(tmpdir(), "typhon-python-"));
after(() => rmSync(scratch, { recursive: true }));

function program(path: string, mode = 0o755): string {
  const whole = join(scratch, path);
  mkdirSync(dirname(whole), { recursive: true });
  writeFileSync(whole, "#!/bin/sh\n");
  chmodSync(whole, mode);
  return whole;
}

const system = program("bin/python3");
const active = program("active/bin/python");
const beside = program("project/.venv/bin/python3");
program("plain/bin/python", 0o644);
mkdirSync(join(scratch, "empty"));
symlinkSync(system, join(scratch, "linked"));

interface Asked {
  by?: string;
  text?: string;
  environment?: Record<string, string>;
  folders?: string[];
  launchedBy?: LaunchedBy;
}

function find({
  by = "--python",
  text,
  environment = {},
  folders = [],
  launchedBy = NO_LAUNCHER,
}: Asked): string {
  return findInterpreter({
    asked: text === undefined ? null : { by, text, folder: scratch },
    environment: { PATH: join(scratch, "bin"), ...environment },
    launchedBy,
    cwd: scratch,
    folders,
  });
}

describe("findInterpreter", () => {
  test("the one that is asked for wins over everything", () => {
    const environment = { VIRTUAL_ENV: join(scratch, "active") };
    assert.equal(find({ text: "./linked", environment }), join(scratch, "linked"));
    assert.equal(find({ text: "python3", environment }), system);
  });
  test("a symbolic link stays one: Python finds its environment by it", () => {
    assert.equal(find({ text: join(scratch, "linked") }), join(scratch, "linked"));
  });
  test("a virtual environment may be named by its folder", () => {
    assert.equal(find({ text: "project/.venv" }), beside);
  });
  test("then the active virtual environment", () => {
    const environment = { VIRTUAL_ENV: join(scratch, "active") };
    assert.equal(find({ environment, folders: [join(scratch, "project")] }), active);
  });
  test("then .venv beside the application, then python3 on PATH", () => {
    assert.equal(find({ folders: [join(scratch, "empty"), join(scratch, "project")] }), beside);
    assert.equal(find({ folders: [join(scratch, "empty")] }), system);
  });
  test("the environment that Typhon was installed in wins over .venv, that of a tool does not", () => {
    const python = join(scratch, "installed/bin/python");
    const folders = [join(scratch, "project")];
    assert.equal(find({ folders, launchedBy: { python, kind: "venv" } }), python);
    const environment = { VIRTUAL_ENV: join(scratch, "active") };
    assert.equal(find({ environment, launchedBy: { python, kind: "venv" } }), active);
    for (const kind of ["tool", "system"] as const) {
      assert.equal(find({ folders, launchedBy: { python, kind } }), beside);
      assert.equal(find({ launchedBy: { python, kind } }), python);
    }
  });
  test("a .venv that cannot be used is not passed over", () => {
    program("plain-venv/.venv/bin/python", 0o644);
    mkdirSync(join(scratch, "dangling/.venv/bin"), { recursive: true });
    symlinkSync("/gone/python3.9", join(scratch, "dangling/.venv/bin/python"));
    assert.throws(
      () => find({ folders: [join(scratch, "plain-venv")] }),
      /may not run '.*plain-venv\/.venv\/bin\/python'; .* or name an interpreter with --python/,
    );
    for (const asked of [{ folders: [join(scratch, "dangling")] }, { text: "dangling/.venv" }])
      assert.throws(() => find(asked), /is a link to a Python that is gone; make the virtual env/);
  });
  test("a .venv that holds no Python is passed over, a file of that name too", () => {
    mkdirSync(join(scratch, "hollow/.venv/bin"), { recursive: true });
    mkdirSync(join(scratch, "named"));
    writeFileSync(join(scratch, "named/.venv"), "other-name\n");
    assert.equal(find({ folders: [join(scratch, "hollow"), join(scratch, "named")] }), system);
  });
  for (const [asked, line] of [
    [{ text: "empty" }, /^OperatorError: --python 'empty' is a folder without bin\/python/],
    [{ text: "./nothing" }, /--python '\.\/nothing' is no program that this user may run/],
    [{ text: "python9", by: "TYPHON_PYTHON" }, /TYPHON_PYTHON 'python9' is not on PATH/],
    [{ text: "plain" }, /may not run '.*plain\/bin\/python'; .*--python/],
    [{ text: "plain/bin/python" }, /is no program that this user may run/],
    [{ environment: { VIRTUAL_ENV: "/gone" } }, /VIRTUAL_ENV names '\/gone', which holds no bin/],
    [{ environment: { PATH: "/gone" } }, /no python3 on PATH; install/],
  ] as const)
    test(`says ${line.source}`, () => assert.throws(() => find(asked), line));
});

describe("the environment of a project", () => {
  const why = (asked: Asked & { cwd?: string }): [string, string] => {
    const { environment = {}, folders = [], cwd = scratch } = asked;
    const { path, why: reason } = chooseInterpreter({
      asked: null,
      environment: { PATH: join(scratch, "bin"), HOME: join(scratch, "home"), ...environment },
      launchedBy: asked.launchedBy ?? NO_LAUNCHER,
      cwd,
      folders,
    });
    return [path, reason];
  };
  const file = (path: string, text = ""): string => {
    mkdirSync(dirname(join(scratch, path)), { recursive: true });
    writeFileSync(join(scratch, path), text);
    return dirname(join(scratch, path));
  };

  test("why it was chosen is said", () => {
    const folders = [join(scratch, "project")];
    assert.deepEqual(why({ folders }), [beside, ".venv beside the application"]);
    assert.deepEqual(why({ environment: { VIRTUAL_ENV: join(scratch, "active") } }), [
      active,
      "VIRTUAL_ENV",
    ]);
    assert.deepEqual(why({}), [system, "python3 on PATH; no virtual environment was found"]);
  });
  test("venv and env need the mark of an environment", () => {
    const python = program("named/venv/bin/python");
    const folders = [join(scratch, "named")];
    assert.equal(why({ folders })[0], system);
    file("named/venv/pyvenv.cfg");
    assert.deepEqual(why({ folders }), [python, "venv beside the application"]);
    const conda = program("conda-project/env/bin/python");
    mkdirSync(join(scratch, "conda-project/env/conda-meta"));
    assert.deepEqual(why({ folders: [join(scratch, "conda-project")] }), [
      conda,
      "env beside the application",
    ]);
  });
  test("is looked for upwards, to the root of the project and no further", () => {
    const python = program("up/.venv/bin/python");
    const root = file("up/pyproject.toml");
    mkdirSync(join(root, "back/app"), { recursive: true });
    assert.deepEqual(why({ folders: [join(root, "back/app")] }), [python, `.venv in ${root}`]);
    file("up/back/.git");
    assert.equal(why({ folders: [join(root, "back/app")] })[0], system);
  });
  test("without a root, up to the current folder", () => {
    const python = program("rootless/.venv/bin/python");
    const cwd = join(scratch, "rootless");
    mkdirSync(join(cwd, "src"));
    assert.equal(why({ folders: [join(cwd, "src")], cwd })[0], python);
    const elsewhere = join(scratch, "active");
    assert.equal(why({ folders: [join(cwd, "src")], cwd: elsewhere })[0], system);
  });
  test("is never that of a folder above where others may write", () => {
    program("shared/.venv/bin/python");
    const root = file("shared/pyproject.toml");
    mkdirSync(join(root, "mine"));
    chmodSync(root, 0o1777);
    assert.equal(why({ folders: [join(root, "mine")] })[0], system);
  });
  test("conda's, if it is activated; its base only where there is nothing nearer", () => {
    const python = program("miniconda/bin/python");
    const prefix = join(scratch, "miniconda");
    const folders = [join(scratch, "project")];
    assert.deepEqual(why({ folders, environment: { CONDA_PREFIX: prefix } }), [
      python,
      "CONDA_PREFIX",
    ]);
    const base = { CONDA_PREFIX: prefix, CONDA_DEFAULT_ENV: "base" };
    assert.equal(why({ folders, environment: base })[0], beside);
    assert.deepEqual(why({ environment: base }), [python, "conda's base"]);
    assert.throws(
      () => why({ environment: { CONDA_PREFIX: "/gone" } }),
      /CONDA_PREFIX names '\/gone'/,
    );
  });
  test("uv's", () => {
    const python = program("uv-project/other/bin/python");
    program("uv-project/.venv/bin/python");
    const folders = [file("uv-project/pyproject.toml")];
    const environment = { UV_PROJECT_ENVIRONMENT: "other" };
    assert.deepEqual(why({ folders, environment }), [python, "UV_PROJECT_ENVIRONMENT"]);
  });
  test("PDM's", () => {
    const python = program("pdm-python/bin/python3.12");
    const folders = [file("pdm/.pdm-python", `${python}\n`)];
    assert.deepEqual(why({ folders }), [python, "the interpreter that PDM has chosen"]);
  });
  test(".python-version is only told of", () => {
    const folders = [file("versioned/.python-version", "3.12\n")];
    const note =
      "python3 on PATH; no virtual environment was found, and .python-version asks for 3.12";
    assert.deepEqual(why({ folders }), [system, note]);
  });
  test("that of the Python that has started Typhon comes before PATH", () => {
    assert.deepEqual(why({ launchedBy: { python: "/usr/x", kind: "tool" } }), [
      "/usr/x",
      "the Python that has started Typhon",
    ]);
  });

  // As poetry 2.5.1 and pipenv 2026.10.3 do: sha256 of the path, in base64url.
  const hash = (path: string, bytes: number): string =>
    createHash("sha256").update(path).digest().subarray(0, bytes).toString("base64url");
  test("the hashes are those of the tools", () => {
    assert.equal(hash("/srv/shop", 32).slice(0, 8), "58fqC6Q1");
    assert.equal(hash("/srv/pip env/Pipfile", 6), "eVvK5PJX");
  });
  test("Poetry's, by the version that it has chosen, else by the newest", () => {
    const folder = file("poetic/pyproject.toml", '[tool.poetry]\nname = "My.Shop_x"\n');
    const name = `my-shop-x-${hash(folder, 32).slice(0, 8)}`;
    const caches = "home/.cache/pypoetry/virtualenvs";
    const older = program(`${caches}/${name}-py3.9/bin/python`);
    const newer = program(`${caches}/${name}-py3.11/bin/python`);
    assert.deepEqual(why({ folders: [folder] }), [newer, "Poetry's environment of this project"]);
    file(`${caches}/envs.toml`, `["${name}"]\nminor = "3.9"\npatch = "3.9.1"\n`);
    assert.equal(why({ folders: [folder] })[0], older);
    const elsewhere = program(`elsewhere/${name}-py3.12/bin/python`);
    const environment = { POETRY_VIRTUALENVS_PATH: join(scratch, "elsewhere") };
    assert.equal(why({ folders: [folder], environment })[0], elsewhere);
    file("poetic/poetry.toml", `[virtualenvs]\npath = "${join(scratch, "elsewhere")}"\n`);
    assert.equal(why({ folders: [folder] })[0], elsewhere);
  });
  test("Pipenv's", () => {
    const folder = file("pip env/Pipfile");
    const name = `pip_env-${hash(join(folder, "Pipfile"), 6)}`;
    const python = program(`home/.local/share/virtualenvs/${name}/bin/python`);
    assert.deepEqual(why({ folders: [folder] }), [python, "Pipenv's environment of this project"]);
    const work = program(`work/${name}/bin/python`);
    assert.equal(
      why({ folders: [folder], environment: { WORKON_HOME: join(scratch, "work") } })[0],
      work,
    );
    const named = program("work/chosen/bin/python");
    const environment = { WORKON_HOME: join(scratch, "work"), PIPENV_CUSTOM_VENV_NAME: "chosen" };
    assert.equal(why({ folders: [folder], environment })[0], named);
  });
});
