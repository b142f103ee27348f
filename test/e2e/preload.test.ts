// --preload: one process loads the application and forks the workers. What is loaded when, and what becomes of
// requests when a template, a launcher or a load ends, with real applications.

import assert from "node:assert/strict";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";

import { until } from "../support/deadline.ts";
import { getOnce, RawClient } from "../support/raw-client.ts";
import { APPS, makeScratch, type Scope } from "../support/scratch.ts";
import { runTyphon, startTyphon, withDefaults, type Typhon } from "../support/typhon.ts";

/** Writes a line for each load; responds with a word, the worker and its parent. */
const SHOP = `
import os
with open(os.path.join(os.path.dirname(__file__), "loads"), "a") as loads:
    loads.write(f"{os.getpid()}\\n")
def app(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [f"WORD {os.getpid()} {os.getppid()}".encode()]
`;

interface Shop {
  readonly typhon: Typhon;
  readonly folder: string;
}

function write(folder: string, word: string, more = ""): void {
  writeFileSync(join(folder, "shop.py"), SHOP.replace("WORD", word) + more);
}

async function serve(t: Scope, ...args: readonly string[]): Promise<Shop> {
  const folder = makeScratch(t);
  write(folder, "old");
  const all = ["shop:app", "--app-dir", folder, "--preload", ...args];
  return { folder, typhon: await startTyphon(t, all) };
}

/** The processes that have loaded the module, in their order. */
function loads(folder: string): number[] {
  return readFileSync(join(folder, "loads"), "utf8").trim().split("\n").map(Number);
}

/** The templates that run. */
function templates(typhon: Typhon): number[] {
  const named = ({ pid }: { readonly pid: number }): boolean => {
    try {
      return readFileSync(`/proc/${pid}/comm`, "utf8") === "typhon-template\n";
    } catch {
      return false;
    }
  };
  return typhon
    .processes()
    .filter(named)
    .map(({ pid }) => pid);
}

interface Answer {
  readonly word: string;
  readonly pid: number;
  readonly parent: number;
}

async function ask(typhon: Typhon): Promise<Answer> {
  const { status, text } = await getOnce(typhon, "/");
  assert.equal(status, 200, text);
  const [word = "", pid, parent] = text.split(" ");
  return { word, pid: Number(pid), parent: Number(parent) };
}

/** Asks without a pause until the signal; each response has to be whole. */
async function askAlways(typhon: Typhon, signal: AbortSignal): Promise<number> {
  const client = await RawClient.connect(typhon);
  let count = 0;
  for (; !signal.aborted; count += 1) assert.equal((await client.get("/")).status, 200);
  client.destroy();
  return count;
}

test("the application is loaded once, and worker after worker comes from the template", async (t) => {
  const { typhon, folder } = await serve(t, "--workers", "3", "--max-requests", "40");
  const [template = 0] = templates(typhon);
  const pids = new Set<number>();
  await Promise.all(
    Array.from({ length: 4 }, async () => {
      while (pids.size < 8) {
        const { pid, parent } = await ask(typhon);
        assert.equal(parent, template);
        pids.add(pid);
      }
    }),
  );
  assert.deepEqual(loads(folder), [template]);
});

test("a reload loads the new code in a new template, and no request fails", async (t) => {
  const { typhon, folder } = await serve(t, "--workers", "2");
  const [old = 0] = templates(typhon);
  const stop = new AbortController();
  const asking = [askAlways(typhon, stop.signal), askAlways(typhon, stop.signal)];
  write(folder, "new");
  typhon.signal("SIGHUP");
  await typhon.output.waitFor(/new code serves/);
  assert.equal((await ask(typhon)).word, "new");
  await until("the old template has ended", () => !templates(typhon).includes(old));
  stop.abort();
  for (const count of await Promise.all(asking)) assert(count > 0);
  const [, anew = 0] = loads(folder);
  assert.deepEqual(loads(folder), [old, anew]);
  assert.deepEqual(templates(typhon), [anew]);
});

test("new code that does not load changes nothing, and its template ends", async (t) => {
  const { typhon, folder } = await serve(t, "--workers", "2");
  const [old = 0] = templates(typhon);
  write(folder, "broken", "raise RuntimeError('no shop today')\n");
  typhon.signal("SIGHUP");
  await typhon.output.waitFor(/RuntimeError: no shop today/);
  await until("its template has ended", () => templates(typhon).length === 1);
  const { word, pid } = await ask(typhon);
  assert.equal(word, "old");
  // Its code is the old template's.
  process.kill(pid, "SIGKILL");
  await until("another worker serves", () => typhon.workers().length > 0);
  assert.equal((await ask(typhon)).parent, old);
  write(folder, "new");
  typhon.signal("SIGHUP");
  await typhon.output.waitFor(/new code serves/);
  assert.equal((await ask(typhon)).word, "new");
});

