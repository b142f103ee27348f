// The interpreter of an application. The facts come from the interpreter itself, far from the application's folder and
// from PYTHONPATH, so that nothing of the application runs; the checks are pure.

import { execFile } from "node:child_process";

import { finding, type Finding } from "./finding.ts";
import { hasEnded, isKnown, LEAST_MINOR, saferRelease } from "./python-release.ts";

/** The longest that an interpreter may take to tell of itself, ms. */
const PATIENCE_MS = 5000;
const MAX_OUTPUT_BYTES = 65_536;

const QUESTIONS = `
import importlib.util, json, locale, platform, sys
print(json.dumps({
    "implementation": platform.python_implementation(),
    "version": list(sys.version_info[:3]),
    "isFinal": sys.version_info[3] == "final",
    "prefix": sys.prefix,
    "basePrefix": sys.base_prefix,
    "encoding": locale.getpreferredencoding(False),
    "hasUvloop": importlib.util.find_spec("uvloop") is not None,
}))
`;

export interface PythonFacts {
  readonly implementation: string;
  readonly version: readonly [number, number, number];
  readonly isFinal: boolean;
  readonly prefix: string;
  readonly basePrefix: string;
  /** Of files that are opened without one. */
  readonly encoding: string;
  readonly hasUvloop: boolean;
}

/** Resolves with the facts, or with the reason why there are none. */
export async function askPython(
  python: string,
  environment: Readonly<Record<string, string | undefined>>,
): Promise<PythonFacts | string> {
  const options = {
    cwd: "/",
    env: { ...environment, PYTHONPATH: undefined, PYTHONSTARTUP: undefined },
    timeout: PATIENCE_MS,
    killSignal: "SIGKILL",
    maxBuffer: MAX_OUTPUT_BYTES,
  } as const;
  return await new Promise((resolve) => {
    execFile(python, ["-c", QUESTIONS], options, (error, stdout, stderr) => {
      const facts = error === null ? readFacts(stdout) : null;
      const told = stderr.trim().split("\n").at(-1) ?? "";
      const reason = error?.killed === true ? `did not respond in ${PATIENCE_MS / 1000} s` : told;
      resolve(facts ?? (reason || (error?.message.split("\n")[0] ?? "told nothing")));
    });
  });
}

function readFacts(text: string): PythonFacts | null {
  try {
    const told: unknown = JSON.parse(text);
    return isFacts(told) ? told : null;
  } catch {
    return null;
  }
}

/** Our own program has written them, if it is one that runs it. */
function isFacts(told: unknown): told is PythonFacts {
  return typeof told === "object" && told !== null && "version" in told && "hasUvloop" in told;
}

export interface AskedPython {
  readonly path: string;
  /** Why this interpreter was chosen, in words; "" = it was named. */
  readonly why: string;
  readonly facts: PythonFacts | string;
}

/** `now`: ms since 1970. */
export function checkPython({ path, why, facts }: AskedPython, now: number): readonly Finding[] {
  if (typeof facts === "string")
    return [
      finding("fail", "python", `${path} cannot be used: ${facts}`, "name another by --python"),
    ];
  return [
    checkVersion(why === "" ? path : `${path} (${why})`, facts, now),
    checkEnvironment(facts),
    checkEncoding(facts),
    facts.hasUvloop
      ? finding("ok", "packages", "uvloop is installed: ASGI applications run on it")
      : finding(
          "note",
          "packages",
          "no uvloop: ASGI applications run on asyncio",
          "pip install uvloop, if yours is one",
        ),
  ];
}

function checkVersion(path: string, facts: PythonFacts, now: number): Finding {
  const { implementation, version, isFinal } = facts;
  const [major, minor] = version;
  const what = `${implementation} ${version.join(".")}${isFinal ? "" : " (not a final release)"}, ${path}`;
  const isOld = major !== 3 || minor < LEAST_MINOR;
  if (isOld)
    return finding("fail", "python", what, `Typhon needs Python 3.${LEAST_MINOR} or newer`);
  if (implementation !== "CPython")
    return finding("warn", "python", what, "Typhon is tested with CPython only");
  if (!isKnown(minor) || !isFinal)
    return finding("note", "python", `${what}; newer than what this Typhon was tested with`);
  if (hasEnded(minor, now))
    return finding(
      "warn",
      "python",
      `${what}; 3.${minor} gets no security fixes any more`,
      "move to a newer Python",
    );
  const safer = saferRelease(version);
  if (safer === null) return finding("ok", "python", what);
  // Distributions mend theirs under the same number.
  const isSystems = facts.basePrefix === "/usr";
  return finding(
    isSystems ? "note" : "warn",
    "python",
    `${what}; ${safer} has security fixes`,
    isSystems ? "see that the packages of this system are up to date" : "update Python",
  );
}

function checkEnvironment({ prefix, basePrefix }: PythonFacts): Finding {
  if (prefix !== basePrefix) return finding("ok", "environment", `virtual environment ${prefix}`);
  return finding(
    "note",
    "environment",
    `no virtual environment: packages come from ${prefix}`,
    "python3 -m venv .venv beside the application, if it has packages of its own",
  );
}

function checkEncoding({ encoding }: PythonFacts): Finding {
  if (/^utf-?8$/i.test(encoding)) return finding("ok", "encoding", "files are read as UTF-8");
  return finding(
    "warn",
    "encoding",
    `the application reads files as ${encoding}`,
    "set LC_ALL=C.UTF-8 or PYTHONUTF8=1",
  );
}
