// `typhon reload`: asks a running server to load the application's code again, and waits for the outcome.
// Only the word alone is the command; an application in a module named reload is `typhon reload:app`.

import { givenOptions, type Flags } from "../config/flags.ts";
import { pidFileOf } from "../config/load.ts";
import { OperatorError, quote } from "../config/operator-error.ts";
import { OPTIONS } from "../config/schema.ts";
import type { Environment } from "../config/sources.ts";

export const RELOAD = "reload";

export const RELOAD_HELP = `Usage: typhon reload --pid FILE
       typhon reload [--config FILE]

Makes the server that was started with --pid FILE, or with the key pid in its
file, read its file and load the code of its applications again. New workers
start beside the old ones and take over when all of them are ready; no request
is refused or lost. If the new code does not load, or the file has a mistake,
the old code keeps serving. Settings of the file that hold only after a restart
are named.

  --pid FILE     the server's PID file; default: the variable TYPHON_PID
  --config FILE  a file with the key pid; default: typhon.toml

Exit codes: 0 the new code serves; 3 the new code does not load, its traceback
is on standard error; 2 the file has a mistake, and nothing has changed, or the
server could not be reached.
`;

/**
 * Asks the server of --pid, TYPHON_PID or the file to reload. Resolves when the new code serves, with what
 * the command prints. Throws OperatorError: 3 if the code does not load, 2 if the
 * file has a mistake or the server could not be reached.
 */
export async function reload(flags: Flags, environment: Environment, cwd: string): Promise<string> {
  const pidFile = readPidFile(flags, environment, cwd);
  // A dynamic import: a mistyped command must not wait for modules that it does not need.
  const { requestReload } = await import("../supervisor/control-client.ts");
  const { ms, restart } = await requestReload(pidFile);
  const lines = [`reloaded in ${ms} ms`];
  if (restart.length > 0) lines.push(`${restart.join(", ")}: holds after a restart`);
  return `${lines.join("\n")}\n`;
}

function readPidFile(flags: Flags, environment: Environment, cwd: string): string {
  const { pid, config } = OPTIONS;
  const other = givenOptions(flags).find((name) => name !== pid.name && name !== config.name);
  if (flags.app !== null || other !== undefined)
    throw new OperatorError(
      `typhon reload takes --pid FILE or --config FILE and nothing else, not ${quote(flags.app ?? `--${other}`)}`,
    );
  const pidFile = pidFileOf(flags, environment, cwd);
  if (pidFile !== null) return pidFile;
  throw new OperatorError("no PID file given; for example: typhon reload --pid FILE");
}
