// A program that serves a Python application itself: it decides when the server starts, loads new code and stops.
//     node examples/embedded/server.ts [ADDRESS]

import { createServer } from "typhon-server";

const server = createServer({
  app: "hello:app",
  appDir: import.meta.dirname,
  bind: process.argv[2] ?? "127.0.0.1:8000",
  workers: 2,
  accessLog: "-",
});

const { addresses } = await server.start();
process.stdout.write(`serving at ${addresses.join(" ")}\n`);

async function reload(): Promise<void> {
  const fault = await server.reload();
  process.stdout.write(fault === null ? "new code serves\n" : `old code goes on: ${fault}\n`);
}

async function stop(): Promise<void> {
  // Requests that run may end within ten seconds.
  await server.stop(10_000);
  process.exit();
}

process.on("SIGHUP", () => void reload());
process.once("SIGINT", () => void stop());
process.once("SIGTERM", () => void stop());
