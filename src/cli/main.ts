// The entry of the command. As little as possible is imported before the compile cache is on; the rest
// comes by a dynamic import, so that it is taken from the cache. The exit is explicit: nothing that may
// still be open, such as a log target that takes nothing more, holds the process when run() is done.

import { useCompileCache } from "./compile-cache.ts";

// While nobody listens for SIGUSR1 (log rotation), it opens Node's debugger.
process.on("SIGUSR1", () => undefined);

useCompileCache(process.env);
const { run } = await import("./run.ts");
process.exit(await run(process.argv.slice(2), process.env));
