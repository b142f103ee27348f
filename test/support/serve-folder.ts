// A server of files as a process of its own, for tests that look at what the process does: prints its URL and
// its number, and serves until SIGTERM. Arguments: the folder, the path of the route.

import { Log } from "../../src/observe/log.ts";
import { Sink } from "../../src/observe/sink.ts";
import { Server } from "../../src/server.ts";
import { staticConfiguration } from "./static-site.ts";

const [folder = "", path = ""] = process.argv.slice(2);
const log = new Log(new Sink("/dev/null"), { level: "error", format: "text" });
const server = new Server(staticConfiguration([{ folder, path, listing: false }]), log, null);
process.once("SIGTERM", () => {
  void server.stop(0).then(() => process.exit(0));
});
const { addresses } = await server.start();
process.stdout.write(`${addresses[0] ?? ""} ${process.pid}\n`);
