// gunicorn.conf.py: which settings it has, for a file as people write it and for odd ones; the process that runs it ends
// in time, and with everything that it has started.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { before, describe, test } from "node:test";

import type { Configuration } from "../../src/config/configuration.ts";
import { readFlags } from "../../src/config/flags.ts";
import { readGunicornConf, type GunicornConf } from "../../src/config/gunicorn-conf.ts";
import { ConfigurationReader } from "../../src/config/load.ts";
import { OperatorError } from "../../src/config/operator-error.ts";
import { until } from "../support/deadline.ts";
import { FILE } from "../support/file-scope.ts";
import { CHECKOUT, makeScratch, requirePython } from "../support/scratch.ts";

let folder = "";
let files = 0;
before(() => {
  folder = makeScratch(FILE);
  mkdirSync(join(folder, "shop"));
  writeFileSync(join(folder, "shop/__init__.py"), "");
  writeFileSync(join(folder, "shop/conf.py"), "workers = 7\n");
  writeFileSync(join(folder, "app.py"), "");
});

const ENVIRONMENT = { PATH: process.env["PATH"], HOME: process.env["HOME"], GIVEN: "before" };

function conf(lines: string): string {
  files += 1;
  const name = `conf${files}.py`;
  writeFileSync(join(folder, name), lines);
  return name;
}

async function run(name: string, limitMs?: number): Promise<GunicornConf> {
  const given = { by: "--gunicorn-conf", text: name, value: name, folder, kind: null };
  const options = {
    given,
    python: requirePython(),
    user: null,
    environment: ENVIRONMENT,
    cwd: folder,
  };
  return await readGunicornConf(options, limitMs);
}

/** The settings of a file, without what gave them. */
async function settings(lines: string): Promise<[string, string][]> {
  const { texts } = await run(conf(lines));
  return texts.map(({ option, text }) => [option, text]);
}

async function fault(lines: string, limitMs?: number): Promise<string> {
  const name = conf(lines);
  const outcome = await run(name, limitMs).catch((error: unknown) => error);
  assert.ok(outcome instanceof OperatorError, String(outcome));
  return outcome.text.replaceAll(name, "conf.py");
}

async function load(words: readonly string[], environment = {}): Promise<Configuration> {
  const given = { ...ENVIRONMENT, TYPHON_PYTHON: requirePython(), ...environment };
  const reader = new ConfigurationReader(readFlags(words), given, folder);
  await reader.prepare();
  return reader.read();
}

