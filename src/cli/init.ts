// `typhon init [toml|systemd|dockerfile] [APP]`: writes a first file for what was found in this folder. A file that is
// there already stays as it is.

import { existsSync, writeFileSync } from "node:fs";
import { userInfo } from "node:os";
import { basename, delimiter, dirname, join, relative, resolve } from "node:path";

import type { Configuration } from "../config/configuration.ts";
import { readFlags } from "../config/flags.ts";
import type { LaunchedBy } from "../config/launched-by.ts";
import { ConfigurationReader } from "../config/load.ts";
import { OperatorError } from "../config/operator-error.ts";
import { wantedVersion } from "../config/project-environments.ts";
import type { Environment } from "../config/sources.ts";
import { DOCKERIGNORE, renderDockerfile } from "../init/dockerfile.ts";
import type { InitFacts } from "../init/facts.ts";
import { renderUnit } from "../init/systemd.ts";
import { renderToml } from "../init/toml.ts";

const KINDS = ["toml", "systemd", "dockerfile"] as const;
type Kind = (typeof KINDS)[number];
/** Options that say what is found; all others belong into the file. */
const OPTIONS_HERE: ReadonlySet<string> = new Set(["app-dir", "python", "config"]);
const PRINTS: ReadonlySet<string> = new Set(["--print", "-"]);
const USUAL_VERSION = "3.13";
const FIRST_FILES = ["requirements.txt", "uv.lock", "Pipfile.lock", "pyproject.toml"] as const;

const INIT_HELP = `Usage: typhon init [toml] [APP] [--print]
       typhon init systemd [APP] [--print]
       typhon init dockerfile [APP] [--print]

Writes a first file for what Typhon finds in this folder, or for APP:

  toml        typhon.toml with the usual options as comments
  systemd     NAME.service, a unit; NAME is the name of the folder
  dockerfile  Dockerfile, and .dockerignore if there is none

--app-dir, --python and --config are those of typhon itself. --print, or -,
writes to standard output instead. A file that is there already stays as it is,
and the exit code is 2.
`;

interface FirstFile {
  readonly name: string;
  readonly text: string;
  /** What to do next. */
  readonly next: string;
}

/** `words`: those behind "init". Returns what is shown. Throws OperatorError. */
export function init(
  words: readonly string[],
  environment: Environment,
  { cwd, launchedBy }: { readonly cwd: string; readonly launchedBy: LaunchedBy },
): string {
  const isPrinted = words.some((word) => PRINTS.has(word));
  const [first, ...rest] = words.filter((word) => !PRINTS.has(word));
  const kind = KINDS.find((one) => one === first);
  const flags = readFlags(
    kind === undefined ? [...(first === undefined ? [] : [first]), ...rest] : rest,
  );
  if (flags.wantsHelp) return INIT_HELP;
  for (const name of flags.texts.keys())
    if (!OPTIONS_HERE.has(name))
      throw new OperatorError(`typhon init takes no --${name}; write it into the file`);
  const reader = new ConfigurationReader(flags, environment, cwd, { launchedBy });
  if ((kind ?? "toml") === "toml" && reader.hasFile) {
    const name = existsSync(join(cwd, "typhon.toml"))
      ? "typhon.toml"
      : "[tool.typhon] of pyproject.toml";
    throw new OperatorError(
      `${name} is there already and stays as it is; typhon check shows what it means`,
    );
  }
  const facts = factsOf(reader.read(), { cwd, launchedBy, environment, isNamed: reader.hasFile });
  const file = render(kind ?? "toml", facts);
  if (isPrinted) return file.text;
  write(cwd, file.name, file.text);
  const beside = ".dockerignore";
  const isAlone = kind === "dockerfile" && !existsSync(join(cwd, beside));
  if (isAlone) write(cwd, beside, DOCKERIGNORE);
  return `wrote ${file.name}${isAlone ? ` and ${beside}` : ""}: ${facts.found}\nnext: ${file.next}\n`;
}

function render(kind: Kind, facts: InitFacts): FirstFile {
  const { name } = facts;
  if (kind === "toml")
    return { name: "typhon.toml", text: renderToml(facts), next: "typhon check, then typhon" };
  if (kind === "systemd")
    return {
      name: `${name}.service`,
      text: renderUnit(facts),
      next: `read it, then sudo cp ${name}.service /etc/systemd/system/ && sudo systemctl enable --now ${name}`,
    };
  const image = name.toLowerCase();
  return {
    name: "Dockerfile",
    text: renderDockerfile(facts),
    next: `docker build -t ${image} . && docker run --rm -p 8000:8000 ${image}`,
  };
}

