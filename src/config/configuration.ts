// What the operator asked for, checked, as plain data. Made by load.ts from flags and TYPHON_…
// variables by the one table in schema.ts; times are milliseconds, sizes bytes.

export type BindAddress =
  | { readonly kind: "tcp"; readonly host: string; readonly port: number }
  | { readonly kind: "unix"; readonly path: string };

export interface Configuration {
  /** The application as given: module:callable, module, path/to/file.py[:callable], module:factory(). */
  readonly app: string;
  /**
   * "default": nobody chose; port 80 on all addresses where it may be bound, else 127.0.0.1:8000.
   * Otherwise the addresses, in the order given.
   */
  readonly bind: "default" | readonly BindAddress[];
  readonly workers: number;
  readonly threads: number;
  readonly interface: "auto" | "wsgi";
  /** The interpreter's path or name. */
  readonly python: string;
  /** Absolute. */
  readonly appDir: string;
  /** Added to the workers' environment. */
  readonly env: Readonly<Record<string, string>>;
  /** "" or "/prefix" without a trailing slash. */
  readonly rootPath: string;
  /** Addresses and CIDR ranges whose forwarded fields are believed; ["*"] = all; a Unix socket counts as 127.0.0.1. */
  readonly forwardedAllowIps: readonly string[];
  /** 0 = no deadline. */
  readonly timeoutMs: number;
  readonly gracefulTimeoutMs: number;
  readonly keepAliveMs: number;
  readonly queue: number;
  readonly queueTimeoutMs: number;
  readonly maxBody: number;
  readonly maxResponseSpill: number;
  /** Absolute. */
  readonly tempDir: string;
  /** "-" = standard output, "off", or an absolute path. */
  readonly accessLog: string;
  readonly logLevel: "debug" | "info" | "warning" | "error";
  readonly logFormat: "text" | "json";
}
