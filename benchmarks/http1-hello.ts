// Hello requests over HTTP/1.1: Typhon's engine and node:http, each in a process of its own, under wrk,
// in interleaved rounds. Prints the medians of requests/s and of the serving process's CPU µs a request.
//
//   BODY_BYTES=13 node benchmarks/http1-hello.ts [rounds] [seconds]
//
// The CPU figure decides: wrk and the server share the machine's cores.

import { execFile, fork } from "node:child_process";
import { createServer } from "node:http";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

import { listen } from "../src/front/listener.ts";
import { responseHead } from "../src/http/response-head.ts";
import { Http1Engine } from "../src/http1/engine.ts";
import { CoarseClock } from "../src/net/coarse-clock.ts";
import { median } from "./statistics.ts";

const SERVERS = ["typhon", "node:http"] as const;
type ServerName = (typeof SERVERS)[number];

interface Round {
  readonly requestsPerSecond: number;
  readonly cpuMicroseconds: number;
}

const [mode = "", argument = ""] = process.argv.slice(2);
if (mode === "serve") await serve(argument === "node:http" ? argument : "typhon");
else await compare(Number(mode || "5"), Number(argument || "4"));

async function serve(name: ServerName): Promise<void> {
  const body = Buffer.alloc(Number(process.env["BODY_BYTES"] ?? "13"), "Hello, world\n");
  const port = name === "typhon" ? await serveTyphon(body) : await serveNode(body);
  process.on("message", () => {
    const { user, system } = process.cpuUsage();
    process.send?.({ cpu: user + system });
  });
  process.send?.({ port });
}

async function serveTyphon(body: Buffer): Promise<number> {
  const head = responseHead(200, "OK", [["Content-Type", "text/plain"]]);
  const connections = new Http1Engine({
    onExchange: (exchange) => exchange.respond(head, body),
  });
  new CoarseClock().start(() => connections.tick());
  const { address } = await listen({ kind: "tcp", host: "127.0.0.1", port: 0 }, (socket) =>
    connections.accept(socket),
  );
  return address.kind === "tcp" ? address.port : 0;
}

function serveNode(body: Buffer): Promise<number> {
  const server = createServer((_request, response) => {
    response.writeHead(200, { "Content-Type": "text/plain", "Content-Length": body.length });
    response.end(body);
  });
  return new Promise((resolve) => {
    server.listen(0, "127.0.0.1", () => {
      const address = server.address();
      resolve(address === null || typeof address === "string" ? 0 : address.port);
    });
  });
}

async function compare(rounds: number, seconds: number): Promise<void> {
  const results = new Map<ServerName, Round[]>(SERVERS.map((name) => [name, []]));
  for (let round = 0; round < rounds; round += 1) {
    for (const name of SERVERS) results.get(name)?.push(await measure(name, seconds));
  }
  for (const [name, list] of results) {
    const speed = Math.round(median(list.map((one) => one.requestsPerSecond)));
    const cpu = median(list.map((one) => one.cpuMicroseconds)).toFixed(2);
    console.log(`${name.padEnd(10)} ${speed} requests/s, ${cpu} µs CPU a request`);
  }
}

async function measure(name: ServerName, seconds: number): Promise<Round> {
  const child = fork(fileURLToPath(import.meta.url), ["serve", name]);
  const next = (): Promise<{ port?: number; cpu?: number }> =>
    new Promise((resolve) => child.once("message", (message: object) => resolve(message)));
  try {
    const { port } = await next();
    const url = `http://127.0.0.1:${port}/`;
    await wrk(url, 1);
    child.send("cpu");
    const before = (await next()).cpu ?? 0;
    const requests = await wrk(url, seconds);
    child.send("cpu");
    const after = (await next()).cpu ?? 0;
    return {
      requestsPerSecond: requests / seconds,
      cpuMicroseconds: (after - before) / requests,
    };
  } finally {
    child.kill();
  }
}

/** Runs wrk; returns the number of responses. */
async function wrk(url: string, seconds: number): Promise<number> {
  const { stdout } = await promisify(execFile)("wrk", ["-t1", "-c64", `-d${seconds}`, url]);
  return Number(/(\d+) requests in/.exec(stdout)?.[1] ?? "0");
}
