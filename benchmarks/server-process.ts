// A running server: starts its programs as leaders of sessions of their own, waits until the page is
// answered rightly, and ends every process of it, by pid, whatever happens to us but SIGKILL.
//
//   start() ──answers──▶ running ──stop()──▶ SIGTERM ──gone, or 5 s──▶ SIGKILL to what is left

import { spawn, type ChildProcess } from "node:child_process";
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { Case } from "./cases.ts";
import { ask, findFreePort } from "./client.ts";
import { CASES_FOLDER } from "./places.ts";
import { memoryOf, readTree, treeCpuSeconds, type TreeMemory } from "./process-tree.ts";
import type { Program, Server } from "./servers.ts";

/** Django's first answer on a loaded machine takes about two. */
const START_TIMEOUT_MS = 30_000;
/** gunicorn waits up to 30 s for kept-alive connections; a benchmark needs no such grace. */
const STOP_TIMEOUT_MS = 3_000;
/** Much shorter than any start, and cheap: a refused connection costs about 0.1 ms. */
const POLL_MS = 2;

/** Variables that one of the servers, Python or Node heeds. */
const STEERING =
  /^(TYPHON_|GRANIAN_|GUNICORN_|UVICORN_|PYTHON|NODE_OPTIONS$|VIRTUAL_ENV$|PORT$|WEB_CONCURRENCY$|FORWARDED_ALLOW_IPS$)/;

/** Servers that run now, so that a signal can end them. */
const running = new Set<RunningServer>();

/** The application of a server, and the request that tells when it has started. */
export type Page = Pick<Case, "wsgi" | "asgi" | "path" | "postBytes" | "postJson"> & {
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
  /** From just before the first spawn to the first answer, ms. */
  startMs = 0;
  readonly #folder: string;
  readonly #children: { readonly program: Program; readonly child: ChildProcess }[] = [];

  private constructor(server: Server, port: number, folder: string) {
    this.server = server;
    this.port = port;
    this.#folder = folder;
  }

  /** Starts `server` and waits for the right answer; throws with the server's own words if none comes. */
  static async start(server: Server, job: Job): Promise<RunningServer> {
    const port = await findFreePort();
    const folder = mkdtempSync(join(tmpdir(), "typhon-bench-"));
    const self = new RunningServer(server, port, folder);
    running.add(self);
    try {
      const { page: app, workers } = job;
      const programs = server.programs({ app, workers, port, folder });
      const begin = performance.now();
      for (const program of programs) self.#spawn(program);
      await self.#waitForAnswer(job, begin + START_TIMEOUT_MS);
      self.startMs = performance.now() - begin;
      return self;
    } catch (error) {
      await self.stop();
      throw error;
    }
  }

  /** All its processes that live now. */
  processIds(): number[] {
    return pidsBelow(this.#roots());
  }

  /** Processor seconds of all its processes so far. */
  cpuSeconds(): number {
    return treeCpuSeconds(this.#roots());
  }

  /** Memory of the processes that hold clients' connections. */
  clientSideMemory(): TreeMemory {
    const pids = this.#children.flatMap(({ program, child }) => {
      if (program.clients === "none" || child.pid === undefined) return [];
      return program.clients === "first process" ? [child.pid] : pidsBelow([child.pid]);
    });
    return memoryOf(pids);
  }

  /** Memory of all its processes. */
  memory(): TreeMemory {
    return memoryOf(this.processIds());
  }

  /** True while every program of it runs. */
  isAlive(): boolean {
    return this.#children.every(
      ({ child }) => child.exitCode === null && child.signalCode === null,
    );
  }

  /** Ends all its processes and removes its folder. */
  async stop(): Promise<void> {
    const pids = this.processIds();
    for (const { child } of this.#children) child.kill("SIGTERM");
    await waitForEnd(pids, STOP_TIMEOUT_MS);
    this.kill(pids);
    await waitForEnd(pids, STOP_TIMEOUT_MS);
  }

  /** Ends them at once; for signals, where there is no time to wait. */
  kill(known: readonly number[] = []): void {
    for (const pid of new Set([...known, ...this.processIds()])) {
      if (!isRunning(pid)) continue;
      try {
        process.kill(pid, "SIGKILL");
      } catch {
        continue; // It has ended by itself meanwhile.
      }
    }
    running.delete(this);
    rmSync(this.#folder, { recursive: true, force: true, maxRetries: 3 });
  }

  /** The last lines that the server wrote. */
  log(): string {
    return readFileSync(this.#logPath, "utf8").split("\n").slice(-25).join("\n").trim();
  }

  get #logPath(): string {
    return join(this.#folder, "output.log");
  }

  #roots(): number[] {
    return this.#children.flatMap(({ child }) => child.pid ?? []);
  }

  #spawn(program: Program): void {
    const output = openSync(this.#logPath, "a");
    try {
      const child = spawn(program.command, program.args, {
        cwd: CASES_FOLDER,
        env: { ...ownEnvironment(), ...program.environment },
        stdio: ["ignore", output, output],
        detached: true,
      });
      child.on("error", () => undefined); // Seen as a program that has no pid or has ended.
      this.#children.push({ program, child });
    } finally {
      closeSync(output);
    }
  }

  async #waitForAnswer({ page, workers }: Job, deadline: number): Promise<void> {
    const { path, postBytes, postJson } = page;
    const question = { port: this.port, path, postBytes, postJson };
    const what = `${this.server.name} with ${workers} workers`;
    let last = "nobody listened";
    while (performance.now() < deadline) {
      if (!this.isAlive() || this.#roots().length < this.#children.length) {
        throw new Error(`${what} ended at its start:\n${this.log()}`);
      }
      try {
        const answer = await ask(question);
        const isRight = page.expectedBody === undefined || answer.body === page.expectedBody;
        if (answer.status === 200 && isRight) return;
        last = `status ${answer.status}, ${answer.body.length} bytes`;
        // nginx answers 502 until gunicorn has its socket; anything else is wrong for good.
        if (answer.status !== 502) break;
      } catch (error) {
        last = error instanceof Error ? error.message : String(error);
      }
      await sleep(POLL_MS);
    }
    throw new Error(`${what} did not answer ${page.path} rightly (${last}):\n${this.log()}`);
  }
}

/** Ends every server that still runs; for the end of the process. */
export function killAllServers(): void {
  for (const server of running) server.kill();
}

/** Our environment without what would steer a server behind its arguments. */
function ownEnvironment(): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !STEERING.test(name)));
}

function pidsBelow(roots: readonly number[]): number[] {
  return readTree(roots).map((one) => one.pid);
}

/** Waits until all of them have ended, or for so long. */
async function waitForEnd(pids: readonly number[], timeoutMs: number): Promise<void> {
  const deadline = performance.now() + timeoutMs;
  while (pids.some(isRunning) && performance.now() < deadline) await sleep(10);
}

function isRunning(pid: number): boolean {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
    return !/\) [ZX] /.test(stat);
  } catch {
    return false;
  }
}
