// Two checkouts of Typhon measured in turns, in one run: processor time a request under load, or, with
// --start, the time to the first response and the memory of an idle connection. Both checkouts serve the
// applications of this one with the same Python. Measures only; nothing here judges a figure.

import { join } from "node:path";
import type { ComparisonArguments } from "./arguments.ts";
import { COMPARED_PAGES, WEBSOCKET_CASES, type Case } from "./cases.ts";
import { buildRevision, buildThisCheckout, type Checkout } from "./checkout.ts";
import { askEdge, COMPARED_FILES, makeFiles } from "./edge-cases.ts";
import { isFile, TYPHON_FILES } from "./edge-servers.ts";
import { describeMachine } from "./machine.ts";
import { measureConnections } from "./memory.ts";
import { CASES_FOLDER, ROOT } from "./places.ts";
import { runProgram } from "./program.ts";
import type { Comparison, ThroughputResult } from "./results.ts";
import type { Page } from "./server-process.ts";
import { TYPHON_ASGI, TYPHON_WSGI, typhon, type Server } from "./servers.ts";
import { measureStartup } from "./startup.ts";
import { askByWrk, measureThroughput, type Load } from "./throughput.ts";
import { echoMessages } from "./websocket.ts";
import type { LoadOutcome } from "./wrk.ts";

const WELCOME_FOLDER = join(ROOT, "examples", "welcome");
const WELCOME: Page = { wsgi: "welcome:application", asgi: "", path: "/", postBytes: 0 };

/** Memory varies little from start to start, and 10,000 connections take seconds to open. */
const CONNECTION_ROUNDS = 3;

/** Builds both checkouts and measures them; `tell` hears one line about each run. */
export async function compare(
  args: ComparisonArguments,
  tell: (line: string) => void,
): Promise<Comparison> {
  tell(`building ${args.against} and this checkout`);
  const there = await buildRevision(args.against);
  const here = await buildThisCheckout();
  const { rounds, seconds, workers } = args;
  const plan = { rounds, seconds, workers, tell };
  const pair = (folder: string): Server[] => [serverOf(here, folder), serverOf(there, folder)];
  const servers = pair(CASES_FOLDER);
  const isAsked = ({ name }: { readonly name: string }): boolean => args.cases.includes(name);
  const comparison = {
    date: new Date().toISOString(),
    here: { title: here.title, commit: here.commit },
    there: { title: there.title, commit: there.commit },
    rounds,
    seconds,
    machine: await describeMachine(),
  };
  if (args.isStart) {
    const startup = await measureStartup({ ...plan, page: WELCOME, servers: pair(WELCOME_FOLDER) });
    const fewer = { ...plan, rounds: Math.min(rounds, CONNECTION_ROUNDS) };
    const connections = await measureConnections({ ...fewer, servers });
    return { ...comparison, load: [], startup, connections };
  }
  const load = <Kind extends Case>(
    pages: readonly Kind[],
    apply: (load: Load<Kind>) => Promise<LoadOutcome>,
  ): Promise<ThroughputResult[]> =>
    measureThroughput({ ...plan, pages: pages.filter(isAsked), servers, apply });
  const plain = await load(COMPARED_PAGES, askByWrk);
  const echoes = await load(WEBSOCKET_CASES, (one) => echoMessages(one));
  const hasFiles = await servesFiles(there);
  if (!hasFiles) tell(`left out: files, which ${there.title} does not serve`);
  else makeFiles();
  const files = hasFiles ? await load(COMPARED_FILES, askEdge) : [];
  return { ...comparison, load: [...plain, ...echoes, ...files], startup: [], connections: [] };
}

/** Whether this revision has the option that the pages of files need. */
async function servesFiles({ folder }: Checkout): Promise<boolean> {
  return (await runProgram(join(folder, "bin", "typhon"), ["--help"])).includes("--static");
}

/** Typhon of `checkout` with applications from `folder`; an application of WSGI has no ASGI name alone. */
function serverOf({ title, folder: root }: Checkout, folder: string): Server {
  return {
    name: title,
    title,
    family: "typhon",
    suites: [],
    programs: (start) => {
      const { wsgi, asgi } = start.app;
      const options = isFile(start) ? TYPHON_FILES : TYPHON_WSGI;
      const [application, own] = wsgi === "" ? [asgi, TYPHON_ASGI] : [wsgi, options];
      const program = typhon(start, application, { ...own, "--app-dir": folder });
      return [{ ...program, command: join(root, "bin", "typhon") }];
    },
  };
}
