// `typhon reload`: asks a running server to load its application's code anew, and waits for what becomes
// of it. The word is a command only where it stands alone: an application in a module of that name is
// reached by `typhon reload:app`.

import { resolve } from "node:path";

import type { Flags } from "../config/flags.ts";
import { OperatorError, quote } from "../config/operator-error.ts";
import { OPTIONS } from "../config/schema.ts";
import { Sources, type Environment } from "../config/sources.ts";

export const RELOAD = "reload";

export const RELOAD_HELP = `Usage: typhon reload --pid FILE

The server that was started with --pid FILE loads its application's code anew.
New workers start beside the old ones and take over when all of them are ready;
no request is refused or lost. Code that does not load changes nothing.

  --pid FILE  the server's PID file; else from the variable TYPHON_PID

Exit codes: 0 the new code serves; 3 it does not load, its traceback is on
standard error; 2 there is no server that could be asked.
`;

/**
 * Asks the server of --pid or TYPHON_PID; resolves when its new code serves, with the milliseconds that
 * took. Throws OperatorError: 3 if the code does not load, 2 if nobody could be asked.
 */
export async function reload(flags: Flags, environment: Environment): Promise<number> {
  const pidFile = readPidFile(flags, environment);
  // Loaded only now, as the server's modules are in run.ts.
  const { requestReload } = await import("../supervisor/reload-request.ts");
  return await requestReload(pidFile);
}

function readPidFile(flags: Flags, environment: Environment): string {
  const other = [...flags.texts.keys()].find((name) => name !== OPTIONS.pid.name);
  if (flags.app !== null || other !== undefined)
    throw new OperatorError(
      `typhon reload takes --pid FILE and nothing else, not ${quote(flags.app ?? `--${other}`)}`,
    );
  const given = new Sources(flags, environment).ask(OPTIONS.pid);
  if (given === null)
    throw new OperatorError("no server named; say which: typhon reload --pid FILE");
  return resolve(given.value);
}
