// Where things are: the checkout, the applications, the virtual environment that tools/bench.sh
// makes, and the results.

import { join } from "node:path";

/** The checkout's folder. */
export const ROOT = join(import.meta.dirname, "..");
/** benchmarks/. */
export const BENCHMARKS = import.meta.dirname;
/** The applications; on every server's sys.path. */
export const CASES_FOLDER = join(BENCHMARKS, "cases");
/** Holds python and the peers' commands. */
export const VENV_BIN = join(BENCHMARKS, ".cache", "venv", "bin");
/** Results of whole runs, kept with the project. */
export const RESULTS = join(BENCHMARKS, "results");
/** Results of narrowed runs: for whoever looks now. */
export const SCRATCH_RESULTS = join(BENCHMARKS, ".cache", "results");
/** Typhon's command. */
export const TYPHON = join(ROOT, "bin", "typhon");
