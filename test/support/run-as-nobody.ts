// Runs the command's words in this process as a user without rights, for tests that may run as root. The modules
// are loaded before, because that user may not be able to enter the checkout.

import { run } from "../../src/cli/run.ts";
import { NO_LAUNCHER } from "../../src/config/launched-by.ts";

/** The user and the group that own nothing (nobody, nogroup). */
const NOBODY = 65_534;

if (process.getuid?.() === 0) {
  process.setgroups?.([]);
  process.setgid?.(NOBODY);
  process.setuid?.(NOBODY);
}
process.exit(await run(process.argv.slice(2), process.env, NO_LAUNCHER));
