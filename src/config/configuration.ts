// The operator's configuration, checked, as plain data: listeners, applications, routes, logs, process. Made by
// configuration-maker.ts from flags and TYPHON_… variables by the table in schema.ts, or by a program (config/embedded.ts).
// Times are milliseconds, sizes bytes.

import type { BoundAddress, SocketRights } from "../net/address.ts";

/** A part of an access log's format: literal text, or an atom; `name`: of a header field, "" for other atoms. */
export type AccessPart = string | { readonly atom: string; readonly name: string };
export type AccessFormat = "text" | "json" | readonly AccessPart[];

/** One Python application: its program, its workers, its times and limits. */
export interface ApplicationConfiguration {
  /** The application's name in routes and logs; "" if it is the only one, "/prefix" for one of --mount. */
  readonly name: string;
  /** The application as given: module:callable, module, path/to/file.py[:callable], module:factory(). */
  readonly app: string;
  readonly interface: "auto" | "wsgi" | "asgi";
  /** The interpreter's path or name. */
  readonly python: string;
  /** Why this one, such as ".venv beside the application"; "" where --python names it. */
  readonly pythonWhy: string;
  /** Absolute; through symbolic links, as the user names it, and so is `cwd`. */
  readonly appDir: string;
  /** The working directory of the workers. */
  readonly cwd: string;
  /** Added to the workers' environment. */
  readonly env: Readonly<Record<string, string>>;
  /** Pages for exceptions (`typhon dev`), and whether they show local variables: if the server listens on this machine only. */
  readonly development: "off" | "page" | "locals";
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
  /** A file that sets up `logging` in the workers; absolute, "" = none. */
  readonly logConfig: string;
  /** A gunicorn.conf.py whose hooks are called, absolute, "" = none; and the hooks that it has. */
  readonly gunicornConf: string;
  readonly gunicornHooks: readonly string[];
  readonly workers: number;
  /** Whether the user has chosen `workers`; else an application that needs a single process gets one. */
  readonly areWorkersChosen: boolean;
  /** Whether a template loads the application once, and forks the workers. */
  readonly preload: boolean;
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
  | CgiTarget
  /** `to`: a URL or a path; "{path}" stands for the rest of the path behind the prefix, "{query}" for "?" and the query. */
  | { readonly kind: "redirect"; readonly status: RedirectStatus; readonly to: string }
  | {
      readonly kind: "respond";
      readonly status: number;
      readonly contentType: string;
      readonly body: string;
    };

export type RedirectStatus = 301 | 302 | 303 | 307 | 308;

/** CGI programs (RFC 3875). */
export interface CgiTarget {
  readonly kind: "cgi";
  /** Absolute: a folder of programs, or one program that gets every path. */
  readonly place: string;
  /** The interpreter for `.py` files without the executable bit; "" = such files are not run. */
  readonly python: string;
  /** Whether Python programs run in forks of a template that has loaded them (warm). */
  readonly isWarm: boolean;
  /** Modules that a template imports, beside those of the standard library that the program names. */
  readonly preload: readonly string[];
  /** Whether programs get the request's Authorization field. */
  readonly passesAuthorization: boolean;
  /** Added to the environment of programs. */
  readonly env: Readonly<Record<string, string>>;
  /** Time until the head of the response, and between pieces of its body while the client reads; 0 = no limit. */
  readonly timeoutMs: number;
  /** The same for a prefix and all paths below it, the longest prefix first. */
  readonly routeTimeouts: readonly { readonly prefix: string; readonly ms: number }[];
}

/** What all CGI programs of a server share. */
export interface CgiConfiguration {
  /** The interpreter of the launcher. */
  readonly python: string;
  /** Programs at once, and requests that wait for one. */
  readonly concurrency: number;
  readonly queue: number;
  readonly queueTimeoutMs: number;
  /** An idle template ends after this time. */
  readonly templateIdleMs: number;
  readonly maxResponseSpill: number;
}

/** Files of a folder. */
export interface StaticTarget {
  readonly kind: "static";
  /** Absolute; through symbolic links, as the user names it. */
  readonly folder: string;
  /** Whether the route's path is removed before the file is looked for. */
  readonly stripPrefix: boolean;
  /** Names of files that stand for their folder, the first that there is; as bytes, each as one character. */
  readonly index: readonly string[];
  /** Whether a folder without such a file is shown as a list. */
  readonly listing: boolean;
  /** Whether symbolic links may leave the folder. */
  readonly followSymlinks: boolean;
  /** Folders of CGI programs below the folder, and programs, as bytes like `index`: nothing is sent of them. */
  readonly hidden: readonly string[];
  /** The file, below the folder, for paths where there is none (single-page applications), as bytes like `index`; "" = none. */
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

/** A certificate with its chain and its key, in PEM files. Absolute paths. */
export interface CertificateFiles {
  readonly certfile: string;
  readonly keyfile: string;
  /** A file whose first line is the password of the key; null = the key has none. */
  readonly passwordFile: string | null;
}

/** Which client certificates a host asks for. */
export interface ClientCertificatePolicy {
  /** A host as in a route, "" = every host that has no policy of its own. */
  readonly host: string;
  readonly mode: "none" | "optional" | "required";
  /** Absolute path of the authorities' certificates (PEM); "" with mode "none". */
  readonly caCerts: string;
}

export interface TlsConfiguration {
  /** Chosen by the names in the certificates; the first is the default. */
  readonly certificates: readonly CertificateFiles[];
  /** Whether hosts without a certificate get one of a local authority (development). */
  readonly internal: boolean;
  /** Null: no certificate is ordered. */
  readonly acme: AcmeConfiguration | null;
  /** Absolute: state of the local authority and of ACME. */
  readonly stateDir: string;
  readonly clients: readonly ClientCertificatePolicy[];
  /** OpenSSL's list of ciphers for TLS 1.2; "" = Typhon's. */
  readonly ciphers: string;
  /** Strict-Transport-Security of responses over TLS, seconds; 0 = none. */
  readonly hstsSeconds: number;
  /** Whether requests without TLS are redirected (308). */
  readonly redirect: boolean;
}

export interface AcmeConfiguration {
  /** Host names, wildcards ("*.example.com") and IP addresses; each gets a certificate of its own. */
  readonly domains: readonly string[];
  /** "" = none. */
  readonly email: string;
  /** The authorities, in the order in which they are asked. */
  readonly issuers: readonly AcmeIssuer[];
  /** Absolute path of the program for dns-01; null = none. */
  readonly dnsHook: string | null;
}

export interface AcmeIssuer {
  readonly directoryUrl: string;
  /** Absolute path of the authority's own root certificate; null = those that Node trusts. */
  readonly caRoot: string | null;
  /** External account binding (RFC 8555 §7.3.4). */
  readonly eab: { readonly kid: string; readonly keyFile: string } | null;
  /** "" = the authority's default. */
  readonly profile: string;
}

/** A user that the server becomes, with its group. */
export interface Account {
  readonly uid: number;
  readonly gid: number;
  /** "" for a number that no user has. */
  readonly name: string;
  /** Absolute. */
  readonly home: string;
}

export interface Configuration {
  /** Where the server listens, and settings of all its connections. */
  readonly listeners: {
    /**
     * The addresses, in the order given. "default" …: no address was chosen, and never with `reload`.
     * "default": port 80 on all addresses where it may be bound, else 127.0.0.1:8000.
     * "default-https": port 443, and port 80 for the redirect, where they may be bound, else 127.0.0.1:8443.
     * "domains": ports 443 and 80, or no start, because an authority has to connect to them.
     */
    readonly bind: "default" | "default-https" | "domains" | readonly BoundAddress[];
    /** Sockets that the parent process has opened, by their numbers, in place of all addresses. */
    readonly descriptors: readonly number[];
    /** Of the files of Unix sockets. */
    readonly socketRights: SocketRights;
    /** Whether trusted proxies begin each connection with a PROXY header, version 1 or 2. */
    readonly proxyProtocol: boolean;
    /** Whether HTTP/2 is offered over TLS, and served without TLS to clients with prior knowledge. */
    readonly http2: boolean;
    readonly h2c: boolean;
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
  /** Null without TLS. */
  readonly tls: TlsConfiguration | null;
  /** Null: no route runs CGI programs. */
  readonly cgi: CgiConfiguration | null;
  /** The names differ; none for a site of files alone. */
  readonly applications: readonly ApplicationConfiguration[];
  readonly routes: readonly RouteConfiguration[];
  /** What was found where nobody has named an application, and why it is this; null: somebody has. */
  readonly found: { readonly what: string; readonly why: string } | null;
  /** What the operator may want to change, such as programs that are not run; a line each. */
  readonly notices: readonly string[];
  readonly logs: {
    /** "-" = standard output, "off", or an absolute path. */
    readonly accessLog: string;
    readonly level: "debug" | "info" | "warning" | "error";
    readonly format: "text" | "json";
    /** Of the access log; null = as `format`. */
    readonly accessFormat: AccessFormat | null;
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
    /** How long the server serves on after the signal to stop, while /readyz says no. */
    readonly drainDelayMs: number;
    /** Time for running requests when the server stops. */
    readonly gracefulTimeoutMs: number;
    /** The user and the group that the server becomes when its ports are bound; null = it stays who it is. */
    readonly user: Account | null;
    /** The umask of the server and its applications; null = as it is. */
    readonly umask: number | null;
    /** Whether /livez and /readyz are served. */
    readonly health: boolean;
    /** Whether pages in a browser show exceptions, and reload themselves (`typhon dev`). */
    readonly developing: boolean;
    /** Whether code is loaded anew when a file below `reloadDirs` changes. */
    readonly reload: boolean;
    /** Absolute. */
    readonly reloadDirs: readonly string[];
    /** Glob patterns of files that are code beside the usual ones, and of those that are none. */
    readonly reloadFiles: {
      readonly include: readonly string[];
      readonly exclude: readonly string[];
    };
  };
}