test("code that does not load ends the start with its traceback", async (t) => {
  const folder = makeScratch(t);
  write(folder, "broken", "raise RuntimeError('no shop today')\n");
  const args = ["shop:app", "--app-dir", folder, "--preload", "--workers", "2"];
  const run = await runTyphon(withDefaults(args));
  assert.equal(run.code, 3);
  assert.match(run.stderr, /importing 'shop' failed\n.*RuntimeError: no shop today/s);
});

test("a template that is killed costs no request; the next worker has a new one", async (t) => {
  const { typhon, folder } = await serve(t, "--workers", "2");
  const [old = 0] = templates(typhon);
  const stop = new AbortController();
  const asking = askAlways(typhon, stop.signal);
  process.kill(old, "SIGKILL");
  await typhon.output.waitFor(
    /ERROR the template ended by signal 9 \(SIGKILL\): killed by hand, or by the kernel because memory ran out; its workers go on/,
  );
  await ask(typhon);
  stop.abort();
  assert((await asking) > 0);
  assert.equal(loads(folder).length, 1);
  const { pid } = await ask(typhon);
  process.kill(pid, "SIGKILL");
  await until("a new template", () => templates(typhon).some((one) => one !== old));
  await until("its worker serves", () => {
    const known = templates(typhon);
    return typhon.processes().some(({ parent }) => known.includes(parent));
  });
});

test("a launcher that is killed costs no request, and its template ends", async (t) => {
  const { typhon, folder } = await serve(t, "--workers", "2");
  const [old = 0] = templates(typhon);
  const stop = new AbortController();
  const asking = askAlways(typhon, stop.signal);
  const launcher = Number(readFileSync(`/proc/${old}/stat`, "utf8").split(") ")[1]?.split(" ")[1]);
  process.kill(launcher, "SIGKILL");
  await typhon.output.waitFor(/the launcher ended and is replaced/);
  await until("workers of a new template serve", async () => {
    const [template = 0, ...more] = templates(typhon);
    return more.length === 0 && template !== old && (await ask(typhon)).parent === template;
  });
  stop.abort();
  assert((await asking) > 0);
  assert.equal(loads(folder).length, 2);
});

test("--start-timeout ends a template that hangs, and tells where it was", async (t) => {
  const folder = makeScratch(t);
  writeFileSync(
    join(folder, "slow.py"),
    "import time\n\n\ndef wait():\n    time.sleep(600)\n\nwait()\n",
  );
  writeFileSync(join(folder, "shop.py"), "import slow\n");
  const args = ["shop:app", "--app-dir", folder, "--workers", "3", "--start-timeout", "1"];
  for (const preload of [[], ["--preload"]]) {
    const run = await runTyphon(withDefaults([...args, ...preload]));
    assert.equal(run.code, 3);
    const stack = `  File "${folder}/shop.py", line 1, in <module>
  File "${folder}/slow.py", line 7, in <module>
  File "${folder}/slow.py", line 5, in wait`;
    assert(
      run.stderr.includes(`did not load within 1 s (--start-timeout); it was here:\n${stack}`),
      run.stderr,
    );
  }
});

test("a reload that is overtaken ends its template", async (t) => {
  const { typhon, folder } = await serve(t, "--workers", "2");
  write(folder, "slow", "import time\ntime.sleep(600)\n");
  typhon.signal("SIGHUP");
  await until("it loads", () => loads(folder).length === 2);
  const [, slow = 0] = loads(folder);
  await typhon.output.waitFor(
    /shop:app is still loading after 5 s: import of shop, at shop\.py:\d+/,
  );
  assert.equal((await ask(typhon)).word, "old");
  process.kill(slow, "SIGKILL");
  await typhon.output.waitFor(/ended by signal 9 before the application was loaded/);
  write(folder, "new");
  typhon.signal("SIGHUP");
  await typhon.output.waitFor(/new code serves/);
  assert.equal((await ask(typhon)).word, "new");
  await until("one template is left", () => templates(typhon).length === 1);
});

test("threads of the load are named once, with what to do", async (t) => {
  const folder = makeScratch(t);
  const more =
    "import threading, time\n" +
    "threading.Thread(target=time.sleep, args=(600,), name='sender', daemon=True).start()\n";
  write(folder, "old", more);
  const args = ["shop:app", "--app-dir", folder, "--preload", "--workers", "3"];
  const typhon = await startTyphon(t, args);
  await typhon.output.waitFor(
    /WARN .*threads run in the template and in no worker: "sender" .*worker_start of typhon_server\.hooks/,
  );
  await until("all run", () => loads(folder).length === 1 && typhon.processes().length >= 5);
  assert.equal(typhon.output.all.split('"sender"').length, 2);
});

