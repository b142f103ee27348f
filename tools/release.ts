// Builds and checks what is published: npm's tarball, wheel and sdist of typhon-server, and the wheels of
// typhon-server-node (docs/releasing.md). Run by tools/release.sh, which has built dist/ before.
//     --out FOLDER     another folder than release/
//     --no-node        without the wheels of Node, which are fetched and take half a minute
//     --allow-changes  with changes that are not committed, for a trial
// Every file has the time of the commit, so that two runs give the same bytes.

import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  chmodSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { basename, dirname, join, resolve } from "node:path";
import { parseArgs } from "node:util";

import { oldNodeWarning } from "../src/tls/node-version.ts";

const ROOT = resolve(import.meta.dirname, "..");
const PYTHON = join(ROOT, ".venv-test/bin/python");
/** Checks npm's tarball. They are fetched for it, because they bring a hundred packages. */
const NPM_CHECKS = [
  ["publint@0.3.25", "--strict"],
  ["@arethetypeswrong/cli@0.18.5", "--profile", "esm-only"],
];
/** The licences that a package of MIT's may bundle. */
const LICENSES = new Set(["MIT", "ISC", "BSD-2-Clause", "BSD-3-Clause", "Apache-2.0", "0BSD"]);
/** The wheel without Node. A goal, so that nobody bundles something large by mistake. */
const MAX_WHEEL_BYTES = 2 * 1024 * 1024;

interface Manifest {
  readonly version: string;
  readonly license: string;
  readonly dependencies: Readonly<Record<string, string>>;
}

interface Lock {
  readonly version: string;
  readonly packages: Readonly<Record<string, { readonly version: string }>>;
}

/** What is wrong in the texts of a checkout, a line each. `read`: the text of a file of the checkout. */
export function findDisagreements(read: (path: string) => string): string[] {
  const faults: string[] = [];
  const { version } = manifest(read("package.json"));
  const lock: Lock = JSON.parse(read("package-lock.json"));
  if (lock.version !== version || lock.packages[""]?.version !== version)
    faults.push(`package-lock.json has not the version ${version}`);
  if (!read("python/typhon_server/__init__.py").includes(`__version__ = "${version}"`))
    faults.push(`python/typhon_server/__init__.py has not the version ${version}`);
  if (!hasChanges(read("CHANGELOG.md"), version))
    faults.push(`CHANGELOG.md has no changes under "${version}" or "Unreleased"`);
  const old = oldNodeWarning(`v${manifest(read("packaging/node.json")).version}`);
  if (old !== null) faults.push(`packaging/node.json: ${old}`);
  return faults;
}

