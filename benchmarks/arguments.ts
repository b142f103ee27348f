// The command line of `npm run bench`. Without arguments everything is measured; each selector
// narrows the run, and a narrowed run is printed but kept only with --keep. With --against two checkouts
// of Typhon are compared, and other options are taken.

import { parseArgs, type ParseArgsConfig } from "node:util";
import { ASGI_SERVERS } from "./asgi-servers.ts";
import { ASGI_CASES, CASES, COMPARED_PAGES, WEBSOCKET_CASES } from "./cases.ts";
import { CGI_CASES } from "./cgi-cases.ts";
import { CGI_SERVERS } from "./cgi-servers.ts";
import { COMPARED_FILES, EDGE_CASES } from "./edge-cases.ts";
import { EDGE_SERVERS } from "./edge-servers.ts";
import { SECURE_CASES } from "./secure-cases.ts";
import { SECURE_SERVERS } from "./secure-servers.ts";
import { SUITES, WHOLE, type Suite } from "./results.ts";
import { SERVERS } from "./servers.ts";

/** Pages by the suite that measures them. */
const PAGES = {
  throughput: CASES,
  asgi: ASGI_CASES,
  websocket: WEBSOCKET_CASES,
  edge: [...EDGE_CASES, ...SECURE_CASES],
  cgi: CGI_CASES,
} as const;
const PAGE_NAMES = Object.values(PAGES).flatMap(namesOf);
/** A name that is in several lists means the server in all of them. */
const SERVER_NAMES = [
  ...new Set(
    [...SERVERS, ...ASGI_SERVERS, ...EDGE_SERVERS, ...SECURE_SERVERS, ...CGI_SERVERS].map(
      (one) => one.name,
    ),
  ),
];
const COMPARED_NAMES = [...COMPARED_PAGES, ...WEBSOCKET_CASES, ...COMPARED_FILES].map(
  (one) => one.name,
);

/** Of one run with wrk; short, because rounds count for more than length. */
export const SECONDS = 3;
const ROUNDS = 5;
/** A start takes less than a second: more of them cost little. */
const START_ROUNDS = 10;

export interface Arguments {
  readonly suites: readonly Suite[];
  /** Names out of cases.ts; out of servers.ts and asgi-servers.ts. */
  readonly only: readonly string[];
  readonly servers: readonly string[];
  readonly rounds: number;
  /** Length of a run; null = each suite's own. */
  readonly seconds: number | null;
  /** null = each suite's own: 1 and 2, for the mixed load 2 and 4. */
  readonly workers: readonly number[] | null;
  /** Whether only some pages were asked for. */
  readonly isPagewise: boolean;
  readonly isKept: boolean;
  /** No selector was given that makes figures fewer or shorter. */
  readonly isWhole: boolean;
}

/** What `--against` asks for. */
export interface ComparisonArguments {
  /** A revision by any name that git knows. */
  readonly against: string;
  /** Start-up and idle connections instead of load. */
  readonly isStart: boolean;
  /** Names of COMPARED_PAGES, WEBSOCKET_CASES and COMPARED_FILES. */
  readonly cases: readonly string[];
  readonly rounds: number;
  readonly seconds: number;
  readonly workers: readonly number[];
  readonly isKept: boolean;
}

export const USAGE = `npm run bench -- [options]

  --throughput --asgi --edge --cgi --memory --connections --startup --mixed --asgi-mixed
                     only these (default: all); --memory brings --connections with it
  --websocket        echoes over WebSockets; only where asked for
  --only NAMES       pages: of ${namesOf(CASES).join(", ")};
                     ${namesOf(ASGI_CASES).join(", ")};
                     ${namesOf(WEBSOCKET_CASES).join(", ")};
                     ${namesOf(EDGE_CASES).join(", ")};
                     ${namesOf(SECURE_CASES).join(", ")};
                     ${namesOf(CGI_CASES).join(", ")}
  --servers NAMES    of ${SERVER_NAMES.join(", ")}
  --workers NUMBERS  default 1,2; edge and cgi 1; mixed load 2,4
  --rounds N         interleaved rounds, default ${ROUNDS}
  --seconds N        of one run, default ${SECONDS}; mixed load 6
  --quick            2 rounds of 1 second: does it work, not how fast is it
  --keep             keep a narrowed run in benchmarks/results and show it in the README
  --help

npm run bench -- --against REVISION [options]

                     this checkout and another revision of it, in turns: processor time a request
  --start            time to the first response, and memory of an idle connection, instead
  --cases NAMES      of ${COMPARED_NAMES.slice(0, 5).join(", ")},
                     ${COMPARED_NAMES.slice(5, 10).join(", ")},
                     ${COMPARED_NAMES.slice(10).join(", ")}
  --workers NUMBERS  default 1
  --rounds N         default ${ROUNDS}; ${START_ROUNDS} with --start
  --seconds N        of one run, default ${SECONDS}
  --quick            1 round of 1 second: does it work, not how fast is it
  --keep             keep the figures in benchmarks/results
`;