/** Makes the file. "wx": one that is there, even a link that leads nowhere, is not touched. */
function write(folder: string, name: string, text: string): void {
  try {
    writeFileSync(join(folder, name), text, { flag: "wx" });
  } catch (error) {
    const code = error instanceof Error && "code" in error ? String(error.code) : "";
    if (code === "EEXIST")
      throw new OperatorError(
        `${name} is there already and stays as it is; typhon init --print shows what would be written`,
      );
    throw new OperatorError(
      `${name} cannot be written here (${code}); --print writes to standard output`,
    );
  }
}

interface Surroundings {
  readonly cwd: string;
  readonly launchedBy: LaunchedBy;
  readonly environment: Environment;
  /** Whether a file of this folder names what is served. */
  readonly isNamed: boolean;
}

function factsOf(configuration: Configuration, surroundings: Surroundings): InitFacts {
  const { cwd, isNamed } = surroundings;
  const [application] = configuration.applications;
  const what = application?.app ?? ".";
  const name =
    basename(cwd)
      .replaceAll(/[^\w.-]+/g, "-")
      // Docker takes one separator between letters or digits, and none at the ends.
      .replaceAll(/[._-]*[.-][._-]*/g, (all) => (all.includes("-") ? "-" : "."))
      .replaceAll(/^[._-]+|[._-]+$/g, "") || "app";
  const facts: InitFacts = {
    name,
    folder: cwd,
    app: isNamed ? null : what,
    appDir: isNamed || application === undefined ? "" : inside(cwd, application.appDir),
    statics: isNamed || application === undefined ? [] : staticsOf(configuration, cwd),
    found: isNamed ? "what the file of this folder says" : foundWords(configuration, what),
    python:
      application === undefined ? null : { path: application.python, why: application.pythonWhy },
    command: commandPath(application?.python ?? null, surroundings),
    user: userOf(name),
    packages: FIRST_FILES.find((file) => existsSync(join(cwd, file))) ?? "none",
    pythonVersion: versionOf(cwd),
  };
  const { python, statics, found, appDir, command } = facts;
  const paths = [python?.path, python?.why, ...statics.map(({ folder }) => folder), appDir];
  // A line end in a path would begin a line of its own in the file.
  if (/\p{Cc}/u.test([cwd, found, command, ...paths].join("")))
    throw new OperatorError("a path here has a control character; rename it");
  return facts;
}

function staticsOf({ routes }: Configuration, cwd: string): InitFacts["statics"] {
  return routes.flatMap(({ path, target }) =>
    target.kind === "static" ? [{ prefix: path, folder: inside(cwd, target.folder) }] : [],
  );
}

function foundWords({ found }: Configuration, what: string): string {
  const name = what === "." ? "the files of this folder" : what;
  return found === null ? name : `${name}, ${found.why}`;
}

/** The path from the folder, or the whole one of what lies elsewhere. */
function inside(cwd: string, path: string): string {
  const short = relative(cwd, path);
  return short.startsWith("..") ? path : short;
}

/** "3.12" of .python-version, where Typhon's applications run with it. */
function versionOf(folder: string): string {
  const [, minor] = /^3\.(\d{1,2})(?!\d)/.exec(wantedVersion(folder) ?? "") ?? [];
  return minor !== undefined && Number(minor) >= 10 ? `3.${Number(minor)}` : USUAL_VERSION;
}

/** Where this command is: of the Python package beside an interpreter, else of the npm package, else on PATH. */
function commandPath(python: string | null, { launchedBy, environment }: Surroundings): string {
  const onPath = (environment["PATH"] ?? "")
    .split(delimiter)
    .map((folder) => resolve(folder, "typhon"));
  const places = [
    ...[launchedBy.python, python].flatMap((one) =>
      one === null ? [] : join(dirname(one), "typhon"),
    ),
    join(import.meta.dirname, "../../bin/typhon"),
    ...onPath,
  ];
  return places.find((path) => existsSync(path)) ?? "/usr/local/bin/typhon";
}

/** This user, or for root, who serves no application, one of the project's name. */
function userOf(name: string): string {
  if (process.geteuid?.() === 0) return name;
  try {
    return userInfo().username;
  } catch {
    // A number that has no name.
    return String(process.geteuid?.());
  }
}
