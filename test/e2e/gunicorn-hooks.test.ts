// The hooks of a gunicorn.conf.py in a server with real workers: each in its moment, and what they log.

import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";

import { getOnce } from "../support/raw-client.ts";
import { makeScratch } from "../support/scratch.ts";
import { runTyphon, startTyphon, withDefaults } from "../support/typhon.ts";

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

test("each hook of a gunicorn.conf.py has its moment", async (t) => {
  const folder = makeScratch(t);
  writeFileSync(join(folder, "shop.py"), APP);
  writeFileSync(join(folder, "gunicorn.conf.py"), CONF);
  const typhon = await startTyphon(t, [
    "shop:app",
    `--app-dir=${folder}`,
    "--workers=1",
    `--gunicorn-conf=${join(folder, "gunicorn.conf.py")}`,
    `--env=PROMETHEUS_MULTIPROC_DIR=${join(folder, "metrics")}`,
  ]);
  const { output } = typhon;
  await output.waitFor(/INFO {2}when_ready: Server is ready\. Spawning workers/);
  assert.equal((await getOnce(typhon, "/")).text, "hello");
  await output.waitFor(/INFO {2}worker 1: \/ -> 200/);
  typhon.signal("SIGHUP");
  await output.waitFor(
    /INFO {2}child_exit for worker 1 \(process (\d+)\): Worker exited \(pid: \1\)/,
  );
  await typhon.stop();
  for (const pattern of [
    /WARN {2}worker_int is not called: workers get no SIGINT or SIGQUIT/,
    /INFO {2}on_starting: on_starting with 1 workers[^]*INFO {2}worker 1: Worker spawned \(pid: \d+\)/,
    /INFO {2}worker 1: Worker initialized \(pid: \d+\)/,
    /INFO {2}worker 1: GET \/ [^]*INFO {2}worker 1: \/ -> 200/,
    /INFO {2}worker 2: Worker spawned[^]*INFO {2}worker 1: Worker exiting \(pid: \d+\)/,
    /INFO {2}on_reload: Reloading/,
    /INFO {2}child_exit for worker 2[^]*INFO {2}on_exit: on_exit/,
  ])
    assert.match(output.stderr, pattern);
  assert.doesNotMatch(output.stderr, /ERROR|received INT/);
});

test("a failed on_starting ends the start", async (t) => {
  const folder = makeScratch(t);
  writeFileSync(join(folder, "shop.py"), APP);
  writeFileSync(
    join(folder, "gunicorn.conf.py"),
    "def on_starting(server):\n    raise ValueError('no folder')\n",
  );
  const { code, stderr } = await runTyphon(
    withDefaults([
      "shop:app",
      `--app-dir=${folder}`,
      `--gunicorn-conf=${join(folder, "gunicorn.conf.py")}`,
    ]),
  );
  assert.equal(code, 3, stderr);
  assert.match(stderr, /on_starting failed\n[^]*ValueError: no folder/);
});
