// The way of a newcomer with the packages as they are published: another user, an environment of Python that was empty,
// no Node on PATH, and the words of the guides. The same with npm's package by npx. Only the checkout's root can be
// another user; anyone else is the newcomer.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import {
  chmodSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { before, describe, test, type TestContext } from "node:test";

import { Chromium } from "../../support/chromium.ts";
import { FILE } from "../../support/file-scope.ts";
import { installTyphon, release, toolsWithoutNode } from "../../support/installed.ts";
import { findPublicInterpreter } from "../../support/interpreters.ts";
import { makeScratch } from "../../support/scratch.ts";
import { runTyphon, startTyphon, type Run, type Typhon } from "../../support/typhon.ts";

const FLASK = `from flask import Flask

app = Flask(__name__)


@app.get("/")
def home():
    return "<!doctype html><title>hello</title>hello"
`;
const FASTAPI = `from fastapi import FastAPI

app = FastAPI()


@app.get("/")
def home():
    return {"hello": "world"}
`;
const CGI = `#!/usr/bin/env python3
print("Content-Type: text/plain\\n")
print("hello from a program")
`;
/** nobody. */
const USER = process.getuid?.() === 0 ? 65_534 : undefined;

const folder = makeScratch(FILE);
const published = join(folder, "published");
const home = join(folder, "home");
const tools = toolsWithoutNode(FILE);

/** What the newcomer types before the words of Typhon, and where. */
interface Way {
  readonly words: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly folder: string;
}

let python = "";
let browser: Chromium;
const ways = new Map<string, Way>();

function publishedFile(pattern: RegExp): string {
  const name = readdirSync(published).find((one) => pattern.test(one));
  assert(name !== undefined, String(pattern));
  return join(published, name);
}

/** Gives files to the newcomer. */
function give(path: string): void {
  if (USER !== undefined) execFileSync("chown", ["-R", `${USER}:${USER}`, path]);
}

/** Runs a program as the newcomer. */
function run(command: string, args: readonly string[], cwd: string, env: object): string {
  const ids = USER === undefined ? {} : { uid: USER, gid: USER };
  return execFileSync(command, args, {
    cwd,
    encoding: "utf8",
    env: { HOME: home, ...env },
    ...ids,
  });
}

before(async () => {
  release(published, "--no-node");
  chmodSync(folder, 0o755);
  mkdirSync(join(home, "pip"), { recursive: true });
  const packages = ["flask==3.1.3", "django==5.2.19", "fastapi==0.165.0"];
  const wheel = publishedFile(/\.whl$/);
  const installed = installTyphon(FILE, packages, findPublicInterpreter(USER), wheel);
  ({ python } = installed);
  const venv = dirname(installed.bin);
  chmodSync(dirname(venv), 0o755);
  give(venv);
  // As an activated environment has it.
  const active = { HOME: home, VIRTUAL_ENV: venv };
  ways.set("pip", {
    words: ["typhon"],
    env: { ...active, PATH: `${installed.bin}:${tools}` },
    folder: join(home, "pip"),
  });

  const npm = execFileSync("sh", ["-c", "command -v npm"], { encoding: "utf8" }).trim();
  const npmFolder = join(home, "npm");
  mkdirSync(npmFolder);
  writeFileSync(join(npmFolder, "package.json"), '{"private":true}');
  for (const name of ["npm", "npx"]) symlinkSync(join(dirname(npm), name), join(tools, name));
  // The Node of the wheel stands for a Node 24 that is installed.
  const path = `${dirname(installed.node)}:${installed.bin}:${tools}`;
  // `npm run` names a cache of its own user; npm tells of its newer versions now and then.
  const npmsOwn = { npm_config_cache: join(home, ".npm"), npm_config_update_notifier: "false" };
  const env = { ...active, ...npmsOwn, PATH: path };
  give(home);
  chmodSync(published, 0o755);
  run("npm", ["install", "--no-audit", "--no-fund", publishedFile(/\.tgz$/)], npmFolder, {
    ...process.env,
    ...env,
  });
  ways.set("npm", { words: ["npx", "typhon"], env, folder: npmFolder });
  browser = await Chromium.start(FILE);
});

function wayOf(name: string): Way {
  const way = ways.get(name);
  assert(way !== undefined);
  return way;
}

/** Makes a folder with files of these names and texts. */
function project(way: Way, name: string, files: Readonly<Record<string, string>>): string {
  const place = join(way.folder, name);
  for (const [file, text] of Object.entries(files)) {
    mkdirSync(dirname(join(place, file)), { recursive: true });
    writeFileSync(join(place, file), text, { mode: text.startsWith("#!") ? 0o755 : 0o644 });
  }
  give(place);
  return place;
}

function optionsOf({ words, env }: Way, cwd: string) {
  const [command = ""] = words;
  return { command, cwd, env, user: USER, defaults: false };
}

async function start(t: TestContext, way: Way, cwd: string, ...words: string[]): Promise<Typhon> {
  const args = [...way.words.slice(1), ...words, "--bind", "127.0.0.1:0"];
  const begin = performance.now();
  const typhon = await startTyphon(t, args, optionsOf(way, cwd));
  t.diagnostic(`it says its address after ${Math.round(performance.now() - begin)} ms`);
  return typhon;
}

