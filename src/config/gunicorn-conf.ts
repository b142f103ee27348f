// gunicorn.conf.py (--gunicorn-conf): a program, which the application's interpreter runs in a process of its own and of
// the server's user, for a limited time. Its settings become texts for options of ours (foreign-options.ts). What it
// puts into os.environ becomes variables of the application, because gunicorn's workers would have them.

import { spawn, type ChildProcess } from "node:child_process";
import { resolve } from "node:path";
import { Readable } from "node:stream";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";

import { environmentOf } from "./accounts.ts";
import type { Account } from "./configuration.ts";
import { FOREIGN_OPTIONS } from "./foreign-options.ts";
import { translate, type ForeignTexts, type ForeignWord } from "./foreign-texts.ts";
import { OperatorError, quote } from "./operator-error.ts";
import { kindOf } from "./paths.ts";
import type { Environment, GivenValue } from "./sources.ts";

/** What a gunicorn.conf.py asks for. */
export interface GunicornConf extends ForeignTexts {
  /** Absolute. */
  readonly path: string;
  /** The names of its hooks. */
  readonly hooks: readonly string[];
  /** Variables that it has set. */
  readonly env: Readonly<Record<string, string>>;
}

export interface ConfRun {
  /** The value of --gunicorn-conf. */
  readonly given: GivenValue<string>;
  readonly python: string;
  /** Who runs it; null: the user of this process. */
  readonly user: Account | null;
  readonly environment: Environment;
  /** The folder that leads its sys.path. */
  readonly cwd: string;
}

/** Time for the program. */
const CONF_MS = 10_000;
/** Time for its pipes to close behind it. */
const CLOSE_MS = 1000;
/** Characters of its output that are told, and lines. */
const MAX_OUTPUT = 65_536;
const MAX_OUTPUT_LINES = 20;
/** Bytes of its settings. */
const MAX_RESULT = 1_048_576;
const RESULT_FD = 3;
const MODULE = "python:";

const SCRIPT = fileURLToPath(
  new URL("../../python/typhon_worker/conf/gunicorn_settings.py", import.meta.url),
);
const BY_SETTING = new Map(
  FOREIGN_OPTIONS.flatMap((row) => (row.setting === "" ? [] : [[row.setting, row] as const])),
);
/** Settings with an entry for each element of their list; others have commas between them. */
const LISTS: ReadonlySet<string> = new Set(["bind", "raw_env"]);

/** Runs the file for at most `limitMs`, and reads its settings. Rejects with OperatorError. */
export async function readGunicornConf(run: ConfRun, limitMs = CONF_MS): Promise<GunicornConf> {
  const { by, text, value, folder } = run.given;
  const isModule = value.startsWith(MODULE);
  const path = isModule ? value : resolve(folder, value);
  if (!isModule && kindOf(path) === "missing")
    throw new OperatorError(`${by} ${quote(text)} is no file; name one that exists`);
  const { line, output, end } = await runProgram(run, path, limitMs);
  const printed = output.split("\n").filter((one) => one.trim() !== "");
  const result = parse(line, value) ?? { fault: `${value}: ${end}` };
  if ("fault" in result)
    throw new OperatorError([result.fault, ...printed.slice(-MAX_OUTPUT_LINES)].join("\n"));
  const name = value.slice(value.lastIndexOf("/") + 1);
  const { texts, notices } = translate(wordsOf(name, result.settings), false);
  return {
    path: result.file,
    hooks: result.hooks,
    env: result.env,
    texts,
    notices: [
      ...printed.slice(0, MAX_OUTPUT_LINES).map((one) => `${name} prints: ${one}`),
      ...notices,
    ],
  };
}

interface Ended {
  readonly line: string;
  readonly output: string;
  /** How the process has ended, if it has no result. */
  readonly end: string;
}

