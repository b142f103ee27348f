// Which Python has started Typhon. The command of the Python package says so in two variables, which no
// application may see.

/** `kind`: the environment of that Python. In that of a tool (pipx, uv) no application is installed. */
export interface LaunchedBy {
  readonly python: string | null;
  readonly kind: "venv" | "tool" | "system" | null;
}

/** Typhon was started by bin/typhon, or by a program. */
export const NO_LAUNCHER: LaunchedBy = { python: null, kind: null };

const PYTHON = "TYPHON_KEPT_PYTHON";
const KIND = "TYPHON_KEPT_PYTHON_KIND";

/** Reads the variables of the Python package's command, and removes them from `environment`. */
export function takeLauncher(environment: Record<string, string | undefined>): LaunchedBy {
  const python = environment[PYTHON] ?? null;
  const kind = environment[KIND];
  delete environment[PYTHON];
  delete environment[KIND];
  if (python === null || (kind !== "venv" && kind !== "tool" && kind !== "system"))
    return NO_LAUNCHER;
  return { python, kind };
}
