// Closed loop over WebSockets: 64 connections, each sends its next message when the last has come
// back. The load comes from load/web-sockets.ts, a process of its own, which needs the npm package ws.
// Rounds, clocks and results are those of throughput.ts; a request is a message here.

import { join } from "node:path";
import { WEBSOCKET_CASES, type WebSocketCase } from "./cases.ts";
import type { WebSocketOrder } from "./load/web-sockets.ts";
import { BENCHMARKS } from "./places.ts";
import { readNumbers, runProgram } from "./program.ts";
import { RunningServer } from "./server-process.ts";
import type { Server } from "./servers.ts";
import type { Load } from "./throughput.ts";
import type { LoadOutcome } from "./wrk.ts";

const CONNECTIONS = 64;
/** The load that shows before the rounds whether a server speaks WebSocket. */
const TRY = { connections: 1, seconds: 0.2, isWarmUp: true } as const;

/** Whether the npm package that the generator needs is installed. */
export function hasWebSocketClient(): boolean {
  try {
    import.meta.resolve("ws");
    return true;
  } catch {
    return false;
  }
}

/** The load of a WebSocket page. A warm-up compares every byte of every echo, a measured run the length. */
export async function echoMessages(
  { page, port, seconds, isWarmUp }: Load<WebSocketCase>,
  connections = CONNECTIONS,
): Promise<LoadOutcome> {
  const { path, messageBytes } = page;
  const isCompared = isWarmUp;
  const order: WebSocketOrder = { port, path, connections, messageBytes, seconds, isCompared };
  const script = join(BENCHMARKS, "load", "web-sockets.ts");
  return parseEchoes(await runProgram(process.execPath, [script, JSON.stringify(order)]));
}

/** Starts `server` and exchanges a few messages; returns what went wrong, or null. */
export async function findWebSocketFault(server: Server): Promise<string | null> {
  const [page] = WEBSOCKET_CASES;
  if (page === undefined) return null;
  try {
    const running = await RunningServer.start(server, { page, workers: 1 });
    try {
      const { port } = running;
      await echoMessages({ page, port, ...TRY }, TRY.connections);
      return null;
    } finally {
      await running.stop();
    }
  } catch (error) {
    const text = error instanceof Error ? error.message : String(error);
    return /Error: .*/.exec(text)?.[0] ?? text.split("\n", 1)[0] ?? "";
  }
}

/** Reads the line that load/web-sockets.ts prints; throws where a figure is missing. */
export function parseEchoes(output: string): LoadOutcome {
  const figures = ["requests", "requestsPerSecond", "p50", "p99", "max"] as const;
  const outcome = readNumbers(output, figures);
  if (outcome.requests === 0) throw new Error(`no message came back: ${output}`);
  return outcome;
}
