// The machine that the figures are from: processors, kernel, and the versions of all programs.

import { readFileSync } from "node:fs";
import { availableParallelism, cpus, release, totalmem } from "node:os";
import { join } from "node:path";
import { ROOT, VENV_BIN } from "./places.ts";
import { runProgram } from "./program.ts";

export interface Machine {
  readonly cores: number;
  readonly processor: string;
  readonly memoryBytes: number;
  readonly system: string;
  readonly kernel: string;
  /** Versions by the names that are shown. */
  readonly versions: Readonly<Record<string, string>>;
}

const PACKAGES = [
  "granian",
  "gunicorn",
  "gunicorn_h1c",
  "uvicorn",
  "hypercorn",
  "uvloop",
  "httptools",
  "peregrine-server",
];
const FRAMEWORKS = ["a2wsgi", "flask", "django", "fastapi", "pydantic"];

/** Asks every program for its version: "unknown" if the program does not tell, "missing" if it is not there. */
export async function describeMachine(): Promise<Machine> {
  return {
    cores: availableParallelism(),
    processor: cpus()[0]?.model.trim() ?? "unknown",
    memoryBytes: totalmem(),
    system: /^PRETTY_NAME="(.*)"$/m.exec(readText("/etc/os-release"))?.[1] ?? process.platform,
    kernel: release(),
    versions: {
      typhon: /"version": "([^"]+)"/.exec(readText(join(ROOT, "package.json")))?.[1] ?? "unknown",
      node: process.versions.node,
      ...(await pythonVersions()),
      nginx: await version("nginx", ["-v"], /nginx\/(\S+)/),
      caddy: await version("caddy", ["version"], /^v?(\d\S*)/m),
      apache: await version("apache2", ["-v"], /Apache\/(\S+)/),
      lighttpd: await version("lighttpd", ["-v"], /lighttpd\/(\S+)/),
      wrk: await version("wrk", ["-v"], /wrk (?:debian\/)?(\S+)/),
    },
  };
}

async function pythonVersions(): Promise<Record<string, string>> {
  const names = [...PACKAGES, ...FRAMEWORKS];
  const program = `import sys, json, platform, importlib.metadata as m
def version(name):
    try:
        return m.version(name)
    except m.PackageNotFoundError:
        return "missing"
print(json.dumps({"python": platform.python_version(), **{n: version(n) for n in sys.argv[1:]}}))`;
  const output = await runProgram(join(VENV_BIN, "python"), ["-c", program, ...names]);
  const parsed: unknown = JSON.parse(output);
  const entries = Object.entries(Object(parsed));
  return Object.fromEntries(entries.map(([name, value]) => [name, String(value)]));
}

/** nginx and wrk print their version on standard error, and wrk exits with 1. */
async function version(command: string, args: readonly string[], form: RegExp): Promise<string> {
  const script = 'PATH="$PATH:/usr/sbin" "$@" 2>&1 || true';
  const output = await runProgram("sh", ["-c", script, "sh", command, ...args]);
  return form.exec(output)?.[1] ?? "unknown";
}

function readText(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}
