// Servers of the benchmarks as real processes: no process may be left behind, and the error about a wrong
// response or an early end must contain the output of the server.

import assert from "node:assert/strict";
import { test } from "node:test";
import { isRunning } from "../../test/support/processes.ts";
import { killAllServers, RunningServer } from "../server-process.ts";
import type { Server } from "../servers.ts";

const PAGE = { wsgi: "", asgi: "", path: "/", postBytes: 0, expectedBody: "Hello" };
const PYTHON_SERVER = `
import http.server, os, subprocess, sys
port, body = int(sys.argv[1]), sys.argv[2].encode()
# One child as any server has, one with a session of its own that does not hear of the end.
children = [
    subprocess.Popen(["sleep", "1000"]),
    subprocess.Popen(["sh", "-c", "sleep 1000; true"], start_new_session=True),
] if body == b"Hello" else []
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
http.server.HTTPServer(("127.0.0.1", port), Handler).serve_forever()
`;

function makeServer(script: string, body: string): Server {
  return {
    name: "test",
    title: "Test",
    family: "uvicorn",
    suites: [],
    programs: ({ port }) => [
      {
        command: "python3",
        args: ["-c", script, String(port), body],
        environment: {},
        clients: "all processes",
      },
    ],
  };
}

test("waits for the right response, counts all processes, and leaves none behind", async () => {
  const running = await RunningServer.start(makeServer(PYTHON_SERVER, "Hello"), {
    page: PAGE,
    workers: 1,
  });
  const pids = running.processIds();
  assert.ok(pids.length >= 4, `parent, two children and a grandchild: ${pids.join(" ")}`);
  assert.ok(running.startMs > 0);
  assert.ok(running.cpuSeconds() > 0);
  assert.equal(running.memory().processes, pids.length);
  await running.stop();
  assert.deepEqual(pids.filter(isRunning), []);
});

test("ends all servers at once for a signal", async () => {
  const running = await RunningServer.start(makeServer(PYTHON_SERVER, "Hello"), {
    page: PAGE,
    workers: 1,
  });
  const pids = running.processIds();
  killAllServers();
  const deadline = performance.now() + 5000;
  while (pids.some(isRunning) && performance.now() < deadline) {
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  assert.deepEqual(pids.filter(isRunning), []);
});

test("refuses a server that gives another body", async () => {
  const start = RunningServer.start(makeServer(PYTHON_SERVER, "Bye"), { page: PAGE, workers: 1 });
  await assert.rejects(start, /gave no right response for \/ \(status 200, 3 bytes\)/);
});

test("tells what a server wrote that ended at its start", async () => {
  const server = makeServer("raise SystemExit('no such module: shop')", "");
  const start = RunningServer.start(server, { page: PAGE, workers: 1 });
  await assert.rejects(start, /ended at its start:\nno such module: shop/);
});

test("tells of a program that does not exist", async () => {
  const server = makeServer("", "");
  const programs = () => [
    { command: "/no/such/program", args: [], environment: {}, clients: "none" } as const,
  ];
  const start = RunningServer.start({ ...server, programs }, { page: PAGE, workers: 1 });
  await assert.rejects(start, /\/no\/such\/program could not be started/);
});
