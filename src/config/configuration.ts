// The operator's configuration, checked, as plain data: listeners, applications, routes, logs, process. Made by
// load.ts from flags and TYPHON_… variables by the table in schema.ts, or by a program (config/embedded.ts).
// Times are milliseconds, sizes bytes.

import type { ListenAddress, SocketRights } from "../net/address.ts";

/** One Python application: its program, its workers, its times and limits. */
export interface ApplicationConfiguration {
  /** The application's name in routes and logs; "" if it is the only one, "/prefix" for one of --mount. */
  readonly name: string;
  /** The application as given: module:callable, module, path/to/file.py[:callable], module:factory(). */
  readonly app: string;
  readonly interface: "auto" | "wsgi" | "asgi";
  /** The interpreter's path or name. */
  readonly python: string;
  /** Absolute; through symbolic links, as the user names it, and so is `cwd`. */
  readonly appDir: string;
  /** The working directory of the workers. */
  readonly cwd: string;
  /** Added to the workers' environment. */
  readonly env: Readonly<Record<string, string>>;
  /** "" or "/prefix" without a trailing slash. */
  readonly rootPath: string;
  readonly loop: "auto" | "asyncio" | "uvloop";
  readonly lifespan: "auto" | "on" | "off";
  /** Whether http.response.pathsend is offered (ASGI). */
  readonly pathsend: boolean;
  /** Folders whose files the application may hand over (X-Sendfile), and the canonical paths that stand for them. */
  readonly sendfile: readonly { readonly prefix: string; readonly folder: string }[];
  /** Paths that each new worker is asked for before it takes requests. */
  readonly warmup: readonly string[];
  readonly workers: number;
  /** Whether the user has chosen `workers`; else an application that needs a single process gets one. */
  readonly areWorkersChosen: boolean;
  readonly threads: number;
  /** Requests that a worker runs at once under ASGI. */
  readonly concurrency: number;
  readonly retry: "safe" | "off";
  /** 0 = never; likewise maxRss and maxAgeMs. */
  readonly maxRequests: number;
  readonly maxRequestsJitter: number;
  /** Bytes. */
  readonly maxRss: number;
  readonly maxAgeMs: number;
  /** The deadline of a request; 0 = none. */
  readonly timeoutMs: number;
  /** The same under ASGI, where a request has a deadline only if --timeout is given. */
  readonly asgiTimeoutMs: number;
  /** How long the application may keep the event loop of an ASGI worker; 0 = for ever. */
  readonly loopTimeoutMs: number;
  /** Deadlines of a prefix and all paths below it, the longest prefix first. */
  readonly routeTimeouts: readonly { readonly prefix: string; readonly ms: number }[];
  /** For an ASGI handler whose client has left; 0 = no limit. */
  readonly abandonTimeoutMs: number;
  /** Whether such a handler is cancelled at once. */
  readonly cancelOnDisconnect: boolean;
  readonly startTimeoutMs: number;
  /** Time for running requests when a worker is replaced. */
  readonly drainTimeoutMs: number;
  readonly queue: number;
  readonly queueTimeoutMs: number;
  readonly maxResponseSpill: number;
  /** WebSockets of the application at once. */
  readonly webSocketLimit: number;
  readonly webSockets: {
    /** Size after decompression. */
    readonly maxMessageBytes: number;
    /** 0: no pings. */
    readonly pingIntervalMs: number;
    /** 0: no limit. */
    readonly pingTimeoutMs: number;
    readonly mayCompress: boolean;
  };
}

/** Who responds to the requests of a route. */
export type RouteTarget =
  | { readonly kind: "application"; readonly application: string }
  | StaticTarget
  /** `to`: a URL or a path; "{path}" stands for the rest of the path behind the prefix, "{query}" for "?" and the query. */
  | { readonly kind: "redirect"; readonly status: RedirectStatus; readonly to: string }
  | {
      readonly kind: "respond";
      readonly status: number;
      readonly contentType: string;
      readonly body: string;
    };

