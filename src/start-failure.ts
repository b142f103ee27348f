// What an operator reads when a start fails: one clear line, and the application's own traceback where
// it raised. Exit code 2: the command is wrong. 3: the application is.

import type { Configuration } from "./config/configuration.ts";
import { OperatorError } from "./config/operator-error.ts";
import { ListenError } from "./front/listener.ts";
import { StartFailure } from "./workers/pool.ts";

/** The operator's view of an error of `Server.start`; null if it is a fault of ours. */
export function explainStartFailure(
  error: unknown,
  configuration: Configuration,
): OperatorError | null {
  if (error instanceof ListenError) return new OperatorError(error.message, 2);
  if (!(error instanceof StartFailure)) return null;
  if (error.kind === "launcher")
    return new OperatorError(`--python ${configuration.python}: ${lastLine(error.message)}`, 2);
  return new OperatorError(error.message, 3);
}

/** Python tells what is wrong in the last line, and so does a program that is no Python. */
function lastLine(text: string): string {
  return text.trim().split("\n").at(-1)?.slice(0, 300) || "it ended without a word";
}
