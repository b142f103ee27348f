// Every CPython of this machine: those on PATH and those of pyenv.

import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, readdirSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";

export interface Interpreter {
  readonly path: string;
  readonly version: string;
}

/** Prints where the installation lies, its version, the implementation, and the program behind a shim of pyenv. */
const FACTS = `import sys
print(sys.base_prefix, "%d.%d.%d" % sys.version_info[:3], sys.implementation.name, sys.executable, sep="\\n")`;

function candidates(): string[] {
  const pyenv = join(homedir(), ".pyenv/versions");
  const versions = existsSync(pyenv) ? readdirSync(pyenv) : [];
  return [
    ...(process.env["PATH"] ?? "").split(":").flatMap((folder) => pythonsIn(folder)),
    ...versions.flatMap((version) => pythonsIn(join(pyenv, version, "bin"))),
  ];
}

function pythonsIn(folder: string): string[] {
  const names = existsSync(folder) ? readdirSync(folder) : [];
  return names
    .filter((name) => /^python3(?:\.\d+)?t?$/.test(name))
    .map((name) => join(folder, name));
}

/** One CPython for each installation, from a version "3.MINOR" on. */
export function findInterpreters(least: string): Interpreter[] {
  const found = new Map<string, Interpreter>();
  for (const path of candidates()) {
    try {
      const stdio = ["ignore", "pipe", "ignore"] as const;
      const text = execFileSync(path, ["-c", FACTS], { encoding: "utf8", stdio: [...stdio] });
      const [home = "", version = "", kind = "", executable = path] = text.split("\n");
      const isOld = Number(version.split(".")[1]) < Number(least.split(".")[1]);
      if (kind === "cpython" && !isOld && !found.has(home + version))
        found.set(home + version, { path: executable, version });
    } catch {
      // A shim of pyenv whose version is not active, or a program of another kind.
    }
  }
  return [...found.values()];
}

/** The path of one that another user may run. */
export function findPublicInterpreter(user: number | undefined): string {
  const ids = user === undefined ? {} : { uid: user, gid: user };
  const may = (path: string): boolean => spawnSync(path, ["-c", ""], ids).status === 0;
  const found = findInterpreters("3.10").find(({ path }) => may(path));
  if (found === undefined) throw new Error("no CPython that another user may run");
  return found.path;
}
