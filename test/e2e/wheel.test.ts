// Typhon as `pip install typhon-server` leaves it, in an empty virtual environment and without a Node on PATH: the
// command and the module, one process, its signals, and an application that notices nothing of it.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { execFileSync } from "node:child_process";
import { chmodSync, mkdirSync, readFileSync, readlinkSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { describe, test } from "node:test";

import { FILE } from "../support/file-scope.ts";
import { buildPackage, installTyphon } from "../support/installed.ts";
import { MARK_VARIABLE } from "../support/processes.ts";
import { getOnce } from "../support/raw-client.ts";
import { CHECKOUT, COMMAND, makeScratch, requirePython } from "../support/scratch.ts";
import { runTyphon, startTyphon, type Typhon } from "../support/typhon.ts";

const FACTS = `
import os, sys
from flask import Flask

app = Flask(__name__)
# Before this process serves anything: what the application finds at its start.
START = {
    "path": list(sys.path),
    "env": dict(os.environ),
    "modules": sorted({name.split(".")[0] for name in sys.modules}),
    "executable": sys.executable,
    "argv": list(sys.argv),
}

@app.get("/")
def facts():
    return START

@app.get("/hello")
def hello():
    return "hello"
`;

const HOOKED = `
import importlib.util
from typhon_server import hooks

state = []

@hooks.worker_start
def start():
    state.append("started")

def app(environ, start_response):
    start_response("200 OK", [])
    node = importlib.util.find_spec("typhon_server_node")
    library = hooks.__file__.split("/python")[0]
    return [f"{state[0]} {node} {library}".encode()]
`;

const { bin, python, node } = installTyphon(FILE, ["flask==3.1.3"]);
const folder = makeScratch(FILE);
writeFileSync(join(folder, "app.py"), FACTS);
const empty = join(folder, "empty");
mkdirSync(empty);

interface Facts {
  readonly path: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly modules: readonly string[];
  readonly executable: string;
  readonly argv: readonly string[];
}

const WORDS = ["app:app", "--bind", "127.0.0.1:0", "--workers", "1"];

async function factsOf(typhon: Typhon): Promise<Facts> {
  const facts: Facts = JSON.parse((await getOnce(typhon, "/")).text);
  return facts;
}

/** The variables of a process but the test's own mark. */
function variablesOf(text: Readonly<Record<string, string>>): Record<string, string> {
  const { [MARK_VARIABLE]: _mark, ...rest } = text;
  return rest;
}

function start(t: Parameters<typeof startTyphon>[0], words: string[], env = {}): Promise<Typhon> {
  const [command = "", ...args] = words;
  const options = { command, cwd: folder, defaults: false, env: { PATH: empty, ...env } };
  return startTyphon(t, [...args, ...WORDS], options);
}

function run(env: Readonly<Record<string, string>>, command = join(bin, "typhon")) {
  return runTyphon(["--version"], { command, cwd: folder, env: { PATH: empty, ...env } });
}

/** A program that says a version of Node, and what it is called with. */
function fakeNode(version: string): string {
  const place = join(folder, version);
  mkdirSync(place, { recursive: true });
  const text = `#!/bin/sh\nif [ "$1" = --version ]; then echo ${version}; else echo "ran $*"; fi\n`;
  writeFileSync(join(place, "node"), text);
  chmodSync(join(place, "node"), 0o755);
  return place;
}

describe("the installed package", () => {
  for (const [name, words] of [
    ["typhon", [join(bin, "typhon")]],
    ["python -m typhon_server", [python, "-m", "typhon_server"]],
  ] as const)
    test(`${name} is one process, which has the Node of pip and takes the signals`, async (t) => {
      const typhon = await start(t, [...words]);
      assert.equal(readlinkSync(`/proc/${typhon.pid}/exe`), node);
      assert.equal((await getOnce(typhon, "/hello")).text, "hello");
      typhon.signal("SIGUSR1");
      typhon.signal("SIGHUP");
      await typhon.output.waitFor(/new code serves/);
      assert.equal((await getOnce(typhon, "/hello")).text, "hello");
      await typhon.stop();
    });

  test("python -m takes no module of the application for one of its own", async () => {
    const shadows = join(folder, "shadows");
    mkdirSync(shadows);
    for (const name of ["signal", "select", "typhon_server_node"])
      writeFileSync(join(shadows, `${name}.py`), `raise SystemExit("${name} of the application")`);
    const args = ["-m", "typhon_server", "--version"];
    for (const flags of [[], ["-I"]]) {
      const options = { command: python, cwd: shadows, env: { PATH: empty } };
      const { stdout, stderr } = await runTyphon([...flags, ...args], options);
      assert.match(stdout, /^typhon \d/, stderr);
    }
  });

  test("the application notices nothing of how Typhon was installed", async (t) => {
    const env = { NODE_OPTIONS: "--max-old-space-size=77", SHOP: "ü b", PWD: folder };
    const typhon = await start(t, [join(bin, "typhon")], env);
    const facts = await factsOf(typhon);
    const plain = await startTyphon(t, [...WORDS, "--python", python], {
      command: COMMAND,
      cwd: folder,
      defaults: false,
      env: { ...env, PATH: process.env["PATH"] ?? "" },
    });
    const { env: plainVariables, ...expected } = await factsOf(plain);
    const { env: variables, ...rest } = facts;
    assert.deepEqual(rest, expected, "as from a checkout");
    assert.equal(facts.executable, python);
    assert.deepEqual(
      { ...variablesOf(variables), PATH: "" },
      { ...variablesOf(plainVariables), PATH: "" },
    );
    for (const name of ["NODE_OPTIONS", "SHOP"] as const) assert.equal(variables[name], env[name]);
    assert.deepEqual(
      Object.keys(variables).filter((name) => name.startsWith("TYPHON")),
      [],
    );
    assert.deepEqual(
      facts.modules.filter((name) => /typhon_server|nodejs/.test(name)),
      [],
    );
    // The path of a plain Python, with the application's folder where Python has the script's.
    const own = execFileSync(python, ["-c", "import sys; print(sys.path)"], { encoding: "utf8" });
    assert.equal(
      JSON.stringify(facts.path.slice(1)),
      own
        .replace(/^\['', /, "[")
        .replaceAll("'", '"')
        .replaceAll(", ", ",")
        .trim(),
    );
    assert.equal(facts.path[0], folder);
  });

  test("an application of another environment finds typhon_server.hooks, and nothing else of ours", async (t) => {
    const place = makeScratch(t);
    writeFileSync(join(place, "app.py"), HOOKED);
    const args = [...WORDS, "--python", requirePython()];
    const options = { command: join(bin, "typhon"), cwd: place, defaults: false };
    const typhon = await startTyphon(t, args, { ...options, env: { PATH: empty } });
    assert.equal((await getOnce(typhon, "/")).text, `started None ${join(dirname(bin), "lib")}`);
  });

  test("finds the application of a folder, as nobody has named one", async () => {
    const options = { command: join(bin, "typhon"), cwd: folder, env: { PATH: empty } };
    const { code, stdout, stderr } = await runTyphon(["check"], options);
    assert.equal(code, 0, stderr);
    assert.match(stdout, /^Found:\n {2}app:app: the Flask object app in app\.py$/m);
  });

  test("every npm package that Typhon imports is there, and finds what it needs", () => {
    const text = readFileSync(join(CHECKOUT, "package.json"), "utf8");
    const { dependencies }: { dependencies: Readonly<Record<string, string>> } = JSON.parse(text);
    const names = Object.keys(dependencies);
    assert(names.length > 0);
    const program = names.map((name) => `await import("${name}");`).join("\n");
    // A program without a file imports from the working folder.
    const cwd = join(dirname(dirname(dirname(node))), "typhon_server");
    execFileSync(node, ["--input-type=module", "--eval", program], { cwd });
  });

  test("brings no modules beside its own two", () => {
    const text = execFileSync(
      python,
      ["-m", "pip", "show", "--files", "typhon-server", "typhon-server-node"],
      { encoding: "utf8" },
    );
    const tops = [...text.matchAll(/^ {2}(?:\.\.\/\.\.\/\.\.\/)?([^/\n]+)/gm)].map(
      ([, top = ""]) => top,
    );
    const own = new Set(tops.filter((top) => !top.endsWith(".dist-info")));
    assert.deepEqual(own, new Set(["bin", "typhon_server", "typhon_server_node"]));
  });
});

describe("the Node of an installed package", () => {
  test("a newer one on PATH is taken, an older one is not", async () => {
    const newer = await run({ PATH: fakeNode("v99.0.0") });
    assert.match(
      newer.stdout,
      /^ran --inspect-port=\S+ \S+\/typhon_server\/dist\/cli\/main\.js =--version$/m,
    );
    for (const version of ["v24.22.3", "v24.0.0", "v20.20.2", "v99.0.0-nightly1"])
      assert.match((await run({ PATH: fakeNode(version) })).stdout, /^typhon \d/, version);
  });

  test("TYPHON_NODE names it, by its path or by a name on PATH", async () => {
    const place = fakeNode("v24.0.0");
    assert.match((await run({ TYPHON_NODE: join(place, "node") })).stdout, /^ran /);
    assert.match((await run({ TYPHON_NODE: "node", PATH: place })).stdout, /^ran /);
  });

  for (const [what, named, line] of [
    ["gone", "gone", /^typhon: TYPHON_NODE 'gone' is no program\n$/],
    [
      "too old",
      join(fakeNode("v22.1.0"), "node"),
      /^typhon: TYPHON_NODE '.*' is not Node 24 or newer\n$/,
    ],
  ] as const)
    test(`says that TYPHON_NODE is ${what}`, async () => {
      const { code, stdout, stderr } = await run({ TYPHON_NODE: named });
      assert.deepEqual([code, stdout], [2, ""]);
      assert.match(stderr, line);
    });

  test("where pip has none, the one on PATH is needed, and the remedy is said", async () => {
    // The wheel for other systems, such as Alpine.
    const modules = join(folder, "modules");
    mkdirSync(join(modules, "typhon_server_node"), { recursive: true });
    const text = 'VERSION = "24.22.3"\nPATH = None\n';
    writeFileSync(join(modules, "typhon_server_node/__init__.py"), text);
    const env = { PYTHONPATH: modules };
    const none = await run(env);
    assert.equal(none.code, 2);
    assert.match(
      none.stderr,
      /^typhon: pip has no Node .* \(Alpine: apk add nodejs\).* TYPHON_NODE\n$/,
    );
    const old = await run({ ...env, PATH: fakeNode("v20.20.2") });
    assert.equal(old.code, 2);
    assert.match(
      old.stderr,
      /^typhon: Node 24 or newer is needed, \S+ is v20\.20\.2; install [^\n]*\n$/,
    );
    // Below the floor, but there is no other.
    assert.match((await run({ ...env, PATH: fakeNode("v24.0.0") })).stdout, /^ran /);
  });
});

test("the same bytes twice, also from the sdist", (t) => {
  const [first, second] = [makeScratch(t), makeScratch(t)];
  const bytes = (path: string): string =>
    `${basename(path)} ${createHash("sha256").update(readFileSync(path)).digest("hex")}`;
  const sdist = buildPackage("sdist", first);
  assert.equal(bytes(sdist), bytes(buildPackage("sdist", second)));
  const wheel = bytes(buildPackage("wheel", first));
  execFileSync("tar", ["xzf", sdist, "-C", second]);
  const unpacked = join(second, basename(sdist, ".tar.gz"));
  assert.equal(wheel, bytes(buildPackage("wheel", second)));
  assert.equal(wheel, bytes(buildPackage("wheel", first, unpacked)));
});
