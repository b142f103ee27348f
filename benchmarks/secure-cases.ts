// The pages over TLS of the suite "edge": HTTP/1.1 and HTTP/2, small responses, large ones and uploads, and
// handshakes alone.

import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { ASGI_CASES, CASES, type Case, type Goal } from "./cases.ts";
import { ask } from "./client.ts";
import { runH2load } from "./h2load.ts";
import { FILES_FOLDER } from "./places.ts";
import { readNumbers, runProgram } from "./program.ts";
import type { Load } from "./throughput.ts";
import { runWrk, type LoadOutcome } from "./wrk.ts";

export interface SecureCase extends Case {
  readonly isSecure: true;
  readonly tool: "wrk" | "h2load" | "full handshakes" | "resumed handshakes";
  readonly connections: number;
  /** Requests at once on each connection. */
  readonly streams: number;
  /** In place of a run of seconds: responses of 100 MB are counted, not timed. */
  readonly requests: number | null;
}

const MEGABYTE = 2 ** 20;
const CHUNK = "0123456789abcdef".repeat(65_536);
/** Names in the JSON line of load/handshakes.ts. */
const FIGURES = ["requests", "micros", "p50", "p99", "max"] as const;
const NONE: readonly Goal[] = [];

function secure(
  name: string,
  title: string,
  page: Pick<Case, "wsgi" | "asgi" | "path" | "expectedBody"> &
    Partial<Omit<SecureCase, "isSecure">>,
): SecureCase {
  return {
    postBytes: 0,
    tool: "h2load",
    connections: 32,
    streams: 10,
    requests: null,
    goals: NONE,
    ...page,
    name,
    title,
    isSecure: true,
  };
}

function named(list: readonly Case[], name: string): Omit<Case, "isSecure"> {
  const found = list.find((page) => page.name === name);
  if (found === undefined) throw new Error(`no page ${name}`);
  return found;
}

const HELLO = named(CASES, "raw-hello");
const RAW = { wsgi: "raw:app", asgi: "raw_asgi:app" };
const LARGE = { ...RAW, connections: 4, streams: 1, requests: 8 };
const ofGranian = (share: number): readonly Goal[] => [{ family: "granian", share }];
const OF_NGINX: readonly Goal[] = [{ family: "nginx", share: 1.3 }];

/** In the order in which they are measured and shown. */
export const SECURE_CASES: readonly SecureCase[] = [
  secure("tls-hello", "HTTP/1.1 over TLS, hello", {
    ...HELLO,
    tool: "wrk",
    goals: ofGranian(0.95),
  }),
  secure("h2-hello", "HTTP/2, hello", { ...HELLO, goals: ofGranian(1.6) }),
  secure("h2-flask", "HTTP/2, Flask", { ...named(CASES, "flask"), goals: ofGranian(0.95) }),
  secure("h2-fastapi", "HTTP/2, FastAPI", { ...named(ASGI_CASES, "fastapi-hello"), goals: NONE }),
  secure("h2-down-1m", "HTTP/2, 1 MB down", {
    ...RAW,
    path: "/blocks/1",
    expectedBody: CHUNK,
    connections: 8,
    streams: 4,
  }),
  secure("h2-up-1m", "HTTP/2, 1 MB up", {
    ...RAW,
    path: "/count",
    postBytes: MEGABYTE,
    expectedBody: String(MEGABYTE),
    connections: 8,
    streams: 4,
  }),
  secure("h2-down-100m", "HTTP/2, 100 MB down", {
    ...LARGE,
    path: "/blocks/100",
    // A rope: made flat only while it is compared.
    expectedBody: CHUNK.repeat(100),
    goals: OF_NGINX,
  }),
  secure("h2-up-100m", "HTTP/2, 100 MB up", {
    ...LARGE,
    path: "/count",
    postBytes: 100 * MEGABYTE,
    expectedBody: String(100 * MEGABYTE),
    goals: OF_NGINX,
  }),
  secure("tls-full", "full handshake and a request", {
    ...HELLO,
    tool: "full handshakes",
    connections: 16,
    goals: NONE,
  }),
  secure("tls-resumed", "resumed handshake and a request", {
    ...HELLO,
    tool: "resumed handshakes",
    connections: 16,
    goals: NONE,
  }),
];

/** The load of a page over TLS. The warm-up begins with one request whose response is checked whole. */
export async function askSecure({
  page,
  port,
  seconds,
  isWarmUp,
}: Load<SecureCase>): Promise<LoadOutcome> {
  const { path, connections, streams, requests, postBytes, tool } = page;
  if (isWarmUp) {
    const response = await ask({ ...page, port });
    if (response.status !== 200 || response.body !== page.expectedBody)
      throw new Error(`status ${response.status}, ${response.body.length} bytes for ${path}`);
  }
  if (tool === "wrk")
    return await runWrk({ port, path, postBytes, seconds, connections, isSecure: true });
  if (tool === "h2load") {
    const length = requests === null ? { seconds } : { requests };
    const upload = postBytes === 0 ? null : uploadFile(postBytes);
    return await runH2load({ port, path, connections, streams, length, upload });
  }
  return await shakeHands(port, seconds, connections, tool === "resumed handshakes");
}

/** A file of so many bytes, made once. */
function uploadFile(bytes: number): string {
  const path = join(FILES_FOLDER, "..", `upload-${bytes}`);
  mkdirSync(FILES_FOLDER, { recursive: true });
  if (!existsSync(path)) writeFileSync(path, Buffer.alloc(bytes, "x"));
  return path;
}

async function shakeHands(
  port: number,
  seconds: number,
  atOnce: number,
  isResumed: boolean,
): Promise<LoadOutcome> {
  const script = fileURLToPath(new URL("load/handshakes.ts", import.meta.url));
  const words = [script, ...[port, seconds, atOnce].map(String), isResumed ? "resumed" : "full"];
  const output = await runProgram(process.execPath, words);
  const { requests, micros, p50, p99, max } = readNumbers(output, FIGURES);
  if (!(requests > 0)) throw new Error(`no handshake: ${output}`);
  return {
    requests,
    requestsPerSecond: (requests / micros) * 1e6,
    p50: p50 / 1000,
    p99: p99 / 1000,
    max: max / 1000,
  };
}
