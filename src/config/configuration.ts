// What the operator asked for, checked, as plain data. Made by load.ts from flags and TYPHON_…
// variables by the one table in schema.ts; times are milliseconds, sizes bytes.

import type { ListenAddress } from "../net/address.ts";

export interface Configuration {
  /** The application as given: module:callable, module, path/to/file.py[:callable], module:factory(). */
  readonly app: string;
  /**
   * "default": nobody chose; port 80 on all addresses where it may be bound, else 127.0.0.1:8000.
   * Otherwise the addresses, in the order given.
   */
  readonly bind: "default" | readonly ListenAddress[];
  readonly workers: number;
  readonly threads: number;
  readonly interface: "auto" | "wsgi" | "asgi";
  readonly loop: "auto" | "asyncio" | "uvloop";
  readonly lifespan: "auto" | "on" | "off";
  /** Requests that a worker runs at once under ASGI. */
  readonly concurrency: number;
  /** The interpreter's path or name. */
  readonly python: string;
  /** Absolute. */
  readonly appDir: string;
  /** Paths that each new worker is asked for before it takes requests. */
  readonly warmup: readonly string[];
  readonly retry: "safe" | "off";
  /** 0 = never, as the two that follow. */
  readonly maxRequests: number;
  readonly maxRequestsJitter: number;
  /** Bytes. */
  readonly maxRss: number;
  readonly maxAgeMs: number;
  /** Added to the workers' environment. */
  readonly env: Readonly<Record<string, string>>;
  /** "" or "/prefix" without a trailing slash. */
  readonly rootPath: string;
  /** Addresses and CIDR ranges whose forwarded fields are believed; ["*"] = all; a Unix socket counts as 127.0.0.1. */
  readonly forwardedAllowIps: readonly string[];
  /** 0 = no deadline. */
  readonly timeoutMs: number;
  /** Deadlines of the paths at and below a prefix, the longest prefix first. */
  readonly routeTimeouts: readonly { readonly prefix: string; readonly ms: number }[];
  readonly startTimeoutMs: number;
  readonly gracefulTimeoutMs: number;
  readonly keepAliveMs: number;
  readonly queue: number;
  readonly queueTimeoutMs: number;
  readonly maxBody: number;
  readonly maxResponseSpill: number;
  readonly webSockets: {
    /** Inflated. */
    readonly maxMessageBytes: number;
    /** 0: no pings. */
    readonly pingIntervalMs: number;
    /** 0: no limit. */
    readonly pingTimeoutMs: number;
    readonly mayCompress: boolean;
  };
  /** Absolute. */
  readonly tempDir: string;
  /** "-" = standard output, "off", or an absolute path. */
  readonly accessLog: string;
  readonly logLevel: "debug" | "info" | "warning" | "error";
  readonly logFormat: "text" | "json";
  /** Absolute, or null. */
  readonly pid: string | null;
  readonly health: boolean;
  /** Whether code is loaded anew when a file below `reloadDirs` changes. */
  readonly reload: boolean;
  /** Absolute. */
  readonly reloadDirs: readonly string[];
}