describe("settings", () => {
  test("a file as people write it", async () => {
    const lines = `
import multiprocessing
import os
from pathlib import Path

bind = ["127.0.0.1:9000", f"unix:{Path('/run') / 'x.sock'}"]
workers = multiprocessing.cpu_count() * 2 + 1
worker_class = "gthread"
threads = int(os.environ.get("THREADS", "3"))
worker_connections = 50
timeout = 120
keepalive = 5
max_requests, max_requests_jitter = 1000, 50
limit_request_line = 0
accesslog = "-"
errorlog = "-"
loglevel = os.getenv("LEVEL", "critical")
pidfile = Path("/tmp") / "x.pid"
umask = 0o27
forwarded_allow_ips = ["10.0.0.1", "10.0.0.2"]
raw_env = ["A=1", "B=two words"]
preload_app = False
daemon = False
capture_output = True
reload = None
my_own = object()
def helper(): pass
def when_ready(server): pass
def post_fork(server, worker): pass
`;
    const name = conf(lines);
    const { texts, hooks, path, notices } = await run(name);
    const cores = Number(texts.find(({ option }) => option === "workers")?.text);
    assert.ok(cores >= 3 && cores % 2 === 1);
    assert.deepEqual(
      texts
        .filter(({ option }) => option !== "workers")
        .map(({ option, text }) => `${option}=${text}`)
        .toSorted(),
      [
        "bind=127.0.0.1:9000",
        "bind=unix:/run/x.sock",
        "threads=3",
        "concurrency=50",
        "timeout=120",
        "keep-alive=5",
        "max-requests=1000",
        "max-requests-jitter=50",
        "limit-request-line=256k",
        "access-log=-",
        "log-level=error",
        "pid=/tmp/x.pid",
        "preload=false",
        "umask=027",
        "forwarded-allow-ips=10.0.0.1,10.0.0.2",
        "env=A=1",
        "env=B=two words",
        "capture-output=true",
      ].toSorted(),
    );
    assert.deepEqual(hooks, ["when_ready", "post_fork"]);
    assert.equal(path, join(folder, name));
    assert.equal(notices.length, 1, notices.join("\n"));
    assert.match(
      notices[0] ?? "",
      /^conf\d+\.py: worker_class has no meaning here: WSGI runs in threads/,
    );
  });
  test("variables that it sets are told apart from those that it had", async () => {
    const lines =
      'import os\nos.environ["DJANGO_SETTINGS_MODULE"] = "shop.settings"\nos.environ["GIVEN"] = "after"\n';
    assert.deepEqual((await run(conf(lines))).env, {
      DJANGO_SETTINGS_MODULE: "shop.settings",
      GIVEN: "after",
    });
  });
  test("python:MODULE, and imports from the folder of the start", async () => {
    const { texts, path } = await run("python:shop.conf");
    assert.deepEqual(
      texts.map(({ option, text, by }) => [option, text, by]),
      [["workers", "7", "python:shop.conf: workers"]],
    );
    assert.equal(path, join(folder, "shop/conf.py"));
    assert.deepEqual(await settings("from shop.conf import *\nthreads = workers"), [
      ["workers", "7"],
      ["threads", "7"],
    ]);
  });
  test("an ASGI class makes the timeout one of the event loop, and the log says so", async () => {
    const { texts, notices } = await run(
      conf('worker_class = "uvicorn.workers.UvicornWorker"\ntimeout = 60\n'),
    );
    assert.deepEqual(
      texts.map(({ option, text }) => [option, text]),
      [["loop-timeout", "60"]],
    );
    assert.match(notices.join("\n"), /timeout is --loop-timeout here/);
  });
  test("what has no meaning is told, and what is off is not", async () => {
    const { texts, notices } = await run(
      conf(
        'statsd_host = "localhost:8125"\nspew = False\nproc_name = "shop"\nlogconfig_dict = {}\nsecure_scheme_headers = {"X": "y"}\nworker_tmp_dir = "/dev/shm"\n',
      ),
    );
    assert.deepEqual(texts, []);
    assert.deepEqual(
      notices.map((line) => /: (\w+) has no meaning here/.exec(line)?.[1] ?? line).toSorted(),
      ["proc_name", "secure_scheme_headers", "statsd_host", "worker_tmp_dir"],
    );
  });
  test("what it prints is told, twenty lines of it", async () => {
    const { notices } = await run(
      conf('import sys\nprint("to stdout")\nprint("to stderr", file=sys.stderr)\n'),
    );
    assert.deepEqual(notices.map((line) => line.replace(/^conf\d+/, "")).toSorted(), [
      ".py prints: to stderr",
      ".py prints: to stdout",
    ]);
    assert.equal((await run(conf("for n in range(1000): print(n)"))).notices.length, 20);
  });
});

describe("mistakes", () => {
  test("of the program: the file, the line, and how the line was reached", async () => {
    assert.equal(
      await fault("workers = 3\n\nthreads = 1 / 0\n"),
      "conf.py:3: ZeroDivisionError: division by zero",
    );
    assert.equal(await fault("def f(:\n"), "conf.py:1: SyntaxError: invalid syntax");
    assert.match(
      await fault("import no_such_module_here\n"),
      /^conf\.py:1: ModuleNotFoundError: No module named 'no_such/,
    );
    assert.match(
      await fault("def inner():\n    raise ValueError('x')\ninner()\n"),
      /^conf\.py:2: ValueError: x\n {2}File .*line 3, in <module>/,
    );
  });
  test("an end before the last line", async () => {
    assert.equal(
      await fault("import sys\nsys.exit('no')\n"),
      "conf.py:2: it has called sys.exit('no')",
    );
    assert.equal(await fault("import os\nos._exit(4)\n"), "conf.py: it has ended with exit code 4");
    assert.equal(
      await fault("import os\nos.kill(os.getpid(), 9)\n"),
      "conf.py: it has ended with SIGKILL",
    );
    assert.equal(await fault("raise KeyboardInterrupt\n"), "conf.py:1: KeyboardInterrupt");
  });
  test("no end: it is stopped, and what it has printed is shown", async () => {
    assert.equal(
      await fault("import time\nprint('waits', flush=True)\ntime.sleep(600)\n", 1500),
      "conf.py: it was stopped after 1.5 s, and has no settings yet\nwaits",
    );
    assert.match(
      await fault("while True: print('x' * 5000)\n", 300),
      /^conf\.py: it was stopped after 0\.3 s/,
    );
  });
  test("settings larger than the limit, and a result that it forges", async () => {
    assert.match(
      await fault("raw_env = ['A' * 2_000_000]\n"),
      /^conf\.py: its settings are larger than 1048576 bytes/,
    );
    const forged =
      "import os\nfor fd in range(3, 9):\n    try: os.write(fd, b'[1]')\n    except OSError: pass\n";
    assert.match(await fault(forged), /^conf\.py: it has ended with exit code 0/);
  });
  test("a file that is missing, and a value that its option does not take", async () => {
    await assert.rejects(run("gone.py"), {
      text: "--gunicorn-conf 'gone.py' is no file; name one that exists",
    });
    await assert.rejects(load(["app:app", "-c", conf("workers = 'many'\n")]), {
      text: /^conf\d+\.py: workers 'many' must be a whole number from 1 to 1024$/,
    });
    await assert.rejects(load(["app:app", "-c", conf("daemon = True\n")]), {
      text: /^conf\d+\.py: daemon is refused: a service manager/,
    });
  });
});

