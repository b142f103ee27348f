// The one table of options. Flags, TYPHON_… variables, checks, `typhon --help` and docs/options.md
// all come from here; nothing else knows what an option is called or what it takes. What depends on
// the machine (cores, interpreter, folders) or on two options at once is decided in load.ts.

import { readBindAddress, readHost, readPort } from "./bind-address.ts";
import {
  listOf,
  oneOf,
  readApp,
  readAssignment,
  readNetwork,
  readPrefix,
  readSize,
  readText,
  seconds,
  wholeNumber,
  type Reader,
} from "./values.ts";

/** The headings of `--help` and docs/options.md, in their order. */
export const GROUPS = ["Address", "Application", "Workers", "Times", "Limits", "Logs"] as const;
type Group = (typeof GROUPS)[number];

/** One option with a value. */
export interface Option<T> {
  /** The flag without its dashes. */
  readonly name: string;
  /** The letter of the short flag, or null. */
  readonly short: string | null;
  readonly group: Group;
  /** What stands for the value in help: its type and unit. */
  readonly placeholder: string;
  readonly isRepeatable: boolean;
  /** Text of the default, read as if it had been given; null where load.ts finds one. */
  readonly fallback: string | null;
  /** The default in words, where it is not a plain value. */
  readonly fallbackWords: string | null;
  /** A variable that other servers and platforms know, looked at after TYPHON_…. */
  readonly otherVariable: string | null;
  /** Half a line for `--help`. */
  readonly help: string;
  /** Sentences for docs/options.md. */
  readonly doc: string;
  /** The value of a text; throws BadValue. */
  readonly read: Reader<T>;
}

/** More workers or threads than this is a slip of the finger, not a plan. */
const MAX_WORKERS = 1024;
const MAX_THREADS = 256;
const MAX_QUEUE = 1_000_000;

type Given<T> = Pick<Option<T>, "name" | "group" | "placeholder" | "help" | "doc" | "read"> &
  Partial<Option<T>>;

function option<T>(given: Given<T>): Option<T> {
  return {
    short: null,
    isRepeatable: false,
    fallback: null,
    fallbackWords: null,
    otherVariable: null,
    ...given,
  };
}

/** The one argument that is no flag; TYPHON_APP may give it. */
export const APP = {
  name: "app",
  placeholder: "APP",
  help: "the application: module:callable, module, path/to/file.py[:callable] or module:factory()",
  doc: "`module:callable`, `module` (then its `app`, then its `application`), `path/to/file.py[:callable]`, or `module:factory()`, which is called without arguments and returns the application. A dotted name after the colon is followed: `shop:site.app`.",
  read: readApp,
} as const;

