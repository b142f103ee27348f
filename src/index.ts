// The public API: a server for a program that embeds Typhon. The command (cli/) is built on the same
// parts.

import { embeddedConfiguration, type ServerOptions } from "./config/embedded.ts";
import { flushStandardStreams, openAccessLog, openLog } from "./observe/log-targets.ts";
import { Server, type Started } from "./server.ts";

export type { ServerOptions } from "./config/embedded.ts";
export type { ApplicationStatus } from "./application.ts";
export type { Started } from "./server.ts";

/** A server that a program has made. */
export interface EmbeddedServer {
  /** Loads the application, then listens; only once. Rejects with an error whose `text` is for the operator. */
  start(): Promise<Started>;
  /** Loads the application's code anew; null, or why the old code goes on. */
  reload(): Promise<string | null>;
  /** Stops accepting, lets requests finish for at most `graceMs`, ends the workers. */
  stop(graceMs: number): Promise<void>;
}

/**
 * Makes a server; nothing runs before `start`. Every option has the name, the default and the checks of
 * its flag: `createServer({ app: "shop:app", bind: "127.0.0.1:8000", workers: 2 })`; `apps` and `routes` are those
 * of typhon.toml. Paths are below the working directory. The log goes to standard error, and so
 * does the error output of the application; its other output goes to standard output. Throws an error whose `text` is for the operator.
 */
export function createServer(options: ServerOptions): EmbeddedServer {
  const configuration = embeddedConfiguration(options, process.cwd());
  const { logs } = configuration;
  const log = openLog(logs);
  const accessLog = openAccessLog(logs.accessLog, logs.accessFormat ?? logs.format, log);
  const server = new Server(configuration, log, accessLog);
  return {
    start: () => server.start(),
    reload: () => server.reload(),
    stop: async (graceMs) => {
      await server.stop(graceMs);
      await Promise.all([flushStandardStreams(), accessLog?.flush()]);
    },
  };
}