test("hooks of workers run in each worker, those of logging before the load", async (t) => {
  const folder = makeScratch(t);
  const logging = `{"version": 1, "root": {"level": "INFO", "handlers": ["out"]},
    "handlers": {"out": {"class": "logging.StreamHandler"}}}`;
  writeFileSync(join(folder, "logging.json"), logging);
  const hooks = `
import logging
from typhon_server import hooks
logging.getLogger("shop").info("loads in %d", os.getpid())
@hooks.worker_start
def begin():
    logging.getLogger("shop").info("begins in %d", os.getpid())
`;
  write(folder, "old", hooks);
  const args = ["shop:app", "--app-dir", folder, "--preload", "--workers", "2"];
  const more = ["--log-config", join(folder, "logging.json")];
  const typhon = await startTyphon(t, [...args, ...more]);
  await until("both workers run", () => typhon.output.all.split("begins in").length === 3);
  const [template = 0] = templates(typhon);
  const pids = (text: RegExp): Set<number> =>
    new Set([...typhon.output.all.matchAll(text)].map(([, pid]) => Number(pid)));
  assert.deepEqual(pids(/loads in (\d+)/g), new Set([template]));
  const workers = typhon.processes().filter(({ parent }) => parent === template);
  assert.deepEqual(pids(/begins in (\d+)/g), new Set(workers.map(({ pid }) => pid)));
});

test("an application that needs a single process has one worker", async (t) => {
  const folder = makeScratch(t);
  const app = "import os\nimport gradio\napp = gradio.App()\n";
  writeFileSync(join(folder, "shop.py"), app);
  const packages = join(folder, "site-packages");
  mkdirSync(join(packages, "gradio"), { recursive: true });
  writeFileSync(
    join(packages, "gradio/__init__.py"),
    "class App:\n    def __call__(self, environ, start_response):\n" +
      "        start_response('200 OK', [])\n        return [str(environ['wsgi.multiprocess']).encode()]\n",
  );
  const options = { env: { PYTHONPATH: packages } };
  const typhon = await startTyphon(t, ["shop:app", "--app-dir", folder, "--preload"], options);
  assert.equal((await getOnce(typhon, "/")).text, "False");
  await typhon.output.waitFor(/by one worker/);
});

test("with --reload a saved file is loaded in a new template", async (t) => {
  const { typhon, folder } = await serve(t, "--reload");
  write(folder, "new");
  await until("the new code serves", async () => (await ask(typhon)).word === "new");
  await until("one template is left", () => templates(typhon).length === 1);
});

describe("frameworks", { concurrency: 2 }, () => {
  test("Django is loaded once, and its pages come from several workers", async (t) => {
    const folder = makeScratch(t);
    const args = ["shelf.wsgi", "--app-dir", join(APPS, "shelf"), "--workers", "2", "--preload"];
    const typhon = await startTyphon(t, args, { env: { SHELF_FOLDER: folder } });
    const client = await RawClient.connect(typhon);
    client.write("GET /admin/login/ HTTP/1.1\r\nHost: localhost\r\n\r\n");
    assert.equal((await client.readResponse()).status, 200);
    client.destroy();
    assert.equal(templates(typhon).length, 1);
  });

  test("FastAPI has its lifespan in each worker", async (t) => {
    const folder = makeScratch(t);
    writeFileSync(
      join(folder, "api.py"),
      `import os
from contextlib import asynccontextmanager
from fastapi import FastAPI
loaded = os.getpid()
@asynccontextmanager
async def lifespan(app):
    app.state.started = os.getpid()
    yield
app = FastAPI(lifespan=lifespan)
@app.get("/")
async def root():
    return [loaded, app.state.started, os.getpid(), os.getppid()]
`,
    );
    const args = ["api:app", "--app-dir", folder, "--workers", "2", "--preload"];
    const typhon = await startTyphon(t, args);
    const told: unknown = JSON.parse((await getOnce(typhon, "/")).text);
    assert(Array.isArray(told));
    const [loaded, started, pid, parent] = told;
    assert.equal(loaded, parent);
    assert.equal(started, pid);
    typhon.signal("SIGHUP");
    await typhon.output.waitFor(/new code serves/);
    assert.equal((await getOnce(typhon, "/")).status, 200);
  });

  for (const green of ["gevent", "eventlet"])
    test(`${green} may replace the standard library's waiting while it loads`, async (t) => {
      const options = { env: { GREEN: green } };
      const typhon = await startTyphon(t, ["green:app", "--workers", "2", "--preload"], options);
      assert.match((await getOnce(typhon, "/")).text, new RegExp(`^${green} \\d+$`));
      assert.equal((await getOnce(typhon, "/thread")).text, "ran");
      typhon.signal("SIGHUP");
      await typhon.output.waitFor(/new code serves/);
      assert.equal((await getOnce(typhon, "/thread")).text, "ran");
    });
});