export const OPTIONS = {
  bind: option({
    name: "bind",
    short: "b",
    group: "Address",
    placeholder: "ADDRESS",
    isRepeatable: true,
    fallbackWords: "port 80, else 127.0.0.1:8000",
    help: "HOST:PORT, [::1]:PORT, :PORT or unix:PATH; may be repeated",
    doc: "An address to listen on: `HOST:PORT`, `[::1]:PORT` (IPv6 in brackets), `:PORT` (all IPv4 addresses) or `unix:PATH`. May be given several times. Port 0 takes any free port. Excludes `--host` and `--port`. Without any address: `0.0.0.0:$PORT` if the variable `PORT` is set, else port 80 on all addresses where it may be bound, else 127.0.0.1:8000.",
    read: readBindAddress,
  }),
  host: option({
    name: "host",
    group: "Address",
    placeholder: "HOST",
    fallbackWords: "127.0.0.1",
    help: "the address alone, where --bind is not used",
    doc: "The host name or address to listen on, where `--bind` is not used. With `--port` but without `--host` it is 127.0.0.1; with a port from the variable `PORT` it is 0.0.0.0.",
    read: readHost,
  }),
  port: option({
    name: "port",
    short: "p",
    group: "Address",
    placeholder: "PORT",
    fallbackWords: "$PORT, else 8000",
    help: "the port alone, where --bind is not used",
    doc: "The port to listen on, where `--bind` is not used. With `--host` but without `--port` it is the variable `PORT`, else 8000. A `TYPHON_PORT` that begins with `tcp://` or `udp://` is passed over: Kubernetes sets such a variable by itself for a service named typhon.",
    read: readPort,
  }),
  forwardedAllowIps: option({
    name: "forwarded-allow-ips",
    group: "Address",
    placeholder: "CIDR,…",
    fallback: "127.0.0.1,::1",
    otherVariable: "FORWARDED_ALLOW_IPS",
    help: "proxies whose X-Forwarded-… and Forwarded are believed",
    doc: "Addresses and CIDR ranges, between commas, of the proxies whose `X-Forwarded-For`, `-Proto`, `-Host`, `Forwarded` and `X-Request-ID` are believed, read from right to left; from all others these fields are removed. `*` believes everybody, and is needed for proxies that come through a Unix socket. An empty value believes nobody.",
    read: listOf(readNetwork),
  }),
  interface: option<"auto" | "wsgi">({
    name: "interface",
    group: "Application",
    placeholder: "KIND",
    fallback: "auto",
    help: "auto or wsgi",
    doc: "What the application speaks: `wsgi`, or `auto` to find out.",
    read: oneOf(["auto", "wsgi"]),
  }),
  python: option({
    name: "python",
    group: "Application",
    placeholder: "PATH",
    fallbackWords: "virtual environment, else python3",
    help: "the interpreter, or its virtual environment",
    doc: "The Python interpreter that runs the application: a path, a name to look for on `PATH`, or the folder of a virtual environment. Default: the active virtual environment (`VIRTUAL_ENV`), then `.venv/` beside the application (in `--app-dir`, or in the folder of the file), then `python3` on `PATH`.",
    read: readText,
  }),
  appDir: option({
    name: "app-dir",
    group: "Application",
    placeholder: "DIR",
    fallback: ".",
    fallbackWords: "here",
    help: "the folder put on sys.path",
    doc: "The folder that is put first on `sys.path`. The working directory of the application stays the one that Typhon was started in.",
    read: readText,
  }),
  env: option({
    name: "env",
    short: "e",
    group: "Application",
    placeholder: "NAME=VALUE",
    isRepeatable: true,
    help: "a variable for the application; may be repeated",
    doc: "A variable for the environment of the application. May be given several times; in `TYPHON_ENV` one stands on each line.",
    read: readAssignment,
  }),
  rootPath: option({
    name: "root-path",
    group: "Application",
    placeholder: "PREFIX",
    fallback: "",
    fallbackWords: "none",
    help: "the path under which it is mounted (SCRIPT_NAME)",
    doc: "The path prefix under which the application is mounted, `SCRIPT_NAME` in WSGI, such as `/shop`.",
    read: readPrefix,
  }),
  workers: option({
    name: "workers",
    short: "w",
    group: "Workers",
    placeholder: "N",
    fallbackWords: "the usable cores",
    otherVariable: "WEB_CONCURRENCY",
    help: "Python processes",
    doc: "How many Python processes run the application. Default: the processor cores that Typhon may use, the limits of its control group (containers) and its CPU affinity included.",
    read: wholeNumber(1, MAX_WORKERS),
  }),
  threads: option({
    name: "threads",
    group: "Workers",
    placeholder: "N",
    fallback: "4",
    help: "threads of each worker",
    doc: "How many requests one worker may run at the same time, each in a thread. A second thread begins only when the first is busy for some milliseconds, so free processes come first. 1 for applications that are not thread-safe.",
    read: wholeNumber(1, MAX_THREADS),
  }),
  timeout: option({
    name: "timeout",
    short: "t",
    group: "Times",
    placeholder: "SECONDS",
    fallback: "30",
    help: "for an answer to begin; 0 = no limit",
    doc: "How long a request may run: from the moment a worker takes it to the head of the response, then between two chunks while the client reads. After that the client gets 504 and the worker is freed. Waiting in the queue does not count. 0 = no limit.",
    read: seconds(0),
  }),
  gracefulTimeout: option({
    name: "graceful-timeout",
    group: "Times",
    placeholder: "SECONDS",
    fallback: "25",
    help: "for running requests when the server stops",
    doc: "How long running requests may take to finish when the server stops. The default is below the 30 s that containers are commonly given.",
    read: seconds(0),
  }),
  keepAlive: option({
    name: "keep-alive",
    group: "Times",
    placeholder: "SECONDS",
    fallback: "75",
    help: "an idle connection stays open",
    doc: "How long a connection without a request stays open. Behind a proxy it should be longer than the proxy keeps its connections.",
    read: seconds(0),
  }),
  queueTimeout: option({
    name: "queue-timeout",
    group: "Times",
    placeholder: "SECONDS",
    fallback: "5",
    help: "a request may wait for a worker",
    doc: "How long a request may wait until a worker takes it; then it is answered with 503 and Retry-After.",
    read: seconds(0.001),
  }),
  queue: option({
    name: "queue",
    group: "Limits",
    placeholder: "N",
    fallback: "1000",
    help: "requests that may wait; more get 503",
    doc: "How many requests may wait for a worker; more are answered at once with 503 and Retry-After.",
    read: wholeNumber(1, MAX_QUEUE),
  }),
  maxBody: option({
    name: "max-body",
    group: "Limits",
    placeholder: "SIZE",
    fallback: "1G",
    help: "the largest request body; more gets 413",
    doc: "The largest body of a request, such as `512k`, `10M`, `1G` (powers of 1,024); a larger one is answered with 413.",
    read: readSize,
  }),
  maxResponseSpill: option({
    name: "max-response-spill",
    group: "Limits",
    placeholder: "SIZE",
    fallback: "1G",
    help: "kept on disk of one answer to a slow client",
    doc: "How much of one answer is kept in a temporary file for a client that reads slowly, so that the worker is free; beyond it the worker waits for the client.",
    read: readSize,
  }),
  tempDir: option({
    name: "temp-dir",
    group: "Limits",
    placeholder: "DIR",
    fallbackWords: "$TMPDIR, else /tmp",
    help: "where large bodies are kept",
    doc: "The folder for the temporary files of large bodies. They have no name that outlives the request.",
    read: readText,
  }),
  accessLog: option({
    name: "access-log",
    group: "Logs",
    placeholder: "-|FILE|off",
    fallback: "off",
    help: "a line for each request; - = standard output",
    doc: "One line for each request, with its id, the time in the queue, the time in the application, the bytes and the worker: to standard output (`-`), to a file, or `off`. docs/guide/deploying.md explains the fields.",
    read: readText,
  }),
  logLevel: option<"debug" | "info" | "warning" | "error">({
    name: "log-level",
    group: "Logs",
    placeholder: "LEVEL",
    fallback: "info",
    help: "debug, info, warning or error",
    doc: "The least level that is written to the server's log (standard error): `debug`, `info`, `warning` or `error`. What the application itself prints is always written.",
    read: oneOf(["debug", "info", "warning", "error"]),
  }),
  logFormat: option<"text" | "json">({
    name: "log-format",
    group: "Logs",
    placeholder: "FORMAT",
    fallback: "text",
    help: "text or json",
    doc: "`text` for people, `json` for programs: one object a line. Holds for both logs.",
    read: oneOf(["text", "json"]),
  }),
} as const;

/** What is shown and then the command ends. */
export const SWITCHES = [
  { name: "help", short: "h", help: "show this help" },
  { name: "version", short: null, help: "show the version" },
] as const;

/** All options in the order of the table, whatever they read. */
export const OPTION_LIST: readonly Option<unknown>[] = Object.values(OPTIONS);

/** "max-body" → "TYPHON_MAX_BODY". */
export function variableOf(name: string): string {
  return `TYPHON_${name.toUpperCase().replaceAll("-", "_")}`;
}
