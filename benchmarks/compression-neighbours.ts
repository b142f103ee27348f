// What compression costs the others: p50 and p99 of requests that need the front (a short text) and of requests
// that need a thread of Node's pool (a file that is too large for the cache), alone and while other clients take
// long bodies, first as they are and then in each coding. One server, in a process of its own.
//
//   node benchmarks/compression-neighbours.ts [seconds] [clients]

import { fork } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { Agent, request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { StaticHandler } from "../src/handlers/static/static-handler.ts";
import { CacheMemory } from "../src/handlers/static/file-cache.ts";
import { CompressingHandler } from "../src/handlers/policy/compression.ts";
import { listen } from "../src/front/listener.ts";
import { responseHead } from "../src/http/response-head.ts";
import { Http1Engine } from "../src/http1/engine.ts";
import { CoarseClock } from "../src/net/coarse-clock.ts";
import { OpenFiles } from "../src/net/open-files.ts";
import { canonicalPath } from "../src/routing/canonical-path.ts";

const TEXT_BYTES = 4_194_304;
const FILE_BYTES = 1_500_000;
const PROBES = 4;
const LOADS = ["none", "identity", "gzip", "br", "zstd"] as const;

const [mode = "", argument = ""] = process.argv.slice(2);
if (mode === "serve") await serve(argument);
else await compare(Number(mode || "5"), Number(argument || "8"));

async function serve(folder: string): Promise<void> {
  const files = new StaticHandler({
    folder,
    prefix: "",
    index: ["index.html"],
    listing: false,
    followSymlinks: false,
    hidden: [],
    fallback: "",
    memory: new CacheMemory(),
    count: new OpenFiles({ workers: 0, connections: () => 0, closeIdle: () => 0 }),
    onUnreadable: () => undefined,
  });
  const compressing = new CompressingHandler(files);
  const head = responseHead(200, "OK", [["Content-Type", "text/plain"]]);
  const hello = Buffer.from("Hello, world\n");
  const engine = new Http1Engine({
    onExchange: (exchange) => {
      exchange.path = canonicalPath(exchange.head.path) ?? "/";
      if (exchange.path === "/hello") exchange.respond(head, hello);
      else compressing.handle(exchange);
    },
  });
  new CoarseClock().start(() => engine.tick());
  const { address } = await listen({ kind: "tcp", host: "127.0.0.1", port: 0 }, (socket) =>
    engine.accept(socket),
  );
  process.on("disconnect", () => process.exit());
  process.send?.(address.kind === "tcp" ? address.port : 0);
}

async function compare(seconds: number, clients: number): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "typhon-neighbours-"));
  writeFileSync(join(folder, "long.txt"), textOf(TEXT_BYTES));
  writeFileSync(join(folder, "picture.bin"), Buffer.alloc(FILE_BYTES, 1));
  const server = fork(import.meta.filename, ["serve", folder]);
  try {
    const [port] = await once(server, "message");
    console.log("| load | its MB/s | text p50 ms | p99 | file p50 ms | p99 |");
    console.log("|---|---|---|---|---|---|");
    for (const load of LOADS) console.log(await measure(Number(port), load, seconds, clients));
  } finally {
    server.kill();
    rmSync(folder, { recursive: true });
  }
}

async function measure(
  port: number,
  load: (typeof LOADS)[number],
  seconds: number,
  clients: number,
): Promise<string> {
  const end = performance.now() + seconds * 1000;
  const agent = new Agent({ keepAlive: true });
  let bodies = 0;
  const run = async (path: string, coding: string, onDone: (ms: number) => void): Promise<void> => {
    while (performance.now() < end) {
      const before = performance.now();
      await get(agent, port, path, coding);
      onDone(performance.now() - before);
    }
  };
  const texts: number[] = [];
  const files: number[] = [];
  const tasks: Promise<void>[] = [];
  if (load !== "none")
    for (let client = 0; client < clients; client += 1)
      tasks.push(run("/long.txt", load, () => (bodies += 1)));
  for (let probe = 0; probe < PROBES; probe += 1) {
    tasks.push(run("/hello", "identity", (ms) => texts.push(ms)));
    tasks.push(run("/picture.bin", "identity", (ms) => files.push(ms)));
  }
  await Promise.all(tasks);
  agent.destroy();
  const rate = (bodies * TEXT_BYTES) / 1e6 / seconds;
  const figures = [rate, quantile(texts, 0.5), quantile(texts, 0.99), quantile(files, 0.5)];
  return `| ${load} | ${[...figures, quantile(files, 0.99)].map((one) => one.toFixed(1)).join(" | ")} |`;
}

function get(agent: Agent, port: number, path: string, coding: string): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const headers = { "Accept-Encoding": coding };
  request({ agent, host: "127.0.0.1", port, path, headers }, (response) => {
    if (response.statusCode !== 200) reject(new Error(`${path}: ${response.statusCode}`));
    response.resume();
    response.on("end", resolve);
    response.on("error", reject);
  })
    .on("error", reject)
    .end();
  return promise;
}

function quantile(values: number[], share: number): number {
  values.sort((a, b) => a - b);
  return values[Math.min(values.length - 1, Math.floor(values.length * share))] ?? 0;
}

/** Text of which a third to a fifth is left. */
function textOf(bytes: number): string {
  const parts: string[] = [];
  let length = 0;
  for (let number = 1; length < bytes; number += 1) {
    const part = `{"id": ${(number * 7919) % 1_000_003}, "name": "item ${(number * 31) % 997}"}\n`;
    parts.push(part);
    length += part.length;
  }
  return parts.join("").slice(0, bytes);
}
