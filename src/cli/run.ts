// One run of the command: its first word chooses what it does; without such a word it serves. An operator's mistake is
// one line on standard error; a bug in Typhon is its stack. This file returns the exit code and leaves the exit to
// main.ts.

import { setImmediate as nextTurn } from "node:timers/promises";

import type { Configuration } from "../config/configuration.ts";
import { asksForCheck, readFlags, type Flags } from "../config/flags.ts";
import type { LaunchedBy } from "../config/launched-by.ts";
import { ConfigurationReader } from "../config/load.ts";
import { OperatorError } from "../config/operator-error.ts";
import type { Environment } from "../config/sources.ts";
import { readVersion } from "../config/version.ts";
import { escapeText } from "../observe/escape.ts";
import { flushStandardStreams, openLog } from "../observe/log-targets.ts";
import { CHECK_HELP, DEV_HELP, renderHelp } from "./help.ts";
import { HASH_PASSWORD, HASH_PASSWORD_HELP, hashPasswordLine } from "./hash-password.ts";
import { reload, RELOAD, RELOAD_HELP } from "./reload.ts";
import { trust, TRUST, TRUST_HELP } from "./trust.ts";

/** How the command was called. */
interface Call {
  /** The arguments after the word that names what to do. */
  readonly words: readonly string[];
  readonly environment: Environment;
  readonly launchedBy: LaunchedBy;
}

const CHECK = "check";
/** What the first word names; an application in a module of that name is `typhon check:app`. Each gives the exit code. */
const COMMANDS: ReadonlyMap<string, (call: Call) => Promise<number>> = new Map([
  // `typhon run APP` is `typhon APP`, for whoever expects a word there; `typhon dev APP` has a developer's defaults.
  ["run", (call: Call) => start(call, renderHelp(), false)],
  ["dev", (call: Call) => start(call, DEV_HELP, true)],
  // Words that other commands have, for whoever tries them.
  ["help", (call: Call) => start({ ...call, words: ["--help"] }, renderHelp(), false)],
  ["version", (call: Call) => start({ ...call, words: ["--version"] }, renderHelp(), false)],
  [CHECK, check],
  ["doctor", examine],
  ["init", init],
  [RELOAD, askForReload],
  [HASH_PASSWORD, printHash],
  [TRUST, printTrust],
]);
/** Exit code of a bug in Typhon. sysexits.h has 70 (EX_SOFTWARE), but shells and systemd units expect 1. */
const EXIT_FAULT = 1;

/** Runs the command. `words`: the arguments after its name. Resolves with the exit code when the logs are written. */
export async function run(
  words: readonly string[],
  environment: Environment,
  launchedBy: LaunchedBy,
): Promise<number> {
  const [first = "", ...others] = words;
  const command = COMMANDS.get(first);
  try {
    if (command !== undefined) return await command({ words: others, environment, launchedBy });
    return await start({ words, environment, launchedBy }, renderHelp(), false);
  } catch (error) {
    // The text may hold an application's traceback, or the reply of whoever listens at the control socket. Lines
    // of a check begin with file and line, as editors read them.
    const text = (first === CHECK ? "" : "typhon: ") + explain(error);
    process.stderr.write(`${text.split("\n").map(escapeText).join("\n")}\n`);
    return error instanceof OperatorError ? error.exitCode : EXIT_FAULT;
  }
}

async function start(call: Call, help: string, isDevelopment: boolean): Promise<number> {
  const flags = readFlags(call.words);
  // As uvicorn has it: the word may stand behind options.
  if (flags.app === RELOAD) return await askForReload(call);
  if (hasTold(flags, help)) return 0;
  const reader = readerOf(flags, call, isDevelopment);
  return asksForCheck(flags) ? await showConfiguration(reader) : await serve(reader);
}

async function check(call: Call): Promise<number> {
  const flags = readFlags(call.words);
  return hasTold(flags, CHECK_HELP) ? 0 : await showConfiguration(readerOf(flags, call, false));
}

async function askForReload({ words, environment }: Call): Promise<number> {
  const flags = readFlags(words);
  if (hasTold(flags, RELOAD_HELP)) return 0;
  const asked = flags.app === RELOAD ? { ...flags, app: null } : flags;
  process.stdout.write(await reload(asked, environment, workingFolder()));
  return 0;
}

async function printTrust({ words, environment }: Call): Promise<number> {
  const flags = readFlags(words);
  if (!hasTold(flags, TRUST_HELP)) process.stdout.write(trust(flags, environment, workingFolder()));
  return 0;
}

async function printHash({ words }: Call): Promise<number> {
  const flags = readFlags(words);
  if (!hasTold(flags, HASH_PASSWORD_HELP))
    process.stdout.write(`${await hashPasswordLine(flags.app)}\n`);
  return 0;
}

async function init({ words, environment, launchedBy }: Call): Promise<number> {
  const place = { cwd: workingFolder(), launchedBy };
  process.stdout.write((await import("./init.ts")).init(words, environment, place));
  return 0;
}

async function examine({ words, environment, launchedBy }: Call): Promise<number> {
  const { doctor } = await import("./doctor.ts");
  const { text, exitCode } = await doctor(words, environment, { cwd: workingFolder(), launchedBy });
  process.stdout.write(text);
  return exitCode;
}

/** Whether the flags ask for the help or the version, which is shown then. */
function hasTold(flags: Flags, help: string): boolean {
  if (flags.wantsHelp) process.stdout.write(help);
  else if (flags.wantsVersion)
    process.stdout.write(`typhon ${readVersion()} (Node ${process.versions.node})\n`);
  return flags.wantsHelp || flags.wantsVersion;
}

function readerOf(
  flags: Flags,
  { environment, launchedBy }: Call,
  isDevelopment: boolean,
): ConfigurationReader {
  return new ConfigurationReader(flags, environment, workingFolder(), {
    launchedBy,
    isDevelopment,
  });
}

async function showConfiguration(reader: ConfigurationReader): Promise<number> {
  const { renderCheck } = await import("./check.ts");
  const { checkFiles } = await import("../server.ts");
  await reader.prepare();
  const user = reader.readEarly()?.user ?? null;
  // Files are looked for as the server will.
  if (user !== null) (await import("../supervisor/privileges.ts")).becomeUser(user);
  const configuration = reader.read();
  await checkFiles(configuration);
  process.stdout.write(renderCheck(configuration));
  return 0;
}

async function serve(reader: ConfigurationReader): Promise<number> {
  await reader.prepare();
  const early = reader.readEarly();
  // A dynamic import: --help and a mistyped option must not wait for the server's modules.
  const load = () => import("../supervisor/supervisor.ts");
  const opened = early === null ? null : await (await load()).openAsRoot(early);
  const configuration = reader.read();
  const { umask } = configuration.process;
  if (umask !== null) process.umask(umask);
  const { supervise } = await load();
  const log = openLog(configuration.logs);
  const readAgain = async (): Promise<Configuration> => {
    await reader.prepare();
    return reader.read();
  };
  const reread = reader.hasFile ? readAgain : null;
  try {
    return await supervise(configuration, log, { reread, opened });
  } finally {
    await flushStandardStreams();
    // An operation of the thread pool counts as running until its callbacks have returned (last-exit.ts).
    await nextTurn();
  }
}

function workingFolder(): string {
  try {
    return process.cwd();
  } catch {
    throw new OperatorError("the current folder is gone; start in one that exists");
  }
}

function explain(error: unknown): string {
  if (error instanceof OperatorError) return error.text;
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}
