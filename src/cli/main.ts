// The entry of the command. As little as possible is imported before the compile cache is on; the rest
// comes by a dynamic import, so that it is taken from the cache. The exit is explicit: nothing that may
// still be open, such as a log target that takes nothing more, holds the process when run() is done.

import { useCompileCache } from "./compile-cache.ts";

// While nobody listens for them, SIGUSR1 (log rotation) opens Node's debugger, and SIGHUP (reload) ends it.
for (const signal of ["SIGUSR1", "SIGHUP"]) process.on(signal, () => undefined);

useCompileCache(process.env);
const { run } = await import("./run.ts");
process.exit(await run(process.argv.slice(2), process.env));
