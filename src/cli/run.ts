// One run of the command: read what the operator asked for, show help or the version, ask a running
// server to reload, or serve until the supervisor is done. An operator's mistake ends in one line on standard error; a fault of ours
// ends in its stack, because nothing else could be told. Returns the exit code; ends no process.

import { readFlags, type Flags } from "../config/flags.ts";
import { loadConfiguration } from "../config/load.ts";
import { OperatorError } from "../config/operator-error.ts";
import type { Environment } from "../config/sources.ts";
import { openLog } from "../observe/log-targets.ts";
import { renderHelp } from "./help.ts";
import { reload, RELOAD, RELOAD_HELP } from "./reload.ts";
import { readVersion } from "../config/version.ts";

/** A fault of ours: what sysexits.h calls EX_SOFTWARE is 70, but shells and units expect 1. */
const EXIT_FAULT = 1;

/** Runs the command with the words after its name; resolves with the exit code, the logs written. */
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
    if (!isReload) return await serve(flags, environment);
    const ms = await reload(isFirst ? flags : { ...flags, app: null }, environment);
    process.stdout.write(`reloaded in ${ms} ms\n`);
    return 0;
  } catch (error) {
    process.stderr.write(`typhon: ${explain(error)}\n`);
    return error instanceof OperatorError ? error.exitCode : EXIT_FAULT;
  }
}

async function serve(flags: Flags, environment: Environment): Promise<number> {
  const configuration = loadConfiguration(flags, environment, process.cwd());
  // Loaded only now: --help and a mistyped option are answered without the server's modules.
  const { supervise } = await import("../supervisor/supervisor.ts");
  const log = openLog(configuration.logs);
  try {
    return await supervise(configuration, log);
  } finally {
    await log.flush();
  }
}

function explain(error: unknown): string {
  if (error instanceof OperatorError) return error.text;
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}