export type RedirectStatus = 301 | 302 | 303 | 307 | 308;

/** Files of a folder. */
export interface StaticTarget {
  readonly kind: "static";
  /** Absolute; through symbolic links, as the user names it. */
  readonly folder: string;
  /** Whether the route's path is removed before the file is looked for. */
  readonly stripPrefix: boolean;
  /** Whether a folder without index.html is shown as a list. */
  readonly listing: boolean;
  /** Whether symbolic links may leave the folder. */
  readonly followSymlinks: boolean;
  /** The file, below the folder, for paths where there is none (single-page applications); "" = none. */
  readonly fallback: string;
}

/** What a route asks of its requests, and changes in its responses. */
export interface RoutePolicy {
  /** Addresses and CIDR ranges, "unix", "*" for everybody; empty `allow` = every address. `deny` wins over `allow`. */
  readonly allow: readonly string[];
  readonly deny: readonly string[];
  /** Absolute path of a file of users and password hashes (typhon hash-password); null = no password is asked for. */
  readonly basicAuth: string | null;
  /** Fields set on each response, in place of fields of that name; and fields removed. */
  readonly setHeaders: readonly (readonly [name: string, value: string])[];
  readonly removeHeaders: readonly string[];
  /** Cache-Control of successful responses that have none; "" = none is added. */
  readonly cacheControl: string;
  /** Absolute path of a folder with 404.html, 50x.html …; null = the usual texts. */
  readonly errorPages: string | null;
  /** Which responses are compressed. */
  readonly compress: "off" | "files" | "all";
}

/** Requests for a host and below a path have one target. */
export interface RouteConfiguration {
  /** "example.com", "*.example.com" for every name below it, or "" for every host. */
  readonly host: string;
  /** "" for every path, or "/prefix" without a trailing slash: that canonical path and all paths below it. */
  readonly path: string;
  readonly target: RouteTarget;
  readonly policy: RoutePolicy;
}

export interface Configuration {
  /** Where the server listens, and settings of all its connections. */
  readonly listeners: {
    /**
     * "default": no address was chosen; port 80 on all addresses where it may be bound, else
     * 127.0.0.1:8000. Otherwise the addresses, in the order given. Never "default" with `reload`.
     */
    readonly bind: "default" | readonly ListenAddress[];
    /** Of the files of Unix sockets. */
    readonly socketRights: SocketRights;
    /** Addresses and ranges whose forwarded fields are trusted; "unix" = every Unix socket, "*" = all. */
    readonly forwardedAllowIps: readonly string[];
    /** What becomes of field names with "_". */
    readonly headerMap: "drop" | "refuse" | "dangerous";
    readonly keepAliveMs: number;
    /** 0 = no limit. */
    readonly bodyTimeoutMs: number;
    readonly maxBody: number;
    /** Bytes. */
    readonly maxRequestLine: number;
    readonly maxRequestHead: number;
  };
  /** The names differ; none for a site of files alone. */
  readonly applications: readonly ApplicationConfiguration[];
  readonly routes: readonly RouteConfiguration[];
  readonly logs: {
    /** "-" = standard output, "off", or an absolute path. */
    readonly accessLog: string;
    readonly level: "debug" | "info" | "warning" | "error";
    readonly format: "text" | "json";
    /** Whether the output of applications is written into the server's log, as lines that name the worker. */
    readonly captureOutput: boolean;
  };
  readonly process: {
    /** Absolute, or null. */
    readonly pid: string | null;
    /** Absolute. */
    readonly tempDir: string;
    /** Bytes of all files in it together. */
    readonly maxTempSize: number;
    /** Time for running requests when the server stops. */
    readonly gracefulTimeoutMs: number;
    /** Whether /livez and /readyz are served. */
    readonly health: boolean;
    /** Whether code is loaded anew when a file below `reloadDirs` changes. */
    readonly reload: boolean;
    /** Absolute. */
    readonly reloadDirs: readonly string[];
  };
}
