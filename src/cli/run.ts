// One run of the command: shows the help, the version or what would be served, asks a running server to reload, or
// serves until the supervisor returns. An operator's mistake is one line on standard error; a bug in Typhon is its
// stack. This file returns the exit code and leaves the exit to main.ts.

import { setImmediate as nextTurn } from "node:timers/promises";

import type { Configuration } from "../config/configuration.ts";
import { asksForCheck, readFlags } from "../config/flags.ts";
import type { LaunchedBy } from "../config/launched-by.ts";
import { configurationReader, type ConfigurationReader } from "../config/load.ts";
import { OperatorError } from "../config/operator-error.ts";
import type { Environment } from "../config/sources.ts";
import { escapeText } from "../observe/escape.ts";
import { flushStandardStreams, openLog } from "../observe/log-targets.ts";
import { CHECK_HELP, DEV_HELP, renderHelp } from "./help.ts";
import { HASH_PASSWORD, HASH_PASSWORD_HELP, hashPasswordLine } from "./hash-password.ts";
import { reload, RELOAD, RELOAD_HELP } from "./reload.ts";
import { trust, TRUST, TRUST_HELP } from "./trust.ts";
import { readVersion } from "../config/version.ts";

/** Only as the first word: an application in a module of that name is `typhon check:app`. */
const CHECK = "check";
const DOCTOR = "doctor";
const INIT = "init";
/** `typhon run APP` is `typhon APP`, for whoever expects a word there; `typhon dev APP` has a developer's defaults. */
const RUN = "run";
const DEV = "dev";
const COMMANDS: ReadonlySet<string | undefined> = new Set([RELOAD, CHECK, TRUST, RUN, DEV]);
const HELP_OF: ReadonlyMap<string | null, string> = new Map([
  [CHECK, CHECK_HELP],
  [TRUST, TRUST_HELP],
  [DEV, DEV_HELP],
]);
/** Exit code of a bug in Typhon. sysexits.h has 70 (EX_SOFTWARE), but shells and systemd units expect 1. */
const EXIT_FAULT = 1;

/** Runs the command. `words`: the arguments after its name. Resolves with the exit code when the logs are written. */
export async function run(
  words: readonly string[],
  environment: Environment,
  launchedBy: LaunchedBy,
): Promise<number> {
  const [first] = words;
  const command = first !== undefined && COMMANDS.has(first) ? first : null;
  try {
    if (first === HASH_PASSWORD) return await printHash(words.slice(1));
    if (first === DOCTOR) return await examine(words.slice(1), environment, launchedBy);
    if (first === INIT) {
      const { init } = await import("./init.ts");
      process.stdout.write(init(words.slice(1), environment, { cwd: workingFolder(), launchedBy }));
      return 0;
    }
    const flags = readFlags(command === null ? words : words.slice(1));
    const isReload = command === RELOAD || (command === null && flags.app === RELOAD);
    if (flags.wantsHelp) {
      process.stdout.write(isReload ? RELOAD_HELP : (HELP_OF.get(command) ?? renderHelp()));
      return 0;
    }
    if (flags.wantsVersion) {
      process.stdout.write(`typhon ${readVersion()} (Node ${process.versions.node})\n`);
      return 0;
    }
    const cwd = workingFolder();
    if (command === TRUST) {
      process.stdout.write(trust(flags, environment, cwd));
      return 0;
    }
    const readerOf = (): ConfigurationReader =>
      configurationReader(flags, environment, cwd, { launchedBy, isDevelopment: command === DEV });
    if (command === CHECK || asksForCheck(flags)) return await check(readerOf());
    if (!isReload) return await serve(readerOf());
    const done = await reload(
      command === RELOAD ? flags : { ...flags, app: null },
      environment,
      cwd,
    );
    process.stdout.write(done);
    return 0;
  } catch (error) {
    // The text may hold an application's traceback, or the reply of whoever listens at the control socket. Lines
    // of a check begin with file and line, as editors read them.
    const text = (command === CHECK ? "" : "typhon: ") + explain(error);
    process.stderr.write(`${text.split("\n").map(escapeText).join("\n")}\n`);
    return error instanceof OperatorError ? error.exitCode : EXIT_FAULT;
  }
}

async function check(reader: ConfigurationReader): Promise<number> {
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

async function examine(
  words: readonly string[],
  environment: Environment,
  launchedBy: LaunchedBy,
): Promise<number> {
  const { doctor } = await import("./doctor.ts");
  const { text, exitCode } = await doctor(words, environment, { cwd: workingFolder(), launchedBy });
  process.stdout.write(text);
  return exitCode;
}

async function printHash(words: readonly string[]): Promise<number> {
  const flags = readFlags(words);
  if (flags.wantsHelp) process.stdout.write(HASH_PASSWORD_HELP);
  else process.stdout.write(`${await hashPasswordLine(flags.app)}\n`);
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
