// A control group with a bound on memory for the command of one trial: made by hand where root may, as in
// a container of its own, else by systemd; elsewhere the trial is not possible.

import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";

import { NotPossible, type Stage } from "./trial.ts";

const ROOT = "/sys/fs/cgroup";
/** `$1` is the group; what follows is the command, which begins in it. */
const ENTER = 'echo $$ >"$1/cgroup.procs" && shift && exec "$@"';

/** The words before a command that give it a group of its own with so much memory, and no swap. */
export function limitMemory(stage: Stage, bytes: number): string[] {
  const group = makeGroup(basename(stage.folder), bytes);
  if (group === null) return askSystemd(bytes);
  const remove = (): void => {
    process.off("exit", remove);
    // A process that was killed last may still be in the group; a group that is left costs nothing.
    try {
      rmdirSync(group);
    } catch {
      return;
    }
  };
  process.on("exit", remove);
  stage.after(remove);
  return ["sh", "-c", ENTER, "sh", group];
}

/** `name`: of this trial, since several run side by side. cgroups(7): version 1 below our own group, version 2 below the root, where alone it has no processes. */
function makeGroup(name: string, bytes: number): string | null {
  const own = /^\d+:memory:(.*)$/m.exec(readFileSync("/proc/self/cgroup", "utf8"))?.[1];
  const places: (readonly [parent: string, limit: string, swap: string, none: number])[] = [
    [ROOT, "memory.max", "memory.swap.max", 0],
  ];
  // There memory and swap are bounded together.
  const both = "memory.memsw.limit_in_bytes";
  if (own !== undefined)
    places.unshift([join(ROOT, "memory", own), "memory.limit_in_bytes", both, bytes]);
  for (const [parent, limit, swap, none] of places) {
    const group = join(parent, name);
    try {
      mkdirSync(group);
    } catch {
      continue;
    }
    try {
      // Where no control groups are mounted the folder is a usual one, and so would be the files in it.
      if (!existsSync(join(group, limit))) throw new Error("no control group");
      writeFileSync(join(group, limit), String(bytes));
    } catch {
      rmdirSync(group);
      continue;
    }
    try {
      writeFileSync(join(group, swap), String(none));
    } catch {
      // A kernel that does not account for swap.
      return group;
    }
    return group;
  }
  return null;
}

function askSystemd(bytes: number): string[] {
  const user = process.getuid?.() === 0 ? [] : ["--user"];
  const limits = ["-p", `MemoryMax=${bytes}`, "-p", "MemorySwapMax=0"];
  const words = ["systemd-run", ...user, "--scope", "--quiet", ...limits];
  // Else systemd ends the whole group when one of it was out of memory; before version 253 it does not.
  for (const more of [["-p", "OOMPolicy=continue"], []]) {
    try {
      execFileSync("systemd-run", [...words.slice(1), ...more, "true"], { stdio: "ignore" });
      return [...words, ...more];
    } catch {
      continue;
    }
  }
  throw new NotPossible("a control group of its own needs root, or a running systemd");
}
