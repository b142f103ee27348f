// `typhon` without an argument, in folders as they are after `git clone`: real frameworks, real servers.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { appendFileSync, mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { describe, test } from "node:test";

import { getOnce } from "../support/raw-client.ts";
import { makeScratch, requirePython, type Scope } from "../support/scratch.ts";
import { runTyphon, startTyphon, type Typhon } from "../support/typhon.ts";

const PYTHON = requirePython();
const WORDS = ["--bind", "127.0.0.1:0", "--workers", "1"];

/** A folder with these files and the tests' environment as its .venv. */
function projectWith(scope: Scope, tree: Readonly<Record<string, string>>): string {
  const folder = makeScratch(scope);
  symlinkSync(dirname(dirname(PYTHON)), join(folder, ".venv"));
  for (const [path, text] of Object.entries(tree)) {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), text);
  }
  return folder;
}

async function serve(scope: Scope, cwd: string): Promise<Typhon> {
  return await startTyphon(scope, WORDS, { cwd, defaults: false });
}

const FLASK = `from flask import Flask
app = Flask(__name__)
@app.get("/")
def home():
    return "found"
`;

describe("typhon without an argument serves", { concurrency: 2 }, () => {
  test("a factory of Flask, and says what it chose and by which environment", async (t) => {
    const factory = `from flask import Flask
def create_app(config=None):
    from .texts import HELLO
    app = Flask(__name__)
    app.add_url_rule("/", view_func=lambda: HELLO)
    return app
`;
    const project = '[project]\nname = "flaskr"\n';
    const cwd = projectWith(t, {
      "pyproject.toml": project,
      "flaskr/__init__.py": factory,
      "flaskr/texts.py": 'HELLO = "hello"\n',
    });
    const typhon = await serve(t, cwd);
    assert.equal((await getOnce(typhon, "/")).text, "hello");
    const found = `found flaskr:create_app(): the Flask object that create_app() returns in flaskr/__init__.py, by ${cwd}/.venv/bin/python (.venv beside the application)`;
    assert(typhon.output.stderr.includes(found), typhon.output.stderr);
  });

  test("FastAPI in app/ whose modules import each other by its name", async (t) => {
    const cwd = projectWith(t, {
      "app/main.py": `from fastapi import FastAPI
from app.texts import HELLO
app = FastAPI()
@app.get("/")
def home() -> str:
    return HELLO
`,
      "app/texts.py": 'HELLO = "hello"\n',
    });
    assert.equal((await getOnce(await serve(t, cwd), "/")).text, '"hello"');
  });

  test("Django as startproject makes it, with its collected static files", async (t) => {
    const cwd = projectWith(t, {});
    const run = (...words: string[]): void => {
      execFileSync(join(cwd, ".venv/bin/python"), words, { cwd });
    };
    run("-m", "django", "startproject", "mysite", ".");
    const { stderr, stdout } = await runTyphon(["check", ...WORDS], { cwd });
    assert.equal(stderr, "");
    assert.match(
      stdout,
      /^ {2}mysite.wsgi:application: WSGI_APPLICATION of Django's settings mysite.settings, which manage.py names$/m,
    );
    assert.match(
      stdout,
      /the settings mysite.settings have no STATIC_ROOT, .* python manage.py collectstatic/,
    );
    appendFileSync(
      join(cwd, "mysite/settings.py"),
      'STATIC_ROOT = BASE_DIR / "collected"\nALLOWED_HOSTS = ["*"]\n',
    );
    run("manage.py", "collectstatic", "--no-input");
    const typhon = await serve(t, cwd);
    const style = await getOnce(typhon, "/static/admin/css/base.css");
    assert.equal(style.status, 200);
    assert.match(style.text, /DJANGO Admin styles/);
    assert.match((await getOnce(typhon, "/")).text, /The install worked successfully/);
  });

  test("a folder with index.html", async (t) => {
    const cwd = makeScratch(t);
    writeFileSync(join(cwd, "index.html"), "<p>site");
    const typhon = await serve(t, cwd);
    assert.equal((await getOnce(typhon, "/")).text, "<p>site");
    assert.match(
      typhon.output.stderr,
      / found the files of this folder: index\.html, and no files of Python$/m,
    );
  });

  test("what typhon init has written; a reload keeps what was found", async (t) => {
    const cwd = projectWith(t, { "src/app.py": FLASK });
    const { code, stdout } = await runTyphon(["init"], { cwd });
    assert.equal(code, 0);
    assert.match(stdout, /^wrote typhon.toml: app:app, the Flask object app in src\/app.py$/m);
    assert.equal((await getOnce(await serve(t, cwd), "/")).text, "found");

    writeFileSync(join(cwd, "typhon.toml"), "threads = 2\n");
    const typhon = await serve(t, cwd);
    writeFileSync(join(cwd, "main.py"), FLASK.replace("found", "another"));
    writeFileSync(join(cwd, "src/app.py"), FLASK.replace("found", "reloaded"));
    typhon.signal("SIGHUP");
    await typhon.output.waitFor(/new code serves/);
    assert.equal((await getOnce(typhon, "/")).text, "reloaded");
  });
});

describe("typhon without an argument does not start", { concurrency: 2 }, () => {
  test("an application that does not load: what was chosen stands before the traceback", async (t) => {
    const cwd = projectWith(t, { "app.py": `${FLASK}\nimport gone_module\n` });
    const { code, stderr } = await runTyphon(WORDS, { cwd });
    assert.equal(code, 3);
    assert.match(
      stderr,
      /found app:app: the Flask object app in app.py[\s\S]*No module named 'gone_module'/,
    );
  });
  test("two applications in one module, with the command for each", async (t) => {
    const cwd = projectWith(t, { "app.py": `${FLASK}api = Flask("api")\n` });
    const { code, stderr } = await runTyphon(WORDS, { cwd });
    assert.equal(code, 2);
    assert.match(
      stderr,
      /^typhon: app.py has 2 applications; .*\n {2}typhon app:app .*\n {2}typhon app:api .*\n$/,
    );
  });
});
