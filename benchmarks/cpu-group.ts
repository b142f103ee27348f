// A control group that counts the processor time of a server: that of Apache's CGI programs stands in no account
// of a process, because mod_cgid ignores their ends. cgroups(7), version 1 or 2; as root only.

import { mkdirSync, readFileSync, rmdirSync } from "node:fs";
import { join } from "node:path";

const KINDS = [
  { parent: "/sys/fs/cgroup/cpuacct", file: "cpuacct.usage", unit: 1e9, form: /^(\d+)/ },
  { parent: "/sys/fs/cgroup", file: "cpu.stat", unit: 1e6, form: /^usage_usec (\d+)/m },
] as const;
/** `$1` is the group; what follows is the command, which begins in it. */
const ENTER = 'echo $$ >"$1/cgroup.procs" && shift && exec "$@"';

let made = 0;

export class CpuGroup {
  readonly #folder: string;
  readonly #kind: (typeof KINDS)[number];

  private constructor(folder: string, kind: (typeof KINDS)[number]) {
    this.#folder = folder;
    this.#kind = kind;
  }

  /** A new group; null where none can be made. */
  static make(): CpuGroup | null {
    made += 1;
    for (const kind of KINDS) {
      const group = new CpuGroup(join(kind.parent, `typhon-bench-${process.pid}-${made}`), kind);
      try {
        mkdirSync(group.#folder);
      } catch {
        continue;
      }
      if (Number.isFinite(group.cpuSeconds())) return group;
      group.remove();
    }
    return null;
  }

  /** The words before a command that begins in the group. */
  get words(): readonly string[] {
    return ["sh", "-c", ENTER, "sh", this.#folder];
  }

  /** Processor seconds of all processes that are or were in the group; NaN where nobody counts. */
  cpuSeconds(): number {
    try {
      const text = readFileSync(join(this.#folder, this.#kind.file), "utf8");
      return Number(this.#kind.form.exec(text)?.[1]) / this.#kind.unit;
    } catch {
      return Number.NaN;
    }
  }

  /** Removes the group; one whose processes are just ending is left, and costs nothing. */
  remove(): void {
    try {
      rmdirSync(this.#folder);
    } catch {
      return;
    }
  }
}
