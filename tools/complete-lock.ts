// Completes package-lock.json after `npm install` from a registry that lacks the packages of other
// platforms: npm then leaves them out of the lock file, and `npm ci` refuses such a file everywhere.
// Adds each optional package that a locked one names, by version, without a checksum; on a platform that
// needs one, `npm install` adds that. test/architecture.test.ts says when this has to be run.

import { readFileSync, writeFileSync } from "node:fs";

interface LockedPackage {
  readonly version?: string;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
  readonly os?: readonly string[];
  readonly cpu?: readonly string[];
  readonly libc?: readonly string[];
  readonly dev?: boolean;
  readonly optional?: boolean;
}

type Packages = Record<string, LockedPackage>;

const LIBC: Readonly<Record<string, string>> = {
  gnu: "glibc",
  gnueabihf: "glibc",
  musl: "musl",
  musleabihf: "musl",
};

/** The optional packages that the lock file should name and does not: path → version. */
export function missingPackages(packages: Readonly<Packages>): Map<string, string> {
  const missing = new Map<string, string>();
  for (const [owner, { optionalDependencies = {} }] of Object.entries(packages)) {
    for (const [name, version] of Object.entries(optionalDependencies)) {
      const path = `node_modules/${name}`;
      const isNested = `${owner}/${path}` in packages;
      if (!(path in packages) && !isNested) missing.set(path, version);
    }
  }
  return missing;
}

/** "node_modules/@oxlint/binding-linux-x64-musl" → what npm would write for it. */
function describePackage(path: string, version: string): LockedPackage {
  const words = path.replace(/^.*\/(?:binding-)?/, "").split("-");
  const [os = "", cpu = "", abi = ""] = words;
  const libc = LIBC[abi];
  const platform = { os: [os], cpu: [cpu], ...(libc === undefined ? {} : { libc: [libc] }) };
  return { version, ...platform, dev: true, optional: true };
}

interface Lock {
  packages: Packages;
}

function isLock(parsed: unknown): parsed is Lock {
  return typeof parsed === "object" && parsed !== null && "packages" in parsed;
}

/** Reads a lock file of version 3. Throws for anything else. */
export function readLock(file: URL): Lock {
  const parsed: unknown = JSON.parse(readFileSync(file, "utf8"));
  if (!isLock(parsed)) throw new Error(`${file.pathname} is no lock file`);
  return parsed;
}

function complete(file: URL): number {
  const lock = readLock(file);
  const missing = missingPackages(lock.packages);
  for (const [path, version] of missing) lock.packages[path] = describePackage(path, version);
  const sorted = Object.entries(lock.packages).sort(([a], [b]) => (a < b ? -1 : 1));
  lock.packages = Object.fromEntries(sorted);
  if (missing.size > 0) writeFileSync(file, `${JSON.stringify(lock, null, 2)}\n`);
  return missing.size;
}

if (import.meta.main) {
  const count = complete(new URL("../package-lock.json", import.meta.url));
  process.stdout.write(`package-lock.json: ${count} packages of other platforms added\n`);
}
