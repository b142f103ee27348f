// The entry of the command. Modules imported before the compile cache is enabled are not cached, so all
// others come by a dynamic import. The exit is explicit: an open handle, such as a log target that takes no
// more lines, must not keep the process alive after run().

import { takeLauncher } from "../config/launched-by.ts";
import { useCompileCache } from "./compile-cache.ts";
import { delayCollections } from "./heap-growth.ts";

// Without a listener SIGUSR1 (log rotation) would open Node's debugger and SIGHUP (reload) would end Node.
// Before this line bin/typhon gives the debugger an address that nothing can listen at.
for (const signal of ["SIGUSR1", "SIGHUP"]) process.on(signal, () => undefined);

// The command hides NODE_OPTIONS from the Node that runs Typhon; the application gets it as it was.
const { TYPHON_KEPT_NODE_OPTIONS: nodeOptions } = process.env;
if (nodeOptions !== undefined) process.env["NODE_OPTIONS"] = nodeOptions;
delete process.env["TYPHON_KEPT_NODE_OPTIONS"];
const launchedBy = takeLauncher(process.env);

useCompileCache(process.env);
delayCollections();
const { run } = await import("./run.ts");
// bin/typhon puts "=" before each word, so that Node takes no word for an option of its own.
const words = process.argv.slice(2).map((word) => word.replace(/^=/, ""));
process.exit(await run(words, process.env, launchedBy));
