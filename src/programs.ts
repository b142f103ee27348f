// The CGI programs of a server: the launcher that runs them, the queue in front of it, and what the log tells of
// them. Sites follow one another, and with them the settings: programs that run stay with the launcher that has
// started them, which ends after the last of them.

import { dirname, join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";

import { CgiLauncher } from "./cgi/launcher.ts";
import { ProgramQueue } from "./cgi/program-queue.ts";
import type {
  ProgramListener,
  ProgramRequest,
  ProgramRunner,
  RunningProgram,
} from "./cgi/program.ts";
import type { CgiConfiguration } from "./config/configuration.ts";
import { OperatorError } from "./config/operator-error.ts";
import { readVersion } from "./config/version.ts";
import type { CgiContext } from "./handlers/cgi/context.ts";
import type { Exchange } from "./http/exchange.ts";
import type { OpenFiles } from "./net/open-files.ts";
import type { Log } from "./observe/log.ts";

const PACKAGE_FOLDER = join(dirname(dirname(fileURLToPath(import.meta.url))), "python");
/** How often it is looked whether programs still run. */
const IDLE_CHECK_MS = 20;
/** Characters of the reason why a launcher does not start. */
const MAX_REASON = 300;

/** What a program says that needs one of the modules which Python 3.13 has dropped. */
const DROPPED_MODULE = /ModuleNotFoundError: No module named '(cgi|cgitb)'/;
/** How the page begins that cgitb prints where the program has printed no header block. */
const CGITB_PAGE = /^the field name "<!--"/;

/** Parts of the server that its programs use. */
export interface ProgramsContext extends Pick<
  CgiContext,
  "folder" | "budget" | "isTrustedProxy" | "reroute"
> {
  readonly log: Log;
  readonly openFiles: OpenFiles;
}

interface Prepared {
  readonly configuration: CgiConfiguration;
  readonly launcher: CgiLauncher;
}

export class Programs implements ProgramRunner {
  readonly #context: ProgramsContext;
  readonly #queue: ProgramQueue;
  #configuration: CgiConfiguration;
  #launcher: CgiLauncher;
  /** Started for a configuration that is not in use yet, or was refused for another reason. */
  #prepared: Prepared | null = null;
  #hasOpened = false;
  /** Launchers of earlier configurations, until their last program has ended. */
  readonly #leaving = new Set<CgiLauncher>();
  #isStopped = false;

  constructor(configuration: CgiConfiguration, context: ProgramsContext) {
    this.#context = context;
    this.#configuration = configuration;
    this.#queue = new ProgramQueue(configuration);
    this.#launcher = this.#makeLauncher(configuration);
  }

  /** What the CGI routes of a new site share. */
  contextOf({ maxResponseSpill }: CgiConfiguration): CgiContext {
    const { log, ...shared } = this.#context;
    return {
      ...shared,
      runner: this,
      queue: this.#queue,
      maxResponseSpill,
      software: `typhon/${readVersion()}`,
      onFault: (exchange, program, text) =>
        log.error("program.failed", withAdvice(text), fieldsOf(exchange, program)),
      onErrorText: (exchange, program, text) =>
        log.warning(
          "program.output",
          withHint(text.replace(/\n$/, "")),
          fieldsOf(exchange, program),
        ),
      onStoreFailure: (exchange, error) => {
        const text = `a temporary file could not be used: ${error.message}`;
        const code = "code" in error ? String(error.code) : error.message;
        log.error("request.spill-failed", text, { requestId: exchange.requestId, code });
      },
      onUnreadable: (path, code) =>
        log.warning("program.unreadable", "a program cannot be looked at", { path, code }),
      onNoProgram: (path) =>
        log.warning("program.denied", "a file is not executable: if it is a program, chmod +x", {
          path,
        }),
    };
  }

  /** Starts the launcher that a configuration needs, for `change`. Rejects with OperatorError. */
  async prepare(configuration: CgiConfiguration): Promise<void> {
    const isSame = hasSameLauncher(this.#configuration, configuration);
    if (isSame && this.#hasOpened) return;
    if (this.#isStopped) throw new OperatorError("the server is stopping");
    if (this.#prepared !== null) void this.#leave(this.#prepared.launcher);
    const launcher = isSame ? this.#launcher : this.#makeLauncher(configuration);
    this.#prepared = isSame ? null : { configuration, launcher };
    const failure = await launcher.open();
    if (failure !== "") {
      this.#prepared = null;
      // Python tells what is wrong in its last line, and so does a program that is no Python.
      const line = failure.trim().split("\n").at(-1)?.slice(0, MAX_REASON);
      throw new OperatorError(`--python ${configuration.python}: ${line}`);
    }
    this.#hasOpened = true;
  }

  /** The settings of a new site, which was prepared, hold for requests from now on. */
  change(configuration: CgiConfiguration): void {
    this.#queue.change(configuration);
    this.#configuration = configuration;
    const prepared = this.#prepared;
    if (prepared === null || !hasSameLauncher(prepared.configuration, configuration)) return;
    this.#prepared = null;
    void this.#leave(this.#launcher);
    this.#launcher = prepared.launcher;
  }

  run(request: ProgramRequest, listener: ProgramListener): RunningProgram {
    return this.#launcher.run(request, listener);
  }

  /** Lets programs finish for at most `graceMs`, and kills the others. `lastExchange`: no request comes any more. */
  async stop(graceMs: number, lastExchange: Promise<void>): Promise<void> {
    const end = performance.now() + graceMs;
    this.#isStopped = true;
    await lastExchange;
    const prepared = this.#prepared === null ? [] : [this.#prepared.launcher];
    const all = [this.#launcher, ...prepared, ...this.#leaving];
    // Those whose clients have left have been told to end.
    while (all.some((one) => one.running > 0) && performance.now() < end)
      await delay(IDLE_CHECK_MS);
    for (const launcher of all) launcher.killAll();
    await Promise.all(all.map(async (one) => await one.stop(true)));
  }

  async #leave(launcher: CgiLauncher): Promise<void> {
    this.#leaving.add(launcher);
    while (launcher.running > 0 && !this.#isStopped) await delay(IDLE_CHECK_MS);
    if (this.#isStopped) return;
    this.#leaving.delete(launcher);
    await launcher.stop();
  }

  #makeLauncher({ python, templateIdleMs }: CgiConfiguration): CgiLauncher {
    const { log, openFiles: count } = this.#context;
    return new CgiLauncher(
      { python, templateIdleMs, count, packageFolder: PACKAGE_FOLDER },
      {
        onLauncherLine: (line) => log.warning("launcher.output", `CGI launcher: ${line}`, {}),
        onLauncherEnd: (text) =>
          log.error(
            "launcher.ended",
            `the CGI launcher has ended: ${text || "no reason known"}`,
            {},
          ),
        onCold: (program, reason) =>
          log.warning("program.cold", `${program} runs cold: ${reason}`, { program }),
      },
    );
  }
}

function withHint(text: string): string {
  const name = DROPPED_MODULE.exec(text)?.[1];
  if (name === undefined) return text;
  return `${text}\nPython 3.13 has dropped ${name}: pip install legacy-cgi, for the interpreter of the program`;
}

function withAdvice(fault: string): string {
  if (!CGITB_PAGE.test(fault)) return fault;
  return `${fault}; this is how a page of cgitb begins: without cgitb the traceback is here`;
}

function hasSameLauncher(one: CgiConfiguration, other: CgiConfiguration): boolean {
  return one.python === other.python && one.templateIdleMs === other.templateIdleMs;
}

function fieldsOf(
  { requestId, head }: Exchange,
  program: string,
): {
  requestId: string;
  method: string;
  path: string;
  program: string;
} {
  return { requestId, method: head.method, path: head.path, program };
}
