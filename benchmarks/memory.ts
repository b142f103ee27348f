// Memory at rest: of the whole server after its start with Flask, and what one idle kept-alive
// connection adds to the processes that hold the connections. The socket buffers of the kernel are in no
// process's memory and are the same for all servers.

import { once } from "node:events";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { readLimit } from "../src/net/open-files.ts";
import { CASES, type Case } from "./cases.ts";
import { startProgram } from "./program.ts";
import type { ConnectionsResult, MemoryResult } from "./results.ts";
import { measureInTurns } from "./rounds.ts";
import { RunningServer } from "./server-process.ts";
import type { Server } from "./servers.ts";
import { runWrk } from "./wrk.ts";

/** After the first response other workers may still load the application, and garbage is still collected. */
const SETTLE_MS = 1500;
/** Idle connections to hold: Granian's and gunicorn's limits are set for as many. */
const PLAIN = { count: 10_000, isSecure: false } as const;
/** Near its limit of descriptors Typhon closes idle connections; workers and logs need some as well. */
const DESCRIPTOR_SHARE = 0.8;
/** Load before the idle connections come, so that code and buffers of first use are not counted. */
const WARM_UP_SECONDS = 1;

interface MemoryPlan {
  readonly servers: readonly Server[];
  readonly workers: readonly number[];
  readonly rounds: number;
  /** Hears one line about each figure. */
  tell(line: string): void;
}

/** Resident and proportional memory of every server after its first response, a Flask page. */
export async function measureMemory(plan: MemoryPlan): Promise<MemoryResult[]> {
  const results: MemoryResult[] = [];
  for (const workers of plan.workers) {
    const measured = await measureInTurns(plan.servers, plan.rounds, async (server) => {
      const memory = await withServer(server, pageOf("flask"), workers, async (running) => {
        await sleep(SETTLE_MS);
        return running.memory();
      });
      plan.tell(`memory ${workers}w ${server.name}: PSS ${memory.pss >> 20} MiB`);
      return memory;
    });
    for (const { server, figures } of measured) {
      const rss = figures.map((memory) => memory.rss);
      const pss = figures.map((memory) => memory.pss);
      const processes = figures.at(-1)?.processes ?? 0;
      results.push({ server, workers, processes, rss, pss });
    }
  }
  return results;
}

/** Memory that one of many idle connections adds to the processes that hold them. */
export async function measureConnections(
  plan: MemoryPlan,
  kind: { readonly count: number; readonly isSecure: boolean } = PLAIN,
): Promise<ConnectionsResult[]> {
  const { count, isSecure } = kind;
  const page = { ...pageOf("raw-hello"), isSecure };
  const measured = await measureInTurns(plan.servers, plan.rounds, async (server) => {
    const figures = await withServer(server, page, 1, (running) =>
      holdConnections(running, count, isSecure),
    );
    const { held, bytesEach } = figures;
    const what = isSecure ? "TLS connections" : "connections";
    plan.tell(`${what} ${server.name}: ${held} held, ${bytesEach.toFixed(0)} bytes each`);
    return figures;
  });
  return measured.map(({ server, figures }) => ({
    server,
    held: figures.at(-1)?.held ?? 0,
    bytesEach: figures.map((one) => one.bytesEach),
  }));
}

/** Holds `count`, or as many as the limit of descriptors allows. */
async function holdConnections(
  running: RunningServer,
  count: number,
  isSecure: boolean,
): Promise<{ held: number; bytesEach: number }> {
  const { port } = running;
  const wanted = Math.min(count, Math.floor(readLimit() * DESCRIPTOR_SHARE));
  await runWrk({ port, path: "/", postBytes: 0, seconds: WARM_UP_SECONDS, isSecure });
  await sleep(SETTLE_MS);
  const before = running.clientSideMemory().rss;
  const script = fileURLToPath(new URL("load/idle-connections.ts", import.meta.url));
  const words = [script, String(port), String(wanted), ...(isSecure ? ["tls"] : [])];
  const child = startProgram(process.execPath, words);
  try {
    if (child.stdout === null) throw new Error("the idle client has no output");
    const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
    await nextCount(lines);
    await sleep(SETTLE_MS);
    const after = running.clientSideMemory().rss;
    child.stdin?.write("count\n");
    const held = await nextCount(lines);
    return { held, bytesEach: held > 0 ? (after - before) / held : Number.NaN };
  } finally {
    const isOver = child.exitCode !== null || child.signalCode !== null;
    child.kill("SIGKILL");
    if (!isOver) await once(child, "close");
  }
}

async function nextCount(lines: AsyncIterator<string>): Promise<number> {
  const line = await lines.next();
  if (line.done === true) throw new Error("the idle client ended early");
  return Number(line.value);
}

function pageOf(name: string): Case {
  const page = CASES.find((one) => one.name === name);
  if (page === undefined) throw new Error(`no case ${name}`);
  return page;
}

async function withServer<T>(
  server: Server,
  page: Case,
  workers: number,
  use: (running: RunningServer) => Promise<T>,
): Promise<T> {
  const running = await RunningServer.start(server, { page, workers });
  try {
    return await use(running);
  } finally {
    await running.stop();
  }
}
