// Hello requests over HTTP/2 with TLS: Typhon's engine and node:http2, each in a process of its own, under h2load,
// in interleaved rounds. Prints the medians of requests/s and of the serving process's CPU µs a request.
//
//   BODY_BYTES=13 node benchmarks/http2-hello.ts [rounds] [seconds]
//
// The CPU figure decides: h2load and the server share the machine's cores.

import { execFile, execFileSync, fork } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createSecureServer } from "node:http2";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createServer, type Server } from "node:tls";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

import { responseHead } from "../src/http/response-head.ts";
import { Http2Engine } from "../src/http2/engine.ts";
import { CoarseClock } from "../src/net/coarse-clock.ts";
import { median } from "./statistics.ts";

const SERVERS = ["typhon", "node:http2"] as const;
type ServerName = (typeof SERVERS)[number];

interface Round {
  readonly requestsPerSecond: number;
  readonly cpuMicroseconds: number;
}

const [mode = "", argument = ""] = process.argv.slice(2);
if (mode === "serve") await serve(argument === "node:http2" ? argument : "typhon");
else await compare(Number(mode || "5"), Number(argument || "4"));

async function serve(name: ServerName): Promise<void> {
  const body = Buffer.alloc(Number(process.env["BODY_BYTES"] ?? "13"), "Hello, world\n");
  const { key, cert } = makeCertificate();
  const server =
    name === "typhon"
      ? makeTyphon(body, { key, cert, ALPNProtocols: ["h2"] })
      : makeNode(body, { key, cert });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  process.on("message", () => {
    const { user, system } = process.cpuUsage();
    process.send?.({ cpu: user + system });
  });
  const address = server.address();
  process.send?.({ port: address === null || typeof address === "string" ? 0 : address.port });
}

function makeTyphon(body: Buffer, options: Parameters<typeof createServer>[0]): Server {
  const head = responseHead(200, "OK", [["Content-Type", "text/plain"]]);
  const engine = new Http2Engine({ onExchange: (exchange) => exchange.respond(head, body) });
  new CoarseClock().start(() => engine.tick());
  return createServer({ ...options, allowHalfOpen: true, noDelay: true }, (socket) =>
    engine.accept(socket, { scheme: "https", tls: null, peers: null }),
  );
}

function makeNode(body: Buffer, options: { key: Buffer; cert: Buffer }): Server {
  const server = createSecureServer(options);
  server.on("stream", (stream) => {
    stream.respond({ ":status": 200, "content-type": "text/plain", "content-length": body.length });
    stream.end(body);
  });
  return server;
}

function makeCertificate(): { key: Buffer; cert: Buffer } {
  const folder = mkdtempSync(join(tmpdir(), "http2-hello-"));
  try {
    const [key, cert] = [join(folder, "key.pem"), join(folder, "cert.pem")];
    const curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
    const files = ["-keyout", key, "-out", cert, "-days", "2", "-subj", "/CN=localhost"];
    execFileSync("openssl", ["req", "-x509", ...curve, ...files], { stdio: "ignore" });
    return { key: readFileSync(key), cert: readFileSync(cert) };
  } finally {
    rmSync(folder, { recursive: true });
  }
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
    const url = `https://127.0.0.1:${port}/`;
    await load(url, 1);
    child.send("cpu");
    const before = (await next()).cpu ?? 0;
    const requests = await load(url, seconds);
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

/** Runs h2load; returns the number of responses. */
async function load(url: string, seconds: number): Promise<number> {
  const options = ["-t1", "-c32", "-m10", `-D${seconds}`];
  const { stdout } = await promisify(execFile)("h2load", [...options, url]);
  return Number(/(\d+) succeeded/.exec(stdout)?.[1] ?? "0");
}
