// Applications that keep state in their process. The package is a small one of the same name and shape; what
// real packages look like is in python/tests/application/test_single_process.py.

import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";

import { usableCores } from "../../src/config/cores.ts";
import { until } from "../support/deadline.ts";
import { getOnce } from "../support/raw-client.ts";
import { makeScratch, type Scope } from "../support/scratch.ts";
import { startTyphon, Typhon, withDefaults, type TyphonOptions } from "../support/typhon.ts";

const REASON = "gradio: its queue of jobs is in the memory of one process";
const APP = `
import os
from gradio.routes import App
class Site(App):
    def __call__(self, environ, start_response):
        start_response("200 OK", [])
        return [f"{os.getpid()} {environ['wsgi.multiprocess']}".encode()]
app = Site()
`;

function write(scope: Scope): [folder: string, options: TyphonOptions] {
  const folder = makeScratch(scope);
  const packages = join(folder, "site-packages");
  mkdirSync(join(packages, "gradio"), { recursive: true });
  writeFileSync(join(packages, "gradio/__init__.py"), "");
  writeFileSync(join(packages, "gradio/routes.py"), "class App: pass\n");
  writeFileSync(join(folder, "site_app.py"), APP);
  return [folder, { env: { PYTHONPATH: packages } }];
}

test("without --workers it has one worker, and the line of the start says why", async (t) => {
  const [folder, options] = write(t);
  const typhon = await startTyphon(t, ["site_app:app", "--app-dir", folder], options);
  const line =
    /serves site_app:app at \S+ by one worker \((.*); --workers N for more\) {2}.* workers=1 /;
  const [, reason] = await typhon.output.waitFor(line);
  assert.equal(reason, REASON);
  const [worker] = typhon.workers();
  assert.equal((await getOnce(typhon, "/")).text, `${worker?.pid} False`);
  process.kill(worker?.pid ?? 0, "SIGKILL");
  await until("it is replaced", async () => {
    const { text } = await getOnce(typhon, "/");
    return text.endsWith("False") && !text.startsWith(`${worker?.pid} `);
  });
  assert.equal(typhon.workers().length, 1);
});

test("with --workers 2 it has two, and a warning says what that breaks", async (t) => {
  const [folder, options] = write(t);
  const args = ["site_app:app", "--app-dir", folder, "--workers", "2"];
  const typhon = await startTyphon(t, args, options);
  const [, reason] = await typhon.output.waitFor(/WARN {2}(.*); 2 workers serve it, and a client/);
  assert.equal(reason, REASON);
  await until("both run", () => typhon.workers().length === 2);
  assert.doesNotMatch(typhon.output.all, /by one worker/);
});

test("any other application has as many workers as cores: the first one takes, the others follow", async (t) => {
  const typhon = await startTyphon(t, ["factory"]);
  const [workers] = await typhon.output.waitFor(/workers=\d+/);
  assert.equal(workers, `workers=${usableCores()}`);
  await until("all run", () => typhon.workers().length === usableCores());
});

test("an application that locks a file: its second worker's failure advises --workers 1", async (t) => {
  const folder = makeScratch(t);
  const lock = `import fcntl\nfile = open(${JSON.stringify(join(folder, "lock"))}, "w")`;
  const source = `${lock}\nfcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)\ndef app(environ, start_response): ...\n`;
  writeFileSync(join(folder, "locks.py"), source);
  // The start itself fails if the second worker is faster than the READY of the first.
  const args = withDefaults(["locks:app", "--app-dir", folder, "--workers", "2"]);
  const typhon = new Typhon(args, {});
  t.after(() => typhon.kill());
  await typhon.output.waitFor(
    /BlockingIOError: .*\n.*Another worker may hold it: --workers 1 runs/,
  );
});
