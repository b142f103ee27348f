// A server of files alone, in this process, on a free port: what a route with `static` serves, whatever way the
// configuration came.

import type { Configuration, StaticTarget } from "../../src/config/configuration.ts";
import { embeddedConfiguration } from "../../src/config/embedded.ts";
import { Log } from "../../src/observe/log.ts";
import { Server } from "../../src/server.ts";
import { scratchSink } from "../observe/scratch-log.ts";
import { CHECKOUT, requirePython, type Scope } from "./scratch.ts";

export interface StaticRoute extends Partial<Omit<StaticTarget, "kind">> {
  readonly folder: string;
  /** "" or "/prefix". */
  readonly path?: string;
}

export interface StaticSite {
  readonly port: number;
  readonly url: string;
  /** The server's log. */
  readLog(): Promise<string>;
  stop(): Promise<void>;
}

/** The configuration of a server that has these routes and no application. */
export function staticConfiguration(routes: readonly StaticRoute[]): Configuration {
  const options = { app: "none", python: requirePython(), bind: "127.0.0.1:0" };
  const usual = embeddedConfiguration(options, CHECKOUT);
  const [first] = usual.routes;
  if (first === undefined) throw new Error("no route");
  return {
    ...usual,
    applications: [],
    routes: routes.map(({ path = "", ...target }) => ({
      host: "",
      path,
      policy: first.policy,
      target: {
        kind: "static",
        stripPrefix: true,
        index: ["index.html"],
        listing: false,
        followSymlinks: false,
        hidden: [],
        fallback: "",
        ...target,
      },
    })),
  };
}

export async function serveStatic(
  scope: Scope,
  ...routes: readonly StaticRoute[]
): Promise<StaticSite> {
  const { sink, read } = scratchSink();
  const log = new Log(sink, { level: "info", format: "text" });
  const server = new Server(staticConfiguration(routes), log, null);
  const { addresses } = await server.start();
  const stop = (): Promise<void> => server.stop(0);
  scope.after(stop);
  const url = addresses[0] ?? "";
  return { url, port: Number(new URL(url).port), readLog: read, stop };
}
