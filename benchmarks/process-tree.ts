// CPU and memory of a whole server: the programs that were started and all their descendants, read
// from /proc. CPU of children that ended is in their parent's account (cutime, cstime), so nothing
// is lost when a worker is replaced. A process that left its parent is found by its session: each
// program is started as the leader of a session of its own. Linux only, as all of the benchmarks.

import { readdirSync, readFileSync } from "node:fs";

/** USER_HZ: the unit of /proc/PID/stat, 100 a second on every Linux that Node runs on. */
const TICKS_PER_SECOND = 100;

/** The fields of /proc/PID/stat that are used; CPU in seconds, that of ended children included. */
interface ProcessStat {
  readonly pid: number;
  readonly parent: number;
  readonly session: number;
  readonly cpuSeconds: number;
}

/** Bytes. `pss` shares out the pages that several processes map; 0 where it may not be read. */
export interface TreeMemory {
  readonly processes: number;
  readonly rss: number;
  readonly pss: number;
}

/** Reads the text of /proc/PID/stat (proc_pid_stat(5)); null if the text is something else. */
export function parseStat(text: string): ProcessStat | null {
  // The name may hold spaces and parentheses: fields are counted from the last ")".
  const nameEnd = text.lastIndexOf(")");
  if (nameEnd < 0) return null;
  const fields = text.slice(nameEnd + 2).split(" ");
  const number = (index: number): number => Number(fields[index - 3]);
  const ticks = number(14) + number(15) + number(16) + number(17);
  if (!Number.isFinite(ticks)) return null;
  return {
    pid: Number.parseInt(text, 10),
    parent: number(4),
    session: number(6),
    cpuSeconds: ticks / TICKS_PER_SECOND,
  };
}

/** The processes below `roots` (these included) among `all`: by parent, or by session. */
export function selectTree(all: readonly ProcessStat[], roots: readonly number[]): ProcessStat[] {
  const chosen = new Set(roots);
  for (let size = -1; size !== chosen.size;) {
    size = chosen.size;
    for (const one of all) {
      if (chosen.has(one.parent) || chosen.has(one.session)) chosen.add(one.pid);
    }
  }
  return all.filter((one) => chosen.has(one.pid));
}

/** The processes below `roots` that live now; a zombie counts until it is reaped. */
export function readTree(roots: readonly number[]): ProcessStat[] {
  const all: ProcessStat[] = [];
  for (const name of readdirSync("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    const stat = parseStat(readProc(`/proc/${name}/stat`));
    if (stat !== null) all.push(stat);
  }
  return selectTree(all, roots);
}

/** User and system seconds used so far by the trees of `roots`, children that ended included. */
export function treeCpuSeconds(roots: readonly number[]): number {
  return readTree(roots).reduce((sum, one) => sum + one.cpuSeconds, 0);
}

/** Memory of these processes, summed. */
export function memoryOf(pids: readonly number[]): TreeMemory {
  let rss = 0;
  let pss = 0;
  for (const pid of pids) {
    const rollup = readProc(`/proc/${pid}/smaps_rollup`);
    pss += kilobytes(rollup, "Pss") * 1024;
    rss += kilobytes(readProc(`/proc/${pid}/status`), "VmRSS") * 1024;
  }
  return { processes: pids.length, rss, pss };
}

/** Seconds that all processors together have been busy since boot, and stolen by the hypervisor. */
export function machineCpuSeconds(): { readonly busy: number; readonly stolen: number } {
  const fields = readProc("/proc/stat").split("\n", 1)[0]?.split(/\s+/).slice(1).map(Number) ?? [];
  const [user = 0, nice = 0, system = 0, , , irq = 0, softirq = 0, steal = 0] = fields;
  return {
    busy: (user + nice + system + irq + softirq) / TICKS_PER_SECOND,
    stolen: steal / TICKS_PER_SECOND,
  };
}

/** Processor seconds of this program, those of ended children (wrk) included. */
export function ownCpuSeconds(): number {
  return parseStat(readProc("/proc/self/stat"))?.cpuSeconds ?? 0;
}

function kilobytes(text: string, field: string): number {
  return Number(new RegExp(`^${field}:\\s+(\\d+) kB`, "m").exec(text)?.[1] ?? 0);
}

/** The text of a file, empty if the process has ended meanwhile. */
function readProc(path: string): string {
  try {
    return readFileSync(path, "latin1");
  } catch {
    return "";
  }
}
