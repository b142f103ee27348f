// The end of root's rights (--user): the process becomes a user for good. Nothing of the server may have been made
// before but its listening sockets, because a file of root stays closed to the user.

import { environmentOf } from "../config/accounts.ts";
import type { Account } from "../config/configuration.ts";
import { OperatorError } from "../config/operator-error.ts";

/**
 * Becomes the user, with all groups of that user, and puts the user's variables into the environment, which
 * workers inherit. There is no way back. Throws OperatorError if the system refuses.
 */
export function becomeUser(account: Account): void {
  const { uid, gid, name } = account;
  try {
    // The groups first: a user may not change them.
    if (name === "") process.setgroups?.([gid]);
    else initGroups(name, gid);
    process.setgid?.(gid);
    process.setuid?.(uid);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new OperatorError(`--user: this process may not become user ${uid}: ${reason}`);
  }
  verify(account);
  const environment = environmentOf(account, process.env);
  for (const variable of Object.keys(process.env))
    if (environment[variable] === undefined) delete process.env[variable];
  Object.assign(process.env, environment);
}

// initgroups(3), which the types of Node do not have.
function initGroups(name: string, gid: number): void {
  const initgroups: unknown = Reflect.get(process, "initgroups");
  if (typeof initgroups !== "function") throw new Error("this system has no initgroups");
  Reflect.apply(initgroups, process, [name, gid]);
}

function verify({ uid, gid }: Account): void {
  const users = [process.getuid?.(), process.geteuid?.()];
  const groups = [process.getgid?.(), process.getegid?.()];
  const isUser = users.every((one) => one === uid) && groups.every((one) => one === gid);
  if (!isUser || mayBecomeRoot())
    throw new OperatorError("--user: this process has kept rights of root; start it without");
}

function mayBecomeRoot(): boolean {
  try {
    process.setuid?.(0);
    return true;
  } catch {
    // As it has to be.
    return false;
  }
}
