// The processes of a server under test, as /proc shows them. A server is started with a mark in its
// environment, so that all its descendants can be found, also those that have left its process group.

import { readdirSync, readFileSync, readlinkSync } from "node:fs";

/** The variable that carries the mark. */
export const MARK_VARIABLE = "TEST_SERVER_MARK";

export interface ProcessFacts {
  readonly pid: number;
  readonly parent: number;
  readonly group: number;
  /** The kernel's letter: R, S, D, Z … */
  readonly state: string;
}

/** One process, or null if it is gone. */
function readProcess(pid: number): ProcessFacts | null {
  const text = readText(`/proc/${pid}/stat`);
  if (text === null) return null;
  // The program's name stands in parentheses and may hold any character, parentheses too.
  const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
  const [state = "", parent = "", group = ""] = fields;
  return { pid, parent: Number(parent), group: Number(group), state };
}

/** Whether it runs: a zombie does not. */
export function isRunning(pid: number): boolean {
  const found = readProcess(pid);
  return found !== null && found.state !== "Z";
}

/** The running processes that were started with `mark`, or that are in the process group `group`. */
export function findStarted(mark: string, group: number | null): ProcessFacts[] {
  const wanted = `${MARK_VARIABLE}=${mark}`;
  return listRunning().filter(
    (found) =>
      found.group === group ||
      (readText(`/proc/${found.pid}/environ`) ?? "").split("\0").includes(wanted),
  );
}

/** The running children of the children of a process; those of a template instead of the template. */
export function findGrandchildren(pid: number): ProcessFacts[] {
  const all = listRunning();
  const childrenOf = (parents: readonly ProcessFacts[]): ProcessFacts[] => {
    const pids = new Set(parents.map((one) => one.pid));
    return all.filter(({ parent }) => pids.has(parent));
  };
  const found = childrenOf(all.filter(({ parent }) => parent === pid));
  const templates = found.filter((one) => nameOf(one.pid) === "typhon-template");
  return [...found.filter((one) => !templates.includes(one)), ...childrenOf(templates)];
}

/** The name of a process in the kernel, "" if it is gone. */
export function nameOf(pid: number): string {
  return (readText(`/proc/${pid}/comm`) ?? "").trim();
}

/** The command line of a process, words between spaces; "" if it is gone. */
export function readCommand(pid: number): string {
  return (readText(`/proc/${pid}/cmdline`) ?? "").replaceAll("\0", " ").trim();
}

/** Anonymous resident memory of a process, bytes: without mapped files. */
export function readAnonymousMemory(pid: number): number {
  const kilobytes = /^RssAnon:\s+(\d+) kB$/m.exec(readText(`/proc/${pid}/status`) ?? "")?.[1];
  if (kilobytes === undefined) throw new Error(`process ${pid} is gone`);
  return Number(kilobytes) * 1024;
}

/** What the open descriptors of a process refer to, such as "pipe:[123]", in the order of numbers. */
export function listDescriptors(pid: number): string[] {
  const folder = `/proc/${pid}/fd`;
  const targets: string[] = [];
  for (const name of readdirSync(folder)) {
    try {
      targets.push(readlinkSync(`${folder}/${name}`));
    } catch {
      // Closed since the folder was read.
    }
  }
  return targets;
}

function listRunning(): ProcessFacts[] {
  const found: ProcessFacts[] = [];
  for (const name of readdirSync("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    const facts = readProcess(Number(name));
    if (facts !== null && facts.state !== "Z") found.push(facts);
  }
  return found;
}

function readText(path: string): string | null {
  try {
    return readFileSync(path, "latin1");
  } catch {
    // Gone since it was listed, or another user's.
    return null;
  }
}