async function ask(way: Way, cwd: string, ...words: string[]): Promise<Run> {
  return await runTyphon([...way.words.slice(1), ...words], optionsOf(way, cwd));
}

async function get({ url }: Typhon, path: string): Promise<string> {
  const response = await fetch(url + path);
  assert.equal(response.status, 200, path);
  return await response.text();
}

/** Ctrl-C, which a terminal sends to npx and to what npx has started. */
async function interrupt(typhon: Typhon): Promise<void> {
  process.kill(-typhon.pid, "SIGINT");
  await typhon.exited;
  await typhon.leavesNothing();
}

test("pip's newcomer has no Node on PATH", () => {
  assert.throws(() => run("sh", ["-c", "command -v node"], home, wayOf("pip").env));
});

for (const name of ["pip", "npm"])
  describe(name, () => {
    let way: Way;
    before(() => {
      way = wayOf(name);
    });

    test("typhon in a folder with Flask", async (t) => {
      const typhon = await start(t, way, project(way, "flask", { "app.py": FLASK }));
      assert.match(await get(typhon, "/"), /hello$/);
      assert.match(
        typhon.output.all,
        / found app:app: the Flask object app in app\.py, by \S*\/venv\//,
      );
      await interrupt(typhon);
    });

    test("typhon in a folder with Django and its collected files", async (t) => {
      const cwd = project(way, "django", { "empty.txt": "" });
      run(python, ["-m", "django", "startproject", "mysite", "."], cwd, way.env);
      const settings = join(cwd, "mysite/settings.py");
      writeFileSync(
        settings,
        `${readFileSync(settings, "utf8")}STATIC_ROOT = BASE_DIR / "static"\n`,
      );
      run(python, ["manage.py", "collectstatic", "--noinput"], cwd, way.env);
      const typhon = await start(t, way, cwd);
      assert.match(await get(typhon, "/admin/login/"), /<title>Log in \| Django site admin/);
      assert.match(await get(typhon, "/static/admin/css/base.css"), /DJANGO Admin styles/);
      await interrupt(typhon);
    });

    test("typhon in a folder with FastAPI", async (t) => {
      const typhon = await start(t, way, project(way, "fastapi", { "main.py": FASTAPI }));
      assert.equal(await get(typhon, "/"), '{"hello":"world"}');
      assert.match(await get(typhon, "/docs"), /swagger/);
      await interrupt(typhon);
    });

    test("typhon in a folder with CGI programs says the command, which serves them", async (t) => {
      const cwd = project(way, "cgi", { "cgi-bin/hello.py": CGI });
      const { code, stderr } = await ask(way, cwd);
      assert.equal(code, 2);
      const [, words = ""] = /^cgi-bin\/ has CGI programs: typhon (.*)$/m.exec(stderr) ?? [];
      const typhon = await start(t, way, cwd, ...words.split(" "));
      assert.equal(await get(typhon, "/cgi-bin/hello.py"), "hello from a program\n");
      await interrupt(typhon);
    });

    test("typhon in a folder with index.html", async (t) => {
      const typhon = await start(t, way, project(way, "site", { "index.html": "<p>a site" }));
      assert.equal(await get(typhon, "/"), "<p>a site");
      await interrupt(typhon);
    });

    test("typhon dev: the browser shows what a save has broken, then what has mended it", async (t) => {
      const cwd = project(way, "dev", { "app.py": FLASK });
      const typhon = await start(t, way, cwd, "dev");
      const page = await browser.open();
      await page.show(`${typhon.url}/`);
      await page.shows(/^hello$/);
      writeFileSync(
        join(cwd, "app.py"),
        FLASK.replace("hello</title>hello", 'hello" + missing + "'),
      );
      await page.shows(/NameError[\s\S]*missing/);
      writeFileSync(join(cwd, "app.py"), FLASK.replace("hello</title>hello", 'hello" +'));
      await page.shows(/SyntaxError[\s\S]*app\.py/);
      writeFileSync(join(cwd, "app.py"), FLASK.replace("</title>hello", "</title>mended"));
      await page.shows(/^mended$/);
      await interrupt(typhon);
    });

    test("typhon doctor finds nothing to mend", async () => {
      const cwd = project(way, "doctor", { "app.py": FLASK });
      const { code, stdout, stderr } = await ask(way, cwd, "doctor", "--bind", "127.0.0.1:0");
      assert.deepEqual([code, stderr], [0, ""], stdout);
      assert.match(stdout, /^ok {4}application {4}app:app$/m);
      assert.match(stdout, /^\w+ +node +Node 24\.\S+, \S+\/typhon_server_node\/bin\/node$/m);
      assert.doesNotMatch(stdout, /^(?:fail|warn)/m);
    });

    test("typhon init, then typhon check, then typhon", async (t) => {
      const cwd = project(way, "init", {
        "shop/main.py": FASTAPI,
        "pyproject.toml": '[project]\nname = "shop"\n',
      });
      assert.match(
        (await ask(way, cwd, "init")).stdout,
        /^wrote typhon\.toml: main:app, .*\nnext: typhon check, then typhon$/m,
      );
      assert.match((await ask(way, cwd, "check")).stdout, /^ {2}main:app$/m);
      const typhon = await start(t, way, cwd);
      assert.equal(await get(typhon, "/"), '{"hello":"world"}');
      await interrupt(typhon);
    });
  });
