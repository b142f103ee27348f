// The entry of the command. Modules imported before the compile cache is enabled are not cached, so all
// others come by a dynamic import. The exit is explicit: an open handle, such as a log target that takes no
// more lines, must not keep the process alive after run().

import { useCompileCache } from "./compile-cache.ts";

// Without a listener SIGUSR1 (log rotation) would open Node's debugger and SIGHUP (reload) would end Node.
for (const signal of ["SIGUSR1", "SIGHUP"]) process.on(signal, () => undefined);

useCompileCache(process.env);
const { run } = await import("./run.ts");
process.exit(await run(process.argv.slice(2), process.env));
