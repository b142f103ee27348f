// What became of a reload, and who can be asked for one. The words of the log are here, because a
// service and a developer's server (reloads.ts, development.ts) use the same.

import type { Log } from "../observe/log.ts";

export type ReloadOutcome =
  | { readonly kind: "reloaded"; readonly ms: number }
  /** The old code goes on; `text` is the application's traceback, or a sentence. */
  | { readonly kind: "failed"; readonly ms: number; readonly text: string }
  /** The server ends. */
  | { readonly kind: "stopped" };

/** Loads the application's code anew when somebody asks. */
export interface Reloader {
  /** `reason`: who asks, such as "SIGHUP". Resolves when code that was read after this call serves, or does not load. */
  request(reason: string): Promise<ReloadOutcome>;
  /** Nothing is loaded any more; who waits gets "stopped". */
  close(): void;
}

/** The outcome of a load that took from `begin` (performance.now()) until now. */
export function outcomeOf(failure: string | null, begin: number): ReloadOutcome {
  const ms = Math.round(performance.now() - begin);
  return failure === null ? { kind: "reloaded", ms } : { kind: "failed", ms, text: failure };
}

/** Writes one line; `changed`: the file whose change was the reason. */
export function logOutcome(log: Log, outcome: ReloadOutcome, changed?: string): void {
  if (outcome.kind === "stopped") return;
  const fields = { ms: outcome.ms, ...(changed === undefined ? {} : { changed }) };
  if (outcome.kind === "reloaded") log.info("server.reloaded", "new code serves", fields);
  else log.error("server.reload-failed", `the new code does not load\n${outcome.text}`, fields);
}