/** Whether a heading of the version, or else "Unreleased", has a list below. */
function hasChanges(text: string, version: string): boolean {
  const sections = text.split(/^## /m);
  return sections.some((section) => {
    const [heading = "", ...lines] = section.split("\n");
    const isMeant = heading.split(" ")[0] === version || heading === "Unreleased";
    return isMeant && lines.some((line) => line.startsWith("- "));
  });
}

/** The packages of `names` and all that they bring whose licence is none that may be bundled. */
export function findForeignLicenses(
  names: readonly string[],
  manifestOf: (name: string) => Manifest,
): string[] {
  const known = new Set<string>();
  const waiting = [...names];
  for (const name of waiting) {
    if (known.has(name)) continue;
    known.add(name);
    waiting.push(...Object.keys(manifestOf(name).dependencies));
  }
  return [...known]
    .filter((name) => !LICENSES.has(manifestOf(name).license))
    .map((name) => `${name} has the licence ${manifestOf(name).license}`);
}

function manifest(text: string): Manifest {
  const parsed: Partial<Manifest> = JSON.parse(text);
  const { version = "", license = "", dependencies = {} } = parsed;
  return { version, license, dependencies };
}

function run(command: string, args: readonly string[], cwd = ROOT): string {
  const path = `${join(ROOT, "node_modules/.bin")}:${process.env["PATH"] ?? ""}`;
  return execFileSync(command, args, {
    cwd,
    encoding: "utf8",
    env: { ...process.env, PATH: path, SOURCE_DATE_EPOCH: commitTime() },
    stdio: ["ignore", "pipe", "inherit"],
  });
}

/** The time of the commit, or of the caller who builds without git. */
function commitTime(): string {
  const given = process.env["SOURCE_DATE_EPOCH"] ?? "";
  if (given !== "") return given;
  return execFileSync("git", ["log", "-1", "--format=%ct"], { cwd: ROOT, encoding: "utf8" }).trim();
}

/** What npm packs: the published files, and a package.json without what is only for a checkout. */
function stage(folder: string): void {
  const text = readFileSync(join(ROOT, "package.json"), "utf8");
  const parsed: Record<string, unknown> = JSON.parse(text);
  for (const key of ["scripts", "devDependencies", "workspaces"]) delete parsed[key];
  for (const name of ["bin", "dist", "docs", "python", "LICENSE", "README.md"])
    cpSync(join(ROOT, name), join(folder, name), {
      recursive: true,
      filter: (path) =>
        !/(?:^|\/)(?:__pycache__|\.built|tests)(?:\/|$)/.test(path.slice(ROOT.length)),
    });
  writeFileSync(join(folder, "package.json"), `${JSON.stringify(parsed, null, 2)}\n`);
  for (const name of readdirSync(folder, { recursive: true, encoding: "utf8" })) {
    const path = join(folder, name);
    // The umask of the checkout must not count.
    if (statSync(path).isFile()) chmodSync(path, dirname(name) === "bin" ? 0o755 : 0o644);
  }
}

/** npm's tarball in `out`. */
function packNpm(out: string): string {
  const folder = mkdtempSync(join(tmpdir(), "typhon-release-"));
  try {
    stage(folder);
    const name = run("npm", ["pack", "--silent", "--pack-destination", out], folder).trim();
    return join(out, basename(name));
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** The wheel is built from the sdist, as a user's pip would, and has to be the checkout's byte for byte. */
function buildPython(out: string): string {
  const backend = (root: string, call: string): string =>
    run(PYTHON, ["-c", `import backend; print(backend.${call})`], join(root, "packaging")).trim();
  const sdist = backend(ROOT, `build_sdist(${JSON.stringify(out)})`);
  const wheel = backend(ROOT, `build_wheel(${JSON.stringify(out)})`);
  const folder = mkdtempSync(join(tmpdir(), "typhon-release-"));
  try {
    run("tar", ["xzf", join(out, sdist), "-C", folder]);
    const unpacked = join(folder, sdist.replace(/\.tar\.gz$/, ""));
    backend(unpacked, `build_wheel(${JSON.stringify(folder)})`);
    if (sha256(join(folder, wheel)) !== sha256(join(out, wheel)))
      throw new Error("the sdist builds another wheel than the checkout");
  } finally {
    rmSync(folder, { recursive: true });
  }
  const { size } = statSync(join(out, wheel));
  if (size > MAX_WHEEL_BYTES) throw new Error(`${wheel} has ${size} bytes, more than 2 MiB`);
  return join(out, wheel);
}

function sha256(path: string): string {
  return createHash("sha256").update(readFileSync(path)).digest("hex");
}

function release(): void {
  const { values } = parseArgs({
    options: {
      out: { type: "string", default: join(ROOT, "release") },
      "no-node": { type: "boolean", default: false },
      "allow-changes": { type: "boolean", default: false },
    },
  });
  const out = resolve(values.out);
  const read = (path: string): string => readFileSync(join(ROOT, path), "utf8");
  const faults = findDisagreements(read);
  const names = Object.keys(manifest(read("package.json")).dependencies);
  faults.push(
    ...findForeignLicenses(names, (name) => manifest(read(`node_modules/${name}/package.json`))),
  );
  if (!values["allow-changes"] && run("git", ["status", "--porcelain"]) !== "")
    faults.push("the checkout has changes that are not committed");
  if (faults.length > 0) throw new Error(faults.join("\n"));

  rmSync(out, { recursive: true, force: true });
  mkdirSync(out, { recursive: true });
  const tarball = packNpm(out);
  buildPython(out);
  if (!values["no-node"]) run(PYTHON, [join(ROOT, "packaging/node_wheel.py"), out]);
  const python = readdirSync(out).filter((name) =>
    /^typhon_server.*(?:\.whl|\.tar\.gz)$/.test(name),
  );
  process.stdout.write(
    run(PYTHON, [join(ROOT, "packaging/check.py"), ...python.map((name) => join(out, name))]),
  );
  for (const [check = "", ...words] of NPM_CHECKS)
    run("npx", ["--yes", check, ...words, tarball], out);
  const sums = readdirSync(out)
    .sort()
    .map((name) => `${sha256(join(out, name))}  ${name}\n`)
    .join("");
  writeFileSync(join(out, "SHA256SUMS"), sums);
  process.stdout.write(`${out}:\n${sums}`);
}

if (import.meta.main) {
  try {
    release();
  } catch (error) {
    console.error(`release: ${error instanceof Error ? error.message : String(error)}`);
    process.exitCode = 1;
  }
}
