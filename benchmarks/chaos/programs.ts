// The commands of the servers that faults are done to: the benchmarks' own settings (../servers.ts), the
// chaos application in place of the measured one, and what a trial adds. 2 workers with 4 threads unless
// the trial says otherwise. Only arguments are made here.

import { readFileSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";

import { APPS, COMMAND } from "../../test/support/scratch.ts";
import { withDefaults } from "../../test/support/typhon.ts";
import { ASGI_SERVERS } from "../asgi-servers.ts";
import { certificate } from "../certificate.ts";
import { SERVERS } from "../servers.ts";
import { transport } from "./transport.ts";
import { isAsync, type AppName, type ServerName } from "./trial.ts";

/** What a trial adds to the command of each server; nginx: lines of its location. */
export interface Extras {
  readonly typhon?: readonly string[];
  readonly gunicorn?: readonly string[];
  readonly granian?: readonly string[];
  readonly uvicorn?: readonly string[];
  readonly nginx?: string;
}

export interface ProgramOrder {
  readonly server: ServerName;
  readonly app: AppName;
  readonly workers: number;
  readonly threads: number;
  readonly port: number;
  /** For sockets, configuration and the application's notes. */
  readonly folder: string;
  readonly extras: Extras;
}

export interface ChaosProgram {
  readonly command: string;
  readonly args: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
}

/** Without this a worker that dies ends the whole of Granian. */
const GRANIAN_ALWAYS = ["--respawn-failed-workers"];

/** In the order to start them; the last one listens on the port, the first one has the workers. */
export function makePrograms(order: ProgramOrder): ChaosProgram[] {
  if (order.server === "typhon") return [makeTyphon(order)];
  const { server, app, workers, port, folder, extras } = order;
  const known = isAsync(app) ? ASGI_SERVERS : SERVERS;
  const found = known.find((one) => one.name === server);
  if (found === undefined) throw new Error(`the benchmarks have no ${server} for ${app}`);
  const target = { wsgi: `chaos_${app}:app`, asgi: `chaos_${app}:app`, path: "/" };
  const programs = found.programs({ app: target, workers, port, folder }).map((program) => {
    const more = extrasOf(basename(program.command), extras);
    return {
      command: program.command,
      args: program.command === "nginx" ? program.args : insert(program.args, more),
      environment: { ...program.environment, PYTHONPATH: APPS },
    };
  });
  if (server === "nginx-gunicorn" && extras.nginx !== undefined)
    addToLocation(join(folder, "nginx.conf"), extras.nginx);
  return programs;
}

function extrasOf(command: string, extras: Extras): readonly string[] {
  if (command === "granian") return [...GRANIAN_ALWAYS, ...(extras.granian ?? [])];
  return (command === "uvicorn" ? extras.uvicorn : extras.gunicorn) ?? [];
}

function makeTyphon({ app, workers, threads, port, extras }: ProgramOrder): ChaosProgram {
  const args = withDefaults([
    `chaos_${app}:app`,
    `--bind=127.0.0.1:${port}`,
    `--workers=${workers}`,
    // Under ASGI as many requests at once as threads under WSGI: the same counts fill both.
    isAsync(app) ? `--concurrency=${threads}` : `--threads=${threads}`,
    "--log-format=json",
    ...secureOptions(),
    ...(extras.typhon ?? []),
  ]);
  return { command: COMMAND, args, environment: {} };
}

function secureOptions(): string[] {
  if (transport() === "http") return [];
  const { certfile, keyfile } = certificate();
  return [`--certfile=${certfile}`, `--keyfile=${keyfile}`];
}

/** Puts options before the application where that is the last word, else behind all words. */
function insert(args: readonly string[], more: readonly string[]): string[] {
  return args.at(-1)?.endsWith(":app") === true
    ? [...args.slice(0, -1), ...more, ...args.slice(-1)]
    : [...args, ...more];
}

function addToLocation(path: string, lines: string): void {
  const mark = "proxy_redirect off;";
  const text = readFileSync(path, "utf8");
  if (!text.includes(mark)) throw new Error(`nginx.conf lacks "${mark}"`);
  writeFileSync(path, text.replace(mark, `${mark}\n      ${lines}`));
}