async function runProgram(
  { python, user, environment, cwd }: ConfRun,
  path: string,
  limitMs: number,
): Promise<Ended> {
  const names = [...BY_SETTING.keys()].join(",");
  // Its own alarm ends it where this process is killed meanwhile.
  const seconds = String(Math.ceil(limitMs / 1000) + 1);
  const child = spawn(python, [SCRIPT, path, names, seconds], {
    cwd,
    env: environmentOf(user, environment),
    stdio: ["ignore", "pipe", "pipe", "pipe"],
    // A group of its own: what it has started ends with it.
    detached: true,
    ...(user === null ? {} : { uid: user.uid, gid: user.gid }),
  });
  const { promise, resolve: done } = Promise.withResolvers<string>();
  const kill = (reason: string): void => {
    endGroup(child);
    done(reason);
  };
  const timer = setTimeout(
    () => kill(`it was stopped after ${limitMs / 1000} s, and has no settings yet`),
    limitMs,
  );
  const output = new Text(MAX_OUTPUT);
  const result = new Text(MAX_RESULT);
  result.onFull = (): void => kill(`its settings are larger than ${MAX_RESULT} bytes`);
  for (const stream of [child.stdout, child.stderr]) output.take(stream);
  result.take(child.stdio[RESULT_FD]);
  child.on("error", (error) => done(`${python} cannot run it: ${error.message}`));
  child.on("exit", (code, signal) => done(`it has ended with ${signal ?? `exit code ${code}`}`));
  const closed = new Promise<void>((resume) => child.on("close", () => resume()));
  const end = await promise;
  clearTimeout(timer);
  endGroup(child);
  // What it has written is read to its end, but a process outside of its group may hold the pipes open.
  await Promise.race([closed, delay(CLOSE_MS, undefined, { ref: false })]);
  for (const stream of child.stdio) stream?.destroy();
  return { line: result.text, output: output.text, end };
}

function endGroup({ pid }: ChildProcess): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, "SIGKILL");
  } catch {
    // The group has ended.
  }
}

/** The text of streams, up to a limit. */
class Text {
  onFull: () => void = () => undefined;
  readonly #most: number;
  text = "";

  constructor(most: number) {
    this.#most = most;
  }

  take(stream: unknown): void {
    if (!(stream instanceof Readable)) return;
    stream.setEncoding("utf8");
    // A pipe of a process that has ended; its end is told by "exit".
    stream.on("error", () => undefined);
    stream.on("data", (text: string) => {
      const room = this.#most - this.text.length;
      this.text += text.slice(0, room);
      if (text.length > room) this.onFull();
    });
  }
}

interface Result {
  readonly file: string;
  readonly settings: ReadonlyMap<string, readonly string[]>;
  readonly hooks: readonly string[];
  readonly env: Readonly<Record<string, string>>;
}

/** The mistake of the file, in lines. */
interface Fault {
  readonly fault: string;
}

// The file itself may have written something else to a descriptor that it has guessed: then there is no result.
function parse(line: string, value: string): Result | Fault | null {
  const fields = fieldsOf(line);
  if (fields === null) return null;
  const error = fields.get("error");
  if (typeof error === "string") {
    const at = fields.get("line");
    const trace = fields.get("trace");
    const fault = `${value}${typeof at === "number" ? `:${at}` : ""}: ${error}`;
    return { fault: typeof trace === "string" && trace !== "" ? `${fault}\n${trace}` : fault };
  }
  const [file, settings, env] = ["file", "settings", "env"].map((name) => fields.get(name));
  const lists = entriesOf(settings).map(([name, texts]) => [name, textsOf(texts)] as const);
  const variables = entriesOf(env).map(([name, text]) => [name, String(text)] as const);
  return {
    file: typeof file === "string" ? file : value,
    settings: new Map(lists),
    hooks: textsOf(fields.get("hooks")),
    env: Object.fromEntries(variables),
  };
}

function fieldsOf(line: string): ReadonlyMap<string, unknown> | null {
  try {
    const entries = entriesOf(JSON.parse(line));
    return entries.length === 0 ? null : new Map(entries);
  } catch {
    return null;
  }
}

function entriesOf(value: unknown): [string, unknown][] {
  return typeof value === "object" && value !== null ? Object.entries(value) : [];
}

function textsOf(value: unknown): string[] {
  return Array.isArray(value) ? value.map(String) : [];
}

function wordsOf(name: string, settings: Result["settings"]): ForeignWord[] {
  return [...settings].flatMap(([setting, texts]) => {
    const row = BY_SETTING.get(setting);
    if (row === undefined || texts.length === 0) return [];
    const each = LISTS.has(setting) ? texts : [texts.join(",")];
    return each.map((text) => ({ row, by: `${name}: ${setting}`, text }));
  });
}
