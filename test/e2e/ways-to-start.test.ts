// Starts that succeed: every way to name an application, an address, an interpreter and an option, the
// default address, and `npm start`.

import assert from "node:assert/strict";
import { chmodSync, cpSync, mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { describe, test } from "node:test";

import { Browser } from "../support/browser.ts";
import { getOnce, RawClient } from "../support/raw-client.ts";
import { APPS, CHECKOUT, COMMAND, makeScratch } from "../support/scratch.ts";
import { runTyphon, startTyphon, withDefaults } from "../support/typhon.ts";

/** Why an address cannot be listened on, or null if it can. */
async function whyNot(host: string, port: number): Promise<string | null> {
  const server = createServer();
  const { promise, resolve } = Promise.withResolvers<string | null>();
  server.once("error", (error) => resolve("code" in error ? String(error.code) : error.message));
  server.listen(port, host, () => server.close(() => resolve(null)));
  return await promise;
}

// Each has a server of its own; the first waits for seconds, beside the others.
describe("a start", { concurrency: 2 }, () => {
  test("npm start serves the example: its pages, its form, its stream", async (t) => {
    const script = join(CHECKOUT, "tools/start.sh");
    const options = { command: "sh", defaults: false };
    const typhon = await startTyphon(t, [script, "--bind", "127.0.0.1:0"], options);
    const browser = new Browser(typhon.url);
    const home = await browser.get("/");
    assert.equal(home.status, 200);
    assert.match(home.html, new RegExp(`<td>${home.headers.get("x-request-id")}</td>`));
    const posted = await browser.post("/form", { words: "<b>grüß</b>" });
    assert.match(posted.html, /&lt;b&gt;grüß&lt;\/b&gt;/);
    const streamed = await browser.get("/stream");
    assert.match(streamed.html, /That was all/);
    assert.equal((await browser.get("/nowhere")).status, 404);
    await typhon.output.waitFor(/"GET \/nowhere HTTP\/1\.1" 404/);
  });

  // Every form of an application's name is in python/tests (the importer) and test/config/load.test.ts.
  for (const app of ["factory:site.serve", "factory.py:site.serve"]) {
    test(`serves ${app}`, async (t) => {
      const typhon = await startTyphon(t, [app, "--workers", "1"]);
      assert.equal((await getOnce(typhon, "/")).text, "deep");
    });
  }

  test("serves path/to/file.py from another folder", async (t) => {
    const folder = makeScratch(t);
    const typhon = await startTyphon(t, [join(APPS, "factory.py"), "--workers", "1"], {
      cwd: folder,
    });
    assert.equal((await getOnce(typhon, "/")).text, "application");
  });

  test("serves the module of the folder it was started in", async (t) => {
    const folder = makeScratch(t);
    cpSync(join(APPS, "factory.py"), join(folder, "wsgi.py"));
    const typhon = await startTyphon(t, ["wsgi", "--app-dir", "."], { cwd: folder });
    assert.equal((await getOnce(typhon, "/")).text, "application");
  });

  test("a module named like one of the standard library or of ours is the application's", async (t) => {
    const folder = makeScratch(t);
    for (const name of ["queue", "signal", "wire", "launcher"])
      cpSync(join(APPS, "factory.py"), join(folder, `${name}.py`));
    const typhon = await startTyphon(t, [
      "wire:create_app()",
      "--app-dir",
      folder,
      "--workers",
      "1",
    ]);
    assert.equal((await getOnce(typhon, "/")).text, "made");
  });

  test("listens on a Unix socket, and takes the place of one that nobody listens on", async (t) => {
    const folder = makeScratch(t);
    const path = join(folder, "web.sock");
    const args = ["factory", "--workers", "1", "--bind", `unix:${path}`, "--bind", "127.0.0.1:0"];
    const first = await startTyphon(t, args);
    const client = await RawClient.connect({ path });
    assert.equal((await client.get("/")).text, "application");
    client.destroy();
    const second = await runTyphon(withDefaults(args));
    assert.equal(second.code, 2);
    assert.match(second.stderr, /web\.sock.*(?:in use|listens)/);
    // Killed, it leaves its socket behind.
    first.signal("SIGKILL");
    await first.exited;
    await first.leavesNothing();
    await startTyphon(t, args);
    const again = await RawClient.connect({ path });
    assert.equal((await again.get("/")).text, "application");
    again.destroy();
  });

  test("listens on several addresses, IPv6 too", async (t) => {
    const typhon = await startTyphon(t, [
      "factory",
      "--workers",
      "1",
      "--bind",
      "127.0.0.1:0",
      "--bind",
      "[::1]:0",
    ]);
    const [, port] = await typhon.output.waitFor(/http:\/\/\[::1\]:(\d+)/);
    assert.equal((await getOnce({ host: "::1", port: Number(port) }, "/")).text, "application");
    assert.equal((await getOnce(typhon, "/")).text, "application");
  });

  test("takes 0.0.0.0:$PORT from a platform, and no other address", async (t) => {
    const args = ["factory", "--workers", "1", "--app-dir", APPS];
    const typhon = await startTyphon(t, args, { defaults: false, env: { PORT: "0" } });
    assert.match(typhon.output.all, /http:\/\/0\.0\.0\.0:\d+/);
    assert.equal((await getOnce(typhon, "/")).text, "application");
  });

  test("takes every option from the environment as well", async (t) => {
    const typhon = await startTyphon(t, [], {
      env: { TYPHON_APP: "factory:create_app()", TYPHON_WORKERS: "1", TYPHON_THREADS: "2" },
    });
    assert.equal((await getOnce(typhon, "/")).text, "made");
    assert.equal(typhon.workers().length, 1);
  });

  test("tells address, interface, Python, workers and the time taken when it has started", async (t) => {
    const typhon = await startTyphon(t, ["factory", "--workers", "2"]);
    const [line = ""] = typhon.output.linesWith(/http:\/\/127\.0\.0\.1:\d+/);
    assert.match(line, /wsgi/i);
    assert.match(line, /3\.\d+\.\d+/);
    assert.match(line, /workers\D{0,3}2|2 workers/);
    assert.match(line, /\d+ ?ms|\d+\.\d+ ?s|startMs=\d+/);
  });

  test("runs through a symbolic link, from another folder", async (t) => {
    const folder = makeScratch(t);
    mkdirSync(join(folder, "bin"));
    const link = join(folder, "bin", "typhon");
    symlinkSync(COMMAND, join(folder, "middle"));
    symlinkSync("../middle", link);
    const typhon = await startTyphon(t, ["factory"], { command: link, cwd: folder });
    assert.equal((await getOnce(typhon, "/")).text, "application");
  });

  test("finds the virtual environment beside the application", async (t) => {
    const folder = makeScratch(t);
    const bin = join(folder, ".venv", "bin");
    mkdirSync(bin, { recursive: true });
    // Says by a variable that it was this one.
    const script = `#!/bin/sh\nFROM_VENV=beside exec python3 "$@"\n`;
    writeFileSync(join(bin, "python"), script);
    chmodSync(join(bin, "python"), 0o755);
    writeFileSync(
      join(folder, "which.py"),
      "import os\ndef app(environ, start_response):\n" +
        '    start_response("200 OK", [])\n    return [os.environ["FROM_VENV"].encode()]\n',
    );
    const typhon = await startTyphon(
      t,
      ["which:app", "--app-dir", folder, "--workers", "1", "--bind", "127.0.0.1:0"],
      { defaults: false },
    );
    assert.equal((await getOnce(typhon, "/")).text, "beside");
  });

  test("without an address: port 80 where it may be bound, else 8000 of this machine, never another", async (t) => {
    const first = await whyNot("0.0.0.0", 80);
    const second = first === "EACCES" ? await whyNot("127.0.0.1", 8000) : first;
    const args = ["factory", "--workers", "1", "--app-dir", APPS];
    if (second !== null) {
      const run = await runTyphon(args);
      assert.equal(run.code, 2);
      assert.match(
        run.stderr,
        first === "EACCES" ? /127\.0\.0\.1:8000.*in use/ : /0\.0\.0\.0:80.*in use/,
      );
      return;
    }
    const typhon = await startTyphon(t, args, { defaults: false });
    assert.equal((await getOnce(typhon, "/")).text, "application");
    if (first === null) {
      assert.equal(typhon.url, "http://0.0.0.0:80");
      return;
    }
    assert.equal(typhon.url, "http://127.0.0.1:8000");
    // Says that it is this machine only, and how to get port 80.
    const [notice = ""] = typhon.output.linesWith(/port 80/);
    assert.match(notice, /this machine/);
    assert.match(notice, /CAP_NET_BIND_SERVICE/i);
  });
});