/** An operator's mistake; the message names the option and what would be right. */
export class UsageError extends Error {}

const OPTIONS = {
  throughput: { type: "boolean", default: false },
  asgi: { type: "boolean", default: false },
  websocket: { type: "boolean", default: false },
  edge: { type: "boolean", default: false },
  cgi: { type: "boolean", default: false },
  memory: { type: "boolean", default: false },
  connections: { type: "boolean", default: false },
  startup: { type: "boolean", default: false },
  mixed: { type: "boolean", default: false },
  "asgi-mixed": { type: "boolean", default: false },
  only: { type: "string" },
  servers: { type: "string" },
  workers: { type: "string" },
  rounds: { type: "string" },
  seconds: { type: "string" },
  quick: { type: "boolean", default: false },
  keep: { type: "boolean", default: false },
} as const;

const COMPARISON_OPTIONS = {
  against: { type: "string" },
  start: { type: "boolean", default: false },
  cases: { type: "string" },
  workers: { type: "string" },
  rounds: { type: "string" },
  seconds: { type: "string" },
  quick: { type: "boolean", default: false },
  keep: { type: "boolean", default: false },
} as const;

/** Reads the command line of a comparison; null if --against is not in it. Throws UsageError. */
export function readComparison(args: readonly string[]): ComparisonArguments | null {
  if (!args.some((word) => /^--against(=|$)/.test(word))) return null;
  const values = parse(args, COMPARISON_OPTIONS);
  const rounds = values.start ? START_ROUNDS : ROUNDS;
  return {
    against: values.against ?? "",
    isStart: values.start,
    cases: readNames("--cases", values.cases, COMPARED_NAMES),
    rounds: readNumber("--rounds", values.rounds) ?? (values.quick ? 1 : rounds),
    seconds: readNumber("--seconds", values.seconds) ?? (values.quick ? 1 : SECONDS),
    workers: readNumbers("--workers", values.workers) ?? [1],
    isKept: values.keep,
  };
}

/** Reads the command line of a run beside other servers. Throws UsageError. */
export function readArguments(args: readonly string[]): Arguments {
  const values = parse(args, OPTIONS);
  // --memory means both suites about memory; --connections means the longer one alone.
  const asked = SUITES.filter(
    (suite) => values[suite] || (suite === "connections" && values.memory),
  );
  const isNarrowed =
    [values.only, values.servers, values.workers, values.rounds, values.seconds].some(
      (value) => value !== undefined,
    ) || values.quick;
  const only = readNames("--only", values.only, PAGE_NAMES);
  // Pages that were named alone narrow the run to the suites that measure them.
  const ofPages = (["throughput", "asgi", "websocket", "edge", "cgi"] as const).filter((suite) =>
    namesOf(PAGES[suite]).some((name) => only.includes(name)),
  );
  const byDefault: readonly Suite[] = values.only === undefined ? WHOLE : ofPages;
  return {
    suites: asked.length > 0 ? asked : byDefault,
    only,
    servers: readNames("--servers", values.servers, SERVER_NAMES),
    rounds: readNumber("--rounds", values.rounds) ?? (values.quick ? 2 : ROUNDS),
    seconds: readNumber("--seconds", values.seconds) ?? (values.quick ? 1 : null),
    workers: readNumbers("--workers", values.workers),
    isPagewise: values.only !== undefined,
    isKept: values.keep,
    isWhole: !isNarrowed,
  };
}

function parse<Options extends NonNullable<ParseArgsConfig["options"]>>(
  args: readonly string[],
  options: Options,
) {
  try {
    return parseArgs({ args: [...args], options, strict: true }).values;
  } catch (error) {
    throw new UsageError(`${error instanceof Error ? error.message : String(error)}\n\n${USAGE}`);
  }
}

function namesOf(list: readonly { readonly name: string }[]): string[] {
  return list.map((one) => one.name);
}

function readNames(
  option: string,
  text: string | undefined,
  names: readonly string[],
): readonly string[] {
  if (text === undefined) return names;
  const wanted = text.split(",").map((name) => name.trim());
  for (const name of wanted) {
    if (!names.includes(name)) {
      throw new UsageError(`${option}: no "${name}"; there are ${names.join(", ")}`);
    }
  }
  return names.filter((name) => wanted.includes(name));
}

function readNumbers(option: string, text: string | undefined): number[] | null {
  return text?.split(",").map((one) => readNumber(option, one) ?? 1) ?? null;
}

/** 1 … 1000; wrk takes whole seconds only. */
function readNumber(option: string, text: string | undefined): number | null {
  if (text === undefined) return null;
  const number = Number(text);
  if (Number.isInteger(number) && number >= 1 && number <= 1000) return number;
  throw new UsageError(`${option}: "${text}" is not a whole number from 1 to 1000`);
}
