// The number of processor cores that this process may use: its CPU affinity (which includes a cpuset) and
// the CPU quota of its control group, version 1 or 2, and of all parent groups. A container with 1.5 of 64
// cores gets two workers, not 64. Files are read only by `read`, so tests can supply them.

import { readFileSync } from "node:fs";
import { cpus } from "node:os";
import { posix } from "node:path";

/** The text of a file, or null if the file does not exist or may not be read. */
type ReadText = (path: string) => string | null;

/** Cores that this process may use, rounded up, at least 1. `online`: the cores of the machine. */
export function usableCores(read: ReadText = readTextFile, online: number = cpus().length): number {
  let cores = Math.min(online, allowedCores(read("/proc/self/status") ?? ""));
  for (const folder of groupFolders(read)) cores = Math.min(cores, quotaOf(folder, read));
  return Math.max(1, Math.ceil(cores));
}

// The CPU affinity: "Cpus_allowed_list:\t0-3,8". Not os.availableParallelism(): it already contains the quota,
// rounded down, so that 1.5 cores would be one worker (seen with libuv 1.52).
function allowedCores(status: string): number {
  const list = /^Cpus_allowed_list:\s*([\d,-]+)$/m.exec(status)?.[1];
  if (list === undefined) return Infinity;
  let count = 0;
  for (const range of list.split(",")) {
    const [first = "", last = first] = range.split("-");
    count += Number(last) - Number(first) + 1;
  }
  return count;
}

interface Mount {
  readonly version: 1 | 2;
  /** The group at the mount point, as named in /proc/self/cgroup. */
  readonly root: string;
  readonly point: string;
}

// The folders of the process's group and of its parents, in each hierarchy that can limit CPU time.
function groupFolders(read: ReadText): string[] {
  const mounts = parseMounts(read("/proc/self/mountinfo") ?? "");
  const folders: string[] = [];
  for (const line of (read("/proc/self/cgroup") ?? "").split("\n")) {
    const [number, controllers = "", ...rest] = line.split(":");
    const group = rest.join(":");
    const version = number === "0" && controllers === "" ? 2 : 1;
    if (!group.startsWith("/") || (version === 1 && !controllers.split(",").includes("cpu")))
      continue;
    const mount = mounts.find((candidate) => candidate.version === version);
    if (mount !== undefined) folders.push(...foldersUpTo(mount, group));
  }
  return folders;
}

function foldersUpTo(mount: Mount, group: string): string[] {
  // A container without its own cgroup namespace sees its group's name on the host, and the root of its
  // mount is that group.
  const isBelow = group === mount.root || group.startsWith(`${mount.root.replace(/\/$/, "")}/`);
  let below = isBelow ? posix.relative(mount.root, group) : "";
  const folders = [posix.join(mount.point, below)];
  while (below !== "") {
    below = below.includes("/") ? posix.dirname(below) : "";
    folders.push(posix.join(mount.point, below));
  }
  return folders;
}

// proc_pid_mountinfo(5): "31 23 0:28 ROOT POINT OPTIONS … - TYPE SOURCE OPTIONS".
function parseMounts(text: string): Mount[] {
  const mounts: Mount[] = [];
  for (const line of text.split("\n")) {
    const [front = "", back = ""] = line.split(" - ");
    const [, , , root = "", point = ""] = front.split(" ").map(unescapeOctal);
    const [type, , options = ""] = back.split(" ");
    if (type === "cgroup2") mounts.push({ version: 2, root, point });
    if (type === "cgroup" && options.split(",").includes("cpu"))
      mounts.push({ version: 1, root, point });
  }
  return mounts;
}

function unescapeOctal(word: string): string {
  return word.replaceAll(/\\([0-7]{3})/g, (_, digits: string) =>
    String.fromCharCode(Number.parseInt(digits, 8)),
  );
}

// cpu.max (version 2): "150000 100000" or "max 100000"; version 1: -1 = no quota.
function quotaOf(folder: string, read: ReadText): number {
  const [quota = "", period = ""] = (
    read(`${folder}/cpu.max`) ??
    `${read(`${folder}/cpu.cfs_quota_us`) ?? ""} ${read(`${folder}/cpu.cfs_period_us`) ?? ""}`
  )
    .trim()
    .split(/\s+/);
  const cores = Number(quota) / Number(period);
  return cores > 0 && Number.isFinite(cores) ? cores : Infinity;
}

function readTextFile(path: string): string | null {
  try {
    return readFileSync(path, "utf8");
  } catch {
    // Not Linux, or not readable: no limit is known.
    return null;
  }
}
