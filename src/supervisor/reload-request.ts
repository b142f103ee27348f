// A reload asked for from outside: finds the server of a PID file and says in an operator's words why
// there is none.

import { lstatSync } from "node:fs";

import { OperatorError, quote } from "../config/operator-error.ts";
import { askControl, ControlError } from "./control-client.ts";
import { controlPath } from "./control-protocol.ts";

/**
 * Asks the server of a PID file to reload, and waits for the outcome; resolves with the milliseconds it
 * took. Throws OperatorError: 3 with the traceback if the code does not load, 2 if nobody answers.
 */
export async function requestReload(pidFile: string): Promise<number> {
  const path = controlPath(pidFile);
  try {
    // A server that is stuck is told from one that loads.
    await askControl(path, "ping");
    const answer = await askControl(path, "reload");
    if (answer.ok) return answer.ms;
    throw new OperatorError(answer.text, 3);
  } catch (error) {
    if (!(error instanceof ControlError)) throw error;
    throw new OperatorError(explain(error.code, pidFile));
  }
}

function explain(code: string, pidFile: string): string {
  const file = quote(pidFile);
  const socket = quote(controlPath(pidFile));
  switch (code) {
    case "ENOENT":
    case "ENOTDIR":
      return isThere(pidFile)
        ? `--pid ${file} is there but not ${socket}: the server has ended, or has no control socket (its log says why) and takes SIGHUP`
        : `--pid ${file} is not there: no server was started with it, or it has ended`;
    case "ECONNREFUSED":
      return `--pid ${file}: the server has ended without taking it away`;
    case "EACCES":
    case "EPERM":
      return `--pid ${file}: only the user whom the server runs as may use ${socket}`;
    case "TIMEOUT":
      return `--pid ${file}: the server does not answer at ${socket}; it may be stuck`;
    case "ENDED":
      return `--pid ${file}: the server ends, or is asked by too many at once; nothing is known of the reload`;
    default:
      return `--pid ${file}: ${socket} cannot be used (${code})`;
  }
}

function isThere(path: string): boolean {
  try {
    return lstatSync(path, { throwIfNoEntry: false }) !== undefined;
  } catch {
    // A folder that may not be entered: as good as not there.
    return false;
  }
}