test("what the program has started ends with it", async () => {
  const lines = "import subprocess\nprint(subprocess.Popen(['sleep', '600']).pid)\nworkers = 2\n";
  const { notices } = await run(conf(lines));
  const pid = Number(/prints: (\d+)$/.exec(notices[0] ?? "")?.[1]);
  assert.ok(pid > 1);
  await until("the process is gone", () => !isAlive(pid));
});

test("a program whose server was killed ends by its own alarm", () => {
  const script = join(CHECKOUT, "python/typhon_worker/conf/gunicorn_settings.py");
  const words = [script, join(folder, conf("while True: pass\n")), "workers", "1"];
  const { signal } = spawnSync(requirePython(), words, {
    cwd: folder,
    stdio: ["ignore", "ignore", "ignore", "pipe"],
  });
  assert.equal(signal, "SIGALRM");
});

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

describe("among the sources", () => {
  test("behind flags, variables and GUNICORN_CMD_ARGS, before typhon.toml and WEB_CONCURRENCY", async () => {
    const name = conf(
      "wsgi_app = 'app:make()'\nworkers = 3\nthreads = 3\nkeepalive = 3\nmax_requests = 3\n",
    );
    writeFileSync(join(folder, "site.toml"), "app = 'other:app'\nmax-requests = 9\nmax-age = 9\n");
    const words = ["--gunicorn-conf", name, "--config", "site.toml", "--workers", "5"];
    const variables = {
      GUNICORN_CMD_ARGS: "--threads 6 -w 6",
      TYPHON_KEEP_ALIVE: "7",
      WEB_CONCURRENCY: "8",
    };
    const { applications, listeners } = await load(words, variables);
    assert.partialDeepStrictEqual(applications[0], {
      app: "app:make()",
      workers: 5,
      threads: 6,
      maxRequests: 3,
      maxAgeMs: 9000,
    });
    assert.equal(listeners.keepAliveMs, 7000);
  });
  test("GUNICORN_CMD_ARGS may name it, and TYPHON_GUNICORN_CONF", async () => {
    const name = conf("workers = 3\n");
    assert.equal(
      (await load(["app:app"], { GUNICORN_CMD_ARGS: `-c ${name}` })).applications[0]?.workers,
      3,
    );
    assert.equal(
      (await load(["app:app"], { TYPHON_GUNICORN_CONF: name })).applications[0]?.workers,
      3,
    );
  });
  test("its variables, folder and hooks reach the application; --env wins", async () => {
    const name = conf(
      "import os\nos.environ['A'] = 'conf'\nos.environ['B'] = 'conf'\nchdir = 'shop'\ndef on_exit(server): pass\n",
    );
    const { applications } = await load(["app:app", "-c", name, "--env", "A=flag"]);
    assert.partialDeepStrictEqual(applications[0], {
      env: { A: "flag", B: "conf" },
      cwd: join(folder, "shop"),
      gunicornConf: join(folder, name),
      gunicornHooks: ["on_exit"],
    });
  });
  test("each preparation runs it anew; one that fails leaves a mistake", async () => {
    const name = conf("workers = 3\n");
    const given = { ...ENVIRONMENT, TYPHON_PYTHON: requirePython() };
    const reader = new ConfigurationReader(readFlags(["app:app", "-c", name]), given, folder);
    assert.equal(reader.hasFile, true);
    await reader.prepare();
    assert.equal(reader.read().applications[0]?.workers, 3);
    writeFileSync(join(folder, name), "workers = 4\n");
    await reader.prepare();
    assert.equal(reader.read().applications[0]?.workers, 4);
    writeFileSync(join(folder, name), "workers = \n");
    await assert.rejects(reader.prepare(), { text: /^conf\d+\.py:1: SyntaxError/ });
  });
});
