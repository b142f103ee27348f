// Typhon as pip installs it: the packages of this checkout in a new virtual environment.

import { execFileSync, spawnSync } from "node:child_process";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  renameSync,
  rmSync,
  symlinkSync,
} from "node:fs";
import { join } from "node:path";

import { CHECKOUT, makeScratch, requirePython, type Scope } from "./scratch.ts";

/** Wheels of Node: made once for each version, because they are large. */
const KEPT = join(CHECKOUT, "test/.cache/node-wheels");
const MACHINES: Readonly<Partial<Record<NodeJS.Architecture, string>>> = {
  x64: "x86_64",
  arm64: "aarch64",
};

export interface Installed {
  /** The folder of the virtual environment's programs. */
  readonly bin: string;
  readonly python: string;
  /** The Node that pip has brought. */
  readonly node: string;
}

/** Runs one of packaging/'s programs with the tests' Python, and returns its last line. */
function runPackaging(args: readonly string[], root = CHECKOUT): string {
  const text = execFileSync(requirePython(), args, {
    cwd: join(root, "packaging"),
    encoding: "utf8",
    env: { ...process.env, SOURCE_DATE_EPOCH: "1700000000" },
  });
  return text.trim().split("\n").at(-1) ?? "";
}

/** Builds "wheel" or "sdist" of `root` into `folder`, and returns the path of the file. */
export function buildPackage(kind: "wheel" | "sdist", folder: string, root = CHECKOUT): string {
  const call = `import backend; print(backend.build_${kind}(${JSON.stringify(folder)}))`;
  return join(folder, runPackaging(["-c", call], root));
}

/** Leaves the packages as they are published in `folder`; `words`: more of the release's options. */
export function release(folder: string, ...words: readonly string[]): void {
  const args = ["tools/release.sh", "--allow-changes", ...words, "--out", folder];
  execFileSync("sh", args, { cwd: CHECKOUT, stdio: ["ignore", "inherit", "inherit"] });
}

/** A folder for PATH, of any user, with the tools that a script needs, and without a Node. */
export function toolsWithoutNode(scope: Scope): string {
  const folder = makeScratch(scope);
  chmodSync(folder, 0o755);
  const names = ["sh", "env", "readlink", "find", "head", "realpath", "dirname"];
  for (const name of names) {
    const found = spawnSync("sh", ["-c", `command -v ${name}`], { encoding: "utf8" });
    const path = found.stdout.trim();
    if (path !== "") symlinkSync(path, join(folder, name));
  }
  return folder;
}

/** The folder with the wheel of Node for this machine. It is not compressed, which would take long. */
function nodeWheels(): string {
  const machine = MACHINES[process.arch];
  if (machine === undefined) throw new Error(`no Node is packed for ${process.arch}`);
  const making = `${KEPT}-${process.pid}`;
  mkdirSync(making, { recursive: true });
  const name = runPackaging(["-c", "from contents import node_version; print(node_version())"]);
  const folder = join(KEPT, name);
  if (!existsSync(folder)) {
    runPackaging(["node_wheel.py", making, machine, "--installed", "--stored"]);
    mkdirSync(KEPT, { recursive: true });
    try {
      renameSync(making, folder);
    } catch (error) {
      // Another test was quicker.
      if (!existsSync(folder)) throw error;
    }
  }
  rmSync(making, { recursive: true, force: true });
  return folder;
}

/**
 * Makes an environment of `base` with Typhon and `requirements` in it. PyPI has what is not ours. `built`: the wheel to
 * install; null: one that is built now.
 */
export function installTyphon(
  scope: Scope,
  requirements: readonly string[],
  base = requirePython(),
  built: string | null = null,
): Installed {
  const folder = makeScratch(scope);
  const wheel = built ?? buildPackage("wheel", folder);
  const venv = join(folder, "venv");
  execFileSync(base, ["-m", "venv", venv]);
  const bin = join(venv, "bin");
  const links = ["--find-links", folder, "--find-links", nodeWheels()];
  const quiet = ["--quiet", "--disable-pip-version-check"];
  const pip = ["-m", "pip", "install", ...quiet, ...links, wheel, ...requirements];
  execFileSync(join(bin, "python"), pip, { stdio: ["ignore", "inherit", "inherit"] });
  const [lib = ""] = readdirSync(join(venv, "lib"));
  const node = join(venv, "lib", lib, "site-packages/typhon_server_node/bin/node");
  return { bin, python: join(bin, "python"), node };
}
