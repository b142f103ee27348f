// One run of the command: shows the help or the version, asks a running server to reload, or serves until
// the supervisor returns. An operator's mistake is one line on standard error; a bug in Typhon is its
// stack. This file returns the exit code and leaves the exit to main.ts.

import { setImmediate as nextTurn } from "node:timers/promises";

import { readFlags, type Flags } from "../config/flags.ts";
import { loadConfiguration } from "../config/load.ts";
import { OperatorError } from "../config/operator-error.ts";
import type { Environment } from "../config/sources.ts";
import { escapeText } from "../observe/escape.ts";
import { flushStandardStreams, openLog } from "../observe/log-targets.ts";
import { renderHelp } from "./help.ts";
import { reload, RELOAD, RELOAD_HELP } from "./reload.ts";
import { readVersion } from "../config/version.ts";

/** Exit code of a bug in Typhon. sysexits.h has 70 (EX_SOFTWARE), but shells and systemd units expect 1. */
const EXIT_FAULT = 1;

/** Runs the command. `words`: the arguments after its name. Resolves with the exit code when the logs are written. */
export async function run(words: readonly string[], environment: Environment): Promise<number> {
  try {
    const isFirst = words[0] === RELOAD;
    const flags = readFlags(isFirst ? words.slice(1) : words);
    const isReload = isFirst || flags.app === RELOAD;
    if (flags.wantsHelp) {
      process.stdout.write(isReload ? RELOAD_HELP : renderHelp());
      return 0;
    }
    if (flags.wantsVersion) {
      process.stdout.write(`typhon ${readVersion()} (Node ${process.versions.node})\n`);
      return 0;
    }
    const cwd = workingFolder();
    if (!isReload) return await serve(flags, environment, cwd);
    const ms = await reload(isFirst ? flags : { ...flags, app: null }, environment, cwd);
    process.stdout.write(`reloaded in ${ms} ms\n`);
    return 0;
  } catch (error) {
    // The text may hold an application's traceback, or the reply of whoever listens at the control socket.
    const lines = `typhon: ${explain(error)}`.split("\n").map(escapeText);
    process.stderr.write(`${lines.join("\n")}\n`);
    return error instanceof OperatorError ? error.exitCode : EXIT_FAULT;
  }
}

async function serve(flags: Flags, environment: Environment, cwd: string): Promise<number> {
  const configuration = loadConfiguration(flags, environment, cwd);
  // A dynamic import: --help and a mistyped option must not wait for the server's modules.
  const { supervise } = await import("../supervisor/supervisor.ts");
  const log = openLog(configuration.logs);
  try {
    return await supervise(configuration, log);
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
