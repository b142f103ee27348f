// Whether a process is still the one that it was: a number alone may be another's by now.

import { readFileSync } from "node:fs";

/** Where the start time stands in /proc/PID/stat, counted behind the name (proc_pid_stat(5)). */
const START_TIME_FIELD = 19;

/** When the process started, as the kernel counts; "" if there is none, or only its remains. */
export function startTimeOf(pid: number): string {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return fields[0] === "Z" || fields[0] === "X" ? "" : (fields[START_TIME_FIELD] ?? "");
  } catch {
    // It has gone.
    return "";
  }
}
