// A Configuration for a program that embeds Typhon: the option names are those of the flags in camel case, and
// the table of the command line reads and checks the values, with the same defaults. `apps` and `routes` are those
// of the file. Variables such as TYPHON_WORKERS are ignored: the program decides.

import type { Configuration } from "./configuration.ts";
import { programConfiguration } from "./load.ts";
import type { Located, Table } from "./located.ts";
import { OperatorError, quote } from "./operator-error.ts";
import { kebabCase } from "./option.ts";
import type { OPTIONS, ROUTE_KEYS } from "./schema.ts";

type Scalar = string | number | boolean;
type OptionValue = Scalar | readonly (string | number)[] | Readonly<Record<string, Scalar>>;

type Keys<K extends string, V> = Partial<Readonly<Record<K, V | undefined>>>;

/** One application: the options of `[apps.NAME]`. */
interface ApplicationOptions extends Keys<keyof typeof OPTIONS | "dir", OptionValue> {
  readonly app: string;
}

/** One route: the keys of `[[routes]]`. */
type RouteOptions = Keys<keyof typeof ROUTE_KEYS, OptionValue>;

/** One certificate: the keys of `[[certificates]]`. */
type CertificateOptions = Keys<"certfile" | "keyfile" | "keyfilePasswordFile", OptionValue>;

/** The client certificates of a host: the keys of `[[client-certificates]]`. */
type ClientCertificateOptions = Keys<"host" | "caCerts" | "certReqs", OptionValue>;

/** `{ app: "shop:app", bind: "127.0.0.1:8000", workers: 2, timeout: 10 }`: see docs/options.md. */
export interface ServerOptions extends Keys<
  Exclude<
    keyof typeof OPTIONS,
    "config" | "user" | "group" | "drainDelay" | "chdir" | "gunicornConf" | "umask"
  >,
  OptionValue
> {
  /** The application: module:callable, module, path/to/file.py[:callable] or module:factory(). */
  readonly app?: string;
  /** More applications, by their names. */
  readonly apps?: Readonly<Record<string, ApplicationOptions>>;
  readonly routes?: readonly RouteOptions[];
  /** More certificates, each with a key of its own. */
  readonly certificates?: readonly CertificateOptions[];
  readonly clientCertificates?: readonly ClientCertificateOptions[];
}

/** Keys whose entries have names of their own, which are no options. */
const FREE_KEYS = new Set(["apps", "env", "cgiEnv", "headers"]);

/** Keys that are no options but hold tables. */
const TABLES = new Set(["apps", "routes", "certificates", "clientCertificates"]);

/** The configuration that `options` ask for; paths are below `cwd`. Throws OperatorError. */
export function embeddedConfiguration(options: ServerOptions, cwd: string): Configuration {
  // The interpreter is looked for on PATH, and a virtual environment that is active is used.
  const { PATH, VIRTUAL_ENV, HOME, XDG_DATA_HOME, PWD } = process.env;
  const environment = { PATH, VIRTUAL_ENV, HOME, XDG_DATA_HOME, PWD };
  const configuration = programConfiguration(tableOf(options, ""), environment, cwd);
  if (configuration.process.drainDelayMs === 0) return configuration;
  throw new OperatorError("--drain-delay is for the command; a program decides when it stops");
}

/** `at`: the place of the object in the options, such as "routes[0]"; "" for the whole. */
function tableOf(object: object, at: string, isFree = false): Table {
  const table = new Map<string, Located>();
  for (const [key, value] of Object.entries(object) as [string, unknown][]) {
    if (value === undefined) continue;
    const name = isFree ? key : kebabCase(key);
    const isSite = TABLES.has(key);
    // An option at the top is named as its flag, because docs/options.md has it so.
    const own = isSite ? key : `--${name}`;
    table.set(name, locate(value, at === "" ? own : `${at}.${key}`, FREE_KEYS.has(key)));
  }
  return table;
}

function locate(value: unknown, by: string, isFree: boolean): Located {
  if (Array.isArray(value)) {
    const items = value.map((item, at) => locate(item, `${by}[${at}]`, false));
    return { kind: "array", by, items };
  }
  if (typeof value === "object" && value !== null)
    return { kind: "table", by, entries: tableOf(value, by, isFree) };
  if (value === false) return { kind: "boolean", by, text: "false" };
  if (typeof value === "string" || typeof value === "number" || value === true)
    return { kind: "any", by, text: String(value) };
  throw new OperatorError(`${by} ${quote(String(value))} is no value of an option`);
}
