// The command line of `npm run chaos`.

import { parseArgs } from "node:util";

import { UsageError } from "../arguments.ts";
import { TRANSPORTS, type Transport } from "./transport.ts";
import { APP_NAMES, SERVER_NAMES, type AppName, type ServerName, type Size } from "./trial.ts";
import { TRIALS } from "./trials.ts";

export interface ChaosArguments {
  readonly size: Size;
  /** Names of trials. */
  readonly only: readonly string[];
  readonly servers: readonly ServerName[];
  /** null: those that each trial names. */
  readonly apps: readonly AppName[] | null;
  /** How the clients of the trials reach the server. */
  readonly over: Transport;
  /** Trials that run at the same time. */
  readonly lanes: number;
  /** Requests of the trial `tokens`; null: as many as fit into its time. */
  readonly requests: number | null;
  readonly seed: number;
  readonly isKept: boolean;
  /** Files of results to render docs/faults.md from, instead of running anything. */
  readonly render: readonly string[] | null;
  /** No selector was given that leaves out trials of Typhon or makes them shorter. */
  readonly isWhole: boolean;
}

const NAMES = TRIALS.map(({ name }) => name);
/** Most trials wait most of the time: so many keep two cores busy. */
const SHORT_LANES = 5;
/** Two trials side by side do not disturb each other's milliseconds. */
const WHOLE_LANES = 2;
const GROUPS = [...new Set(NAMES.map(groupOf))];

/** The promises that depend on the connection; those about processes and files alone are shown without TLS. */
const OVER_TLS = [
  "deadline",
  "crash",
  "reload.load",
  "drain",
  "overload",
  "files.slow",
  "client-leaves.told",
  "recycling",
];

/** Trials whose clients are sockets of HTTP/1.1 in the clear. */
const PLAIN_ALONE = new Set(["overload.left", "client-leaves"]);

export const USAGE = `npm run chaos -- [options]

  --short            small counts; milliseconds are shown, not judged. Without --apps what npm test
                     does: the trials of promises that no end-to-end test shows
  --full             all counts that are promised: longer than a quarter of an hour
  --only NAMES       of ${GROUPS.join(", ")};
                     or single ones, such as crash.retry
  --apps NAMES       of ${APP_NAMES.join(", ")}; default all, with --short as above
  --peers            gunicorn gthread, Granian, nginx before gunicorn and uvicorn as well
  --servers NAMES    of ${SERVER_NAMES.join(", ")}; default typhon
  --over NAME        clients by TLS (tls) or by HTTP/2 over TLS (http2), Typhon alone; default the trials
                     ${OVER_TLS.join(", ")}
  --requests N       of the trial "tokens"; default: as many as fit into a minute
  --seed N           of all that is random; printed with the results
  --lanes N          trials at the same time; default ${WHOLE_LANES}, with --short ${SHORT_LANES}
  --keep             keep the run in benchmarks/results and show it in docs/faults.md
  --render FILES     write docs/faults.md again from the results of runs; a later one's rows replace
  --help
`;

const OPTIONS = {
  short: { type: "boolean", default: false },
  full: { type: "boolean", default: false },
  only: { type: "string" },
  apps: { type: "string" },
  peers: { type: "boolean", default: false },
  servers: { type: "string" },
  over: { type: "string" },
  requests: { type: "string" },
  seed: { type: "string" },
  lanes: { type: "string" },
  keep: { type: "boolean", default: false },
  render: { type: "string" },
  help: { type: "boolean", short: "h", default: false },
} as const;

/** "crash.retry" → "crash". */
function groupOf(name: string): string {
  return name.split(".", 1)[0] ?? name;
}

/** Reads the command line; null = help was asked for. Throws UsageError. */
export function readChaosArguments(args: readonly string[]): ChaosArguments | null {
  const values = parse(args);
  if (values.help) return null;
  const byDefault: readonly ServerName[] = values.peers ? SERVER_NAMES : ["typhon"];
  if (values.short && values.full) throw new UsageError("--short excludes --full");
  const size = values.short ? "short" : values.full ? "full" : "whole";
  const over = readTransport(values);
  return {
    size,
    only: listTrials(values.only, over),
    servers: readNames("--servers", values.servers, SERVER_NAMES) ?? byDefault,
    apps: readNames("--apps", values.apps, APP_NAMES) ?? (values.short ? null : APP_NAMES),
    over,
    lanes: readNumber("--lanes", values.lanes) ?? (values.short ? SHORT_LANES : WHOLE_LANES),
    requests: readNumber("--requests", values.requests),
    seed: readNumber("--seed", values.seed) ?? Date.now() % 1_000_000,
    isKept: values.keep,
    render: values.render?.split(",") ?? null,
    isWhole: !values.short && values.only === undefined && values.apps === undefined,
  };
}

/** The outcomes over TLS are not on the page of faults, and peers have no certificate here. */
function readTransport(values: ReturnType<typeof parse>): Transport {
  const over = readNames("--over", values.over, TRANSPORTS)?.[0] ?? "http";
  const excluded = values.keep || values.peers || values.servers !== undefined;
  if (over !== "http" && excluded)
    throw new UsageError("--over excludes --keep, --peers and --servers");
  return over;
}

/** The names of the trials that are asked for, those that `over` allows. */
function listTrials(only: string | undefined, over: Transport): string[] {
  const byDefault = over === "http" ? GROUPS : OVER_TLS;
  const wanted = readNames("--only", only, [...GROUPS, ...NAMES]) ?? byDefault;
  return NAMES.filter(
    (name) =>
      (wanted.includes(name) || wanted.includes(groupOf(name))) &&
      (over === "http" || !PLAIN_ALONE.has(name)),
  );
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({ args: [...args], options: OPTIONS, strict: true }).values;
  } catch (error) {
    throw new UsageError(`${error instanceof Error ? error.message : String(error)}\n\n${USAGE}`);
  }
}

function readNames<T extends string>(
  option: string,
  text: string | undefined,
  known: readonly T[],
): T[] | null {
  if (text === undefined) return null;
  const wanted = new Set(text.split(",").map((name) => name.trim()));
  for (const name of wanted) {
    if (!known.some((one) => one === name))
      throw new UsageError(`${option}: no "${name}"; there are ${known.join(", ")}`);
  }
  return known.filter((name) => wanted.has(name));
}

function readNumber(option: string, text: string | undefined): number | null {
  if (text === undefined) return null;
  const number = Number(text);
  if (Number.isInteger(number) && number >= 1 && number <= 100_000_000) return number;
  throw new UsageError(`${option}: "${text}" is not a whole number from 1 to 100,000,000`);
}
