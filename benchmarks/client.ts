// One plain request on a connection of its own, for checks and for the start-up time; and a free port.

import { request, type IncomingHttpHeaders } from "node:http";
import { request as requestSecurely } from "node:https";
import { createServer } from "node:net";

interface PlainResponse {
  readonly status: number;
  readonly fields: IncomingHttpHeaders;
  readonly bytes: Buffer;
  /** The bytes as latin-1. */
  readonly body: string;
}

interface PlainRequest {
  readonly port: number;
  readonly path: string;
  /** Bytes to post; 0 = GET. */
  readonly postBytes: number;
  /** JSON to post instead of so many bytes. */
  readonly postJson?: string | undefined;
  readonly fields?: Readonly<Record<string, string>>;
  /** Whether to ask over TLS; any certificate is taken. */
  readonly isSecure?: boolean;
}

/** No server needs as long for one short request, even for its first one. */
const RESPONSE_TIMEOUT_MS = 10_000;

/** Sends one request; rejects if nobody listens, the connection breaks or the response takes too long. */
export function ask(plain: PlainRequest): Promise<PlainResponse> {
  return new Promise((resolve, reject) => {
    const { port, path, postBytes, postJson, fields = {}, isSecure = false } = plain;
    const body = postJson ?? "x".repeat(postBytes);
    const type = postJson === undefined ? {} : { "content-type": "application/json" };
    const asked = (isSecure ? requestSecurely : request)(
      {
        rejectUnauthorized: false,
        host: "127.0.0.1",
        port,
        path,
        agent: false,
        timeout: RESPONSE_TIMEOUT_MS,
        method: body === "" ? "GET" : "POST",
        headers:
          body === "" ? fields : { ...fields, ...type, "content-length": Buffer.byteLength(body) },
      },
      (response) => {
        const chunks: Buffer[] = [];
        response.on("data", (chunk: Buffer) => chunks.push(chunk));
        response.on("error", reject);
        response.on("end", () => {
          const bytes = Buffer.concat(chunks);
          const status = response.statusCode ?? 0;
          resolve({ status, fields: response.headers, bytes, body: bytes.toString("latin1") });
        });
      },
    );
    asked.on("timeout", () => asked.destroy(new Error("no response in time")));
    asked.on("error", reject);
    asked.end(body);
  });
}

/** Below the ports that the kernel gives to clients and to servers that ask for any port. */
const FIRST_PORT = 10_000;
const PORTS = 20_000;
let lastPort = FIRST_PORT + Math.floor(Math.random() * PORTS);

/** A port on 127.0.0.1 without a listener, which no other program gets by chance before a server takes it. */
export async function findFreePort(): Promise<number> {
  for (;;) {
    // Callers at the same time get different ports.
    lastPort = lastPort + 1 < FIRST_PORT + PORTS ? lastPort + 1 : FIRST_PORT;
    const port = lastPort;
    if (await isFree(port)) return port;
  }
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.on("error", () => resolve(false));
    server.listen(port, "127.0.0.1", () => server.close(() => resolve(true)));
  });
}
