// The hooks of a gunicorn.conf.py in a server with real workers: each in its moment, and what they log.

import assert from "node:assert/strict";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";

import { load } from "../../src/config/load.ts";
import { Log } from "../../src/observe/log.ts";
import { Sink } from "../../src/observe/sink.ts";
import { Server } from "../../src/server.ts";
import { until } from "../support/deadline.ts";
import { makeScratch, requirePython } from "../support/scratch.ts";

const APP = `
from flask import Flask
app = Flask(__name__)

@app.get("/")
def hello():
    return "hello"
`;

/** As the documentations of gunicorn and prometheus_client have them. */
const CONF = `
import os
from prometheus_client import multiprocess

def on_starting(server):
    server.log.info("on_starting with %d workers", server.num_workers)
    os.makedirs(os.environ["PROMETHEUS_MULTIPROC_DIR"])

def when_ready(server):
    server.log.info("Server is ready. Spawning workers")

def pre_fork(server, worker):
    pass

def post_fork(server, worker):
    server.log.info("Worker spawned (pid: %s)", worker.pid)

def post_worker_init(worker):
    worker.log.info("Worker initialized (pid: %s)", worker.pid)

def pre_request(worker, req):
    worker.log.info("%s %s", req.method, req.path)

def post_request(worker, req, environ, resp):
    worker.log.info("%s -> %s", req.path, resp.status_code)

def worker_int(worker):
    worker.log.info("worker received INT or QUIT signal")

def worker_exit(server, worker):
    server.log.info("Worker exiting (pid: %s)", worker.pid)

def child_exit(server, worker):
    multiprocess.mark_process_dead(worker.pid)
    server.log.info("Worker exited (pid: %s)", worker.pid)

def on_reload(server):
    server.log.info("Reloading")

def on_exit(server):
    print("on_exit")
`;
const HOOKS = [...CONF.matchAll(/^def (\w+)/gm)].map(([, name = ""]) => name);

test("each hook of a gunicorn.conf.py has its moment", async (t) => {
  const folder = makeScratch(t);
  const conf = join(folder, "gunicorn.conf.py");
  writeFileSync(join(folder, "shop.py"), APP);
  writeFileSync(conf, CONF);
  mkdirSync(join(folder, "run"));
  const metrics = join(folder, "run", "metrics");
  const configuration = load(
    [
      "shop:app",
      `--app-dir=${folder}`,
      `--python=${requirePython()}`,
      "--bind=127.0.0.1:0",
      "--workers=1",
      `--env=PROMETHEUS_MULTIPROC_DIR=${metrics}`,
    ],
    process.env,
    folder,
  );
  const applications = configuration.applications.map((one) => {
    return { ...one, gunicornConf: conf, gunicornHooks: HOOKS };
  });
  const file = join(folder, "server.log");
  const log = new Log(new Sink(file), { level: "info", format: "text" });
  const server = new Server({ ...configuration, applications }, log, null);
  const text = (): string => readFileSync(file, "utf8");
  const logged = (pattern: RegExp): Promise<unknown> =>
    until(`${String(pattern)} is logged\n${text()}`, () => pattern.test(text()));
  let isStopped = false;
  t.after(async () => {
    if (!isStopped) await server.stop(0);
  });
  const { addresses } = await server.start();
  const [url = ""] = addresses;
  await logged(/INFO {2}when_ready: Server is ready\. Spawning workers/);
  assert.equal(await (await fetch(url)).text(), "hello");
  await logged(/INFO {2}worker 1: \/ -> 200/);
  assert.equal(await server.reload(), null);
  await logged(/INFO {2}child_exit for worker 1 \(process (\d+)\): Worker exited \(pid: \1\)/);
  await server.stop(10_000);
  isStopped = true;
  await logged(/INFO {2}on_exit: on_exit/);
  for (const pattern of [
    /WARN {2}worker_int is not called: workers get no SIGINT or SIGQUIT/,
    /INFO {2}on_starting: on_starting with 1 workers[^]*INFO {2}worker 1: Worker spawned \(pid: \d+\)/,
    /INFO {2}worker 1: Worker initialized \(pid: \d+\)/,
    /INFO {2}worker 1: GET \/ [^]*INFO {2}worker 1: \/ -> 200/,
    /INFO {2}worker 2: Worker spawned[^]*INFO {2}worker 1: Worker exiting \(pid: \d+\)/,
    /INFO {2}child_exit for worker 2[^]*INFO {2}on_exit: on_exit/,
  ])
    assert.match(text(), pattern);
  assert.match(text(), /INFO {2}on_reload: Reloading/);
  assert.doesNotMatch(text(), /ERROR|received INT/);
});
