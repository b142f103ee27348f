// Folders of the benchmarks: the checkout, the applications, the virtual environment that
// tools/bench.sh makes, and the results.

import { join } from "node:path";

/** The checkout's folder. */
export const ROOT = join(import.meta.dirname, "..");
/** benchmarks/. */
export const BENCHMARKS = import.meta.dirname;
/** The applications; on every server's sys.path. */
export const CASES_FOLDER = join(BENCHMARKS, "cases");
/** Everything that can be made again: the virtual environment, other revisions, narrowed runs. */
export const CACHE = join(BENCHMARKS, ".cache");
/** Holds python and the peers' commands. */
export const VENV_BIN = join(CACHE, "venv", "bin");
/** The static files of the suite "edge" (edge-cases.ts). */
export const FILES_FOLDER = join(CACHE, "files");
/** Results of whole runs, kept with the project. */
export const RESULTS = join(BENCHMARKS, "results");
/** Results of narrowed runs, which are not kept. */
export const SCRATCH_RESULTS = join(CACHE, "results");
/** Typhon's command. */
export const TYPHON = join(ROOT, "bin", "typhon");
