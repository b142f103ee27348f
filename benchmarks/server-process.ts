// A running server of one or more programs: starts them as the tests start Typhon, waits for the right
// response, and ends every process of the server, whatever ends this program but SIGKILL.
//
//   start() ──right response──▶ running ──stop()──▶ SIGTERM ──all ended, or 3 s──▶ SIGKILL to the rest

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { isRunning } from "../test/support/processes.ts";
import { Typhon } from "../test/support/typhon.ts";
import type { Case } from "./cases.ts";
import { ask, findFreePort } from "./client.ts";
import { CpuGroup } from "./cpu-group.ts";
import { CASES_FOLDER } from "./places.ts";
import { memoryOf, readTree, treeCpuSeconds, type TreeMemory } from "./process-tree.ts";
import type { Program, Server } from "./servers.ts";

/** Django's first response takes about two seconds on a loaded machine. */
const START_TIMEOUT_MS = 30_000;
/** gunicorn waits up to 30 s for kept-alive connections; a benchmark needs no such grace. */
const STOP_TIMEOUT_MS = 3_000;
/** Much shorter than any start, and cheap: a refused connection costs about 0.1 ms. */
const POLL_MS = 2;

/** Servers that run now, so that a signal to this program can end them. */
const running = new Set<RunningServer>();

/** The application of a server, and the request that tells when it has started. */
export type Page = Pick<Case, "wsgi" | "asgi" | "path" | "postBytes" | "postJson" | "isSecure"> & {
  /** Without it any body of a response with status 200 will do. */
  readonly expectedBody?: string;
};

interface Job {
  readonly page: Page;
  readonly workers: number;
}

export class RunningServer {
  readonly server: Server;
  readonly port: number;
  /** From just before the first program is started to the end of the first right response, ms. */
  startMs = 0;
  readonly #folder: string;
  readonly #group: CpuGroup | null;
  /** The class starts and marks any program, as it does Typhon. */
  readonly #started: { readonly clients: Program["clients"]; readonly program: Typhon }[] = [];

  private constructor(server: Server, port: number, folder: string) {
    this.server = server;
    this.port = port;
    this.#folder = folder;
    this.#group = server.isGrouped === true ? CpuGroup.make() : null;
  }

  /** Starts `server` and waits for the right response; throws with the server's log if none comes. */
  static async start(server: Server, job: Job): Promise<RunningServer> {
    const port = await findFreePort();
    const folder = mkdtempSync(join(tmpdir(), "typhon-bench-"));
    const self = new RunningServer(server, port, folder);
    running.add(self);
    try {
      const { page: app, workers } = job;
      const programs = server.programs({ app, workers, port, folder });
      const begin = performance.now();
      for (const program of programs) self.#start(program);
      await self.#waitForResponse(job, begin + START_TIMEOUT_MS);
      self.startMs = performance.now() - begin;
      return self;
    } catch (error) {
      await self.stop();
      throw error;
    }
  }

  /** All processes of the server that run now. */
  processIds(): number[] {
    return pidsBelow(this.#roots());
  }

  /** Processor seconds of all processes of the server so far. */
  cpuSeconds(): number {
    return this.#group?.cpuSeconds() ?? treeCpuSeconds(this.#roots());
  }

  /** Memory of the processes that hold clients' connections. */
  clientSideMemory(): TreeMemory {
    const pids = this.#started.flatMap(({ clients, program }) => {
      if (clients === "none") return [];
      return clients === "first process" ? [program.pid] : pidsBelow([program.pid]);
    });
    return memoryOf(pids);
  }

  /** Memory of all processes of the server. */
  memory(): TreeMemory {
    return memoryOf(this.processIds());
  }

  /** Ends all processes of the server and removes its folder. */
  async stop(): Promise<void> {
    const pids = this.processIds();
    for (const { program } of this.#started) {
      if (isRunning(program.pid)) program.signal("SIGTERM");
    }
    await waitForEnd(pids, STOP_TIMEOUT_MS);
    this.kill();
    await waitForEnd(pids, STOP_TIMEOUT_MS);
    this.#group?.remove();
  }

  /** Ends the server at once; for signals, where there is no time to wait. */
  kill(): void {
    for (const { program } of this.#started) program.kill();
    running.delete(this);
    rmSync(this.#folder, { recursive: true, force: true, maxRetries: 3 });
  }

  /** The last lines that the server wrote. */
  log(): string {
    const text = this.#started.map(({ program }) => program.output.all).join("\n");
    return text.split("\n").slice(-25).join("\n").trim();
  }

  #roots(): number[] {
    return this.#started.map(({ program }) => program.pid);
  }

  #start({ command, args, environment, clients }: Program): void {
    const [first = command, ...words] = [...(this.#group?.words ?? []), command, ...args];
    const program = new Typhon(words, { command: first, cwd: CASES_FOLDER, env: environment });
    // A command that does not exist fails here and in the promise.
    program.exited.catch(() => undefined);
    void program.pid;
    this.#started.push({ clients, program });
  }

  async #waitForResponse({ page, workers }: Job, deadline: number): Promise<void> {
    const { path, postBytes, postJson, isSecure = false } = page;
    const request = { port: this.port, path, postBytes, postJson, isSecure };
    const what = `${this.server.name} with ${workers} workers`;
    let last = "nobody listened";
    while (performance.now() < deadline) {
      if (this.#started.some(({ program }) => program.hasExited)) {
        throw new Error(`${what} ended at its start:\n${this.log()}`);
      }
      try {
        const response = await ask(request);
        const isRight = page.expectedBody === undefined || response.body === page.expectedBody;
        if (response.status === 200 && isRight) return;
        last = `status ${response.status}, ${response.body.length} bytes`;
        // nginx sends 502 until gunicorn has its socket; any other wrong response is an error.
        if (response.status !== 502) break;
      } catch (error) {
        last = error instanceof Error ? error.message : String(error);
      }
      await sleep(POLL_MS);
    }
    throw new Error(`${what} gave no right response for ${page.path} (${last}):\n${this.log()}`);
  }
}

/** Ends every server that still runs; for the end of this program. */
export function killAllServers(): void {
  for (const server of running) server.kill();
}

function pidsBelow(roots: readonly number[]): number[] {
  return readTree(roots).map((one) => one.pid);
}

/** Waits until all of them have ended, or for so long. */
async function waitForEnd(pids: readonly number[], timeoutMs: number): Promise<void> {
  const deadline = performance.now() + timeoutMs;
  while (pids.some(isRunning) && performance.now() < deadline) await sleep(10);
}
