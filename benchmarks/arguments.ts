// The command line of `npm run bench`. Without arguments everything is measured; each selector
// narrows, and a narrowed run is shown but kept only with --keep.

import { parseArgs } from "node:util";
import { ASGI_SERVERS } from "./asgi-servers.ts";
import { ASGI_CASES, CASES, WEBSOCKET_CASES } from "./cases.ts";
import { SUITES, WHOLE, type Suite } from "./results.ts";
import { SERVERS } from "./servers.ts";

/** Pages by the suite that measures them. */
const PAGES = { throughput: CASES, asgi: ASGI_CASES, websocket: WEBSOCKET_CASES } as const;
const PAGE_NAMES = Object.values(PAGES).flatMap(namesOf);
/** Most peers serve one interface only; a name that is in both lists means both. */
const SERVER_NAMES = [...new Set([...SERVERS, ...ASGI_SERVERS].map((one) => one.name))];

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
  readonly isKept: boolean;
  /** No selector was given that makes figures fewer or shorter. */
  readonly isWhole: boolean;
}

export const USAGE = `npm run bench -- [options]

  --throughput --asgi --memory --connections --startup --mixed --asgi-mixed
                     only these (default: all); --memory brings --connections with it
  --websocket        echoes over WebSockets; only where asked for
  --only NAMES       pages: of ${namesOf(CASES).join(", ")};
                     ${namesOf(ASGI_CASES).join(", ")};
                     ${namesOf(WEBSOCKET_CASES).join(", ")}
  --servers NAMES    of ${SERVER_NAMES.join(", ")}
  --workers NUMBERS  default 1,2; mixed load 2,4
  --rounds N         interleaved rounds, default 5
  --seconds N        of one run, default 3; mixed load 6
  --quick            2 rounds of 1 second: does it work, not how fast is it
  --keep             keep a narrowed run in benchmarks/results and show it in the README
  --help
`;

/** An operator's mistake; the message names the option and what would be right. */
export class UsageError extends Error {}

const OPTIONS = {
  throughput: { type: "boolean", default: false },
  asgi: { type: "boolean", default: false },
  websocket: { type: "boolean", default: false },
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
  help: { type: "boolean", short: "h", default: false },
} as const;

/** Reads the command line; null = help was asked for. Throws UsageError. */
export function readArguments(args: readonly string[]): Arguments | null {
  const values = parse(args);
  if (values.help) return null;
  // Both are questions about memory; --connections alone asks for the longer one only.
  const asked = SUITES.filter(
    (suite) => values[suite] || (suite === "connections" && values.memory),
  );
  const isNarrowed =
    [values.only, values.servers, values.workers, values.rounds, values.seconds].some(
      (value) => value !== undefined,
    ) || values.quick;
  const only = readNames("--only", values.only, PAGE_NAMES);
  // Whoever names pages asks for the suites alone that measure them.
  const ofPages = (["throughput", "asgi", "websocket"] as const).filter((suite) =>
    namesOf(PAGES[suite]).some((name) => only.includes(name)),
  );
  const byDefault: readonly Suite[] = values.only === undefined ? WHOLE : ofPages;
  return {
    suites: asked.length > 0 ? asked : byDefault,
    only,
    servers: readNames("--servers", values.servers, SERVER_NAMES),
    rounds: readNumber("--rounds", values.rounds) ?? (values.quick ? 2 : 5),
    seconds: readNumber("--seconds", values.seconds) ?? (values.quick ? 1 : null),
    workers: values.workers?.split(",").map((text) => readNumber("--workers", text) ?? 1) ?? null,
    isKept: values.keep,
    isWhole: !isNarrowed,
  };
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({ args: [...args], options: OPTIONS, strict: true }).values;
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

/** 1 … 1000; wrk takes whole seconds only. */
function readNumber(option: string, text: string | undefined): number | null {
  if (text === undefined) return null;
  const number = Number(text);
  if (Number.isInteger(number) && number >= 1 && number <= 1000) return number;
  throw new UsageError(`${option}: "${text}" is not a whole number from 1 to 1000`);
}
