// Users and groups of --socket-owner, --user and --group: names to numbers, by the system's own program, which
// knows every source of users (files, LDAP, systemd). Node has no function for that.

import { spawnSync } from "node:child_process";

import type { SocketRights } from "../net/address.ts";
import type { Account } from "./configuration.ts";
import { OperatorError, quote } from "./operator-error.ts";
import type { Environment, GivenValue } from "./sources.ts";
import type { OwnerNames } from "./values.ts";

/** The largest user or group; -1 as an unsigned number is none. */
const MAX_ID = 4_294_967_294;
/** Time for the program; a directory service may be slow. */
const LOOK_UP_MS = 10_000;

/** `what`: the option and its value, for the error line. Throws OperatorError. */
export function findOwner(what: string, { user, group }: OwnerNames): SocketRights["owner"] {
  return { uid: numberOf(what, "passwd", user), gid: numberOf(what, "group", group) };
}

/** The user of --user with the group of --group, else the user's own. Throws OperatorError. */
export function findAccount(user: GivenValue<string>, group: GivenValue<string> | null): Account {
  const what = `${user.by} ${quote(user.text)}`;
  const ofGroup = group && numberOf(`${group.by} ${quote(group.text)}`, "group", group.value);
  const [name = "", , uid, gid, , home = ""] =
    entryOf(what, "passwd", user.value)?.split(":") ?? [];
  if (uid !== undefined && gid !== undefined)
    return { uid: Number(uid), gid: ofGroup ?? Number(gid), name, home: home || "/" };
  const number = numberOf(what, "passwd", user.value);
  if (ofGroup !== null) return { uid: number, gid: ofGroup, name: "", home: "/" };
  throw new OperatorError(`${what}: no user has this number, so it has no group; give --group too`);
}

// "" is -1: chown(2) leaves that part as it is.
function numberOf(what: string, table: "passwd" | "group", name: string): number {
  if (name === "") return -1;
  if (/^\d+$/.test(name) && Number(name) <= MAX_ID) return Number(name);
  const id = /^[^:]*:[^:]*:(\d+):/.exec(entryOf(what, table, name) ?? "")?.[1];
  const kind = table === "passwd" ? "user" : "group";
  if (id === undefined) throw new OperatorError(`${what}: no ${kind} is named ${quote(name)}`);
  return Number(id);
}

/** The line of a user or a group, by its name or its number; null: there is none. Throws OperatorError. */
function entryOf(what: string, table: "passwd" | "group", key: string): string | null {
  // A gunicorn.conf.py may write it.
  if (key.includes("\0")) return null;
  const run = spawnSync("getent", [table, "--", key], { encoding: "utf8", timeout: LOOK_UP_MS });
  if (run.error !== undefined)
    throw new OperatorError(`${what}: names cannot be looked up here (getent); give numbers`);
  const [line = ""] = run.stdout.split("\n");
  return line === "" ? null : line;
}

/** Whether this process runs as that user and group already. */
export function isThisUser({ uid, gid }: Account): boolean {
  return process.geteuid?.() === uid && process.getegid?.() === gid;
}

/** The environment of a user: without the folders of the session in which another user has started the server. */
export function environmentOf(account: Account | null, given: Environment): Environment {
  if (account === null) return given;
  const others = Object.entries(given).filter(([name]) => !name.startsWith("XDG_"));
  const { name, home } = account;
  const own = name === "" ? {} : { USER: name, LOGNAME: name };
  return { ...Object.fromEntries(others), HOME: home, ...own };
}
