// The public API: a server made from a configuration, for programs that embed Typhon. The command
// (cli/) is built on the same parts.

import type { Configuration } from "./config/configuration.ts";
import { openAccessLog, openLog } from "./observe/log-targets.ts";
import { Server, type Started } from "./server.ts";

export type { Configuration } from "./config/configuration.ts";
export type { ListenAddress } from "./net/address.ts";
export type { Started } from "./server.ts";

/** A server that has not been started. */
export interface EmbeddedServer {
  /** Loads the application, then listens. Rejects with an error whose `text` is for the operator. */
  start(): Promise<Started>;
  /** Stops accepting, lets requests finish for at most `graceMs`, ends the workers. */
  stop(graceMs: number): Promise<void>;
}

/** Builds a server; nothing runs before `start`. Its logs go where the configuration says. */
export function createServer(configuration: Configuration): EmbeddedServer {
  const log = openLog({ level: configuration.logLevel, format: configuration.logFormat });
  const accessLog = openAccessLog(configuration.accessLog, configuration.logFormat, log);
  const server = new Server(configuration, log, accessLog);
  return {
    start: () => server.start(),
    stop: async (graceMs) => {
      await server.stop(graceMs);
      await Promise.all([log.flush(), accessLog?.flush()]);
    },
  };
}
