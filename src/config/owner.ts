// User and group of --socket-owner: names to numbers, by the system's own program, which knows every source of
// users (files, LDAP, systemd). Node has no function for that.

import { spawnSync } from "node:child_process";

import type { SocketRights } from "../net/address.ts";
import { OperatorError, quote } from "./operator-error.ts";
import type { OwnerNames } from "./values.ts";

/** The largest user or group; -1 as an unsigned number is none. */
const MAX_ID = 4_294_967_294;
/** Time for the program; a directory service may be slow. */
const LOOK_UP_MS = 10_000;

/** `what`: the option and its value, for the error line. Throws OperatorError. */
export function findOwner(what: string, { user, group }: OwnerNames): SocketRights["owner"] {
  return { uid: numberOf(what, "passwd", user), gid: numberOf(what, "group", group) };
}

// "" is -1: chown(2) leaves that part as it is.
function numberOf(what: string, table: "passwd" | "group", name: string): number {
  if (name === "") return -1;
  if (/^\d+$/.test(name) && Number(name) <= MAX_ID) return Number(name);
  const kind = table === "passwd" ? "user" : "group";
  const run = spawnSync("getent", [table, name], { encoding: "utf8", timeout: LOOK_UP_MS });
  if (run.error !== undefined)
    throw new OperatorError(`${what}: names cannot be looked up here (getent); give numbers`);
  const id = /^[^:]*:[^:]*:(\d+):/.exec(run.stdout)?.[1];
  if (id === undefined) throw new OperatorError(`${what}: no ${kind} is named ${quote(name)}`);
  return Number(id);
}
