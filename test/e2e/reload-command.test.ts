// `typhon reload`: new code takes over without a lost request, code that does not load changes nothing,
// and the command tells which of the two it was.

import assert from "node:assert/strict";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { before, describe, test } from "node:test";

import { ChangingApp } from "../supervisor/changing-app.ts";
import { until, within } from "../support/deadline.ts";
import { FILE } from "../support/file-scope.ts";
import { getOnce, RawClient } from "../support/raw-client.ts";
import { makeScratch, type Scope } from "../support/scratch.ts";
import { runTyphon, startTyphon, withDefaults, type Run, type Typhon } from "../support/typhon.ts";

interface Served {
  readonly app: ChangingApp;
  readonly typhon: Typhon;
  readonly pidFile: string;
}

async function serve(scope: Scope, ...args: string[]): Promise<Served> {
  const app = new ChangingApp(scope);
  app.answer("first");
  const pidFile = join(makeScratch(scope), "pid");
  const typhon = await startTyphon(scope, [...app.args, "--pid", pidFile, ...args]);
  return { app, typhon, pidFile };
}

async function refusal(run: Promise<Run>): Promise<string> {
  const { code, stdout, stderr } = await run;
  assert.equal(code, 2, stderr);
  assert.equal(stdout, "");
  assert.match(stderr, /^typhon: [^\n]+\n$/, "one line");
  return stderr;
}

describe("one server, from reload to reload", () => {
  let app: ChangingApp;
  let typhon: Typhon;
  let pidFile: string;

  before(async () => {
    ({ app, typhon, pidFile } = await serve(FILE, "--workers", "2"));
  });

  test("new code serves, and the command says after how long", async () => {
    for (const text of ["second", "third"]) {
      app.answer(text);
      const run = await runTyphon(["reload", "--pid", pidFile]);
      assert.deepEqual([run.code, run.stderr], [0, ""]);
      assert.match(run.stdout, /^reloaded in \d+ ms\n$/);
      assert.equal((await getOnce(typhon, "/")).text, text);
    }
  });

  test("new code of the same size and second as the old is seen", async () => {
    for (const text of ["newer", "third", "forth"]) {
      app.answer(text);
      assert.equal((await runTyphon(["reload", "--pid", pidFile])).code, 0);
      assert.equal((await getOnce(typhon, "/")).text, text);
    }
  });

  test("code that does not load: exit 3, its traceback, and the old code goes on", async () => {
    app.answer("broken", "raise ValueError('DATABASE_URL is missing')");
    const run = await runTyphon(["reload", "--pid", pidFile]);
    assert.equal(run.code, 3, run.stderr);
    assert.equal(run.stdout, "");
    assert.match(run.stderr, /^typhon: .*Traceback \(most recent call last\)/s);
    assert.match(run.stderr, /changing\.py", line \d+, in <module>/);
    assert.match(run.stderr, /ValueError: DATABASE_URL is missing/);
    assert.doesNotMatch(run.stderr, /\.[jt]s:\d+|typhon_worker/, "a stack of ours");
    assert.equal((await getOnce(typhon, "/")).text, "forth");
    await typhon.output.waitFor(/does not load\n(?: {4}\|.*\n)*.*DATABASE_URL/);
    app.answer("third");
    assert.equal((await runTyphon(["reload", "--pid", pidFile])).code, 0);
    assert.equal((await getOnce(typhon, "/")).text, "third");
  });

  test("requests under way finish with the code that they began with, and none is lost", async () => {
    const held = await RawClient.connect(typhon);
    held.write("GET /hold HTTP/1.1\r\nHost: a\r\n\r\n");
    await until("it runs", () => app.waitsFor("hold"));
    const over = new AbortController();
    const seen = new Set<string>();
    const clients = [1, 2, 3, 4].map(async () => {
      const client = await RawClient.connect(typhon);
      for (let count = 1; !over.signal.aborted; count += 1) {
        const answer = await client.get(`/?${count}`);
        assert.equal(answer.status, 200);
        seen.add(answer.text);
      }
      client.destroy();
    });
    for (const text of ["second", "third", "fourth"]) {
      app.answer(text);
      const run = await runTyphon(["reload", "--pid", pidFile]);
      assert.equal(run.code, 0, run.stderr);
      await until(`${text} is seen`, () => seen.has(text));
    }
    over.abort();
    await Promise.all(clients);
    app.go("hold");
    assert.equal((await held.readResponse()).text, "third");
    held.destroy();
  });

  test("the PID file may come from TYPHON_PID, and the word behind its flag", async () => {
    app.answer("second");
    const run = await runTyphon(["reload"], { env: { TYPHON_PID: pidFile } });
    assert.deepEqual([run.code, run.stderr], [0, ""]);
    assert.equal((await getOnce(typhon, "/")).text, "second");
    assert.equal((await runTyphon(["--pid", pidFile, "reload"])).code, 0);
  });

  test("two at once both wait for code that was read after they asked", async () => {
    app.answer("waiting", "wait_for('load')");
    const first = runTyphon(["reload", "--pid", pidFile]);
    await until("it is loading", () => app.waitsFor("load"));
    app.answer("third");
    const second = runTyphon(["reload", "--pid", pidFile]);
    app.go("load");
    for (const run of await Promise.all([first, second])) assert.equal(run.code, 0, run.stderr);
    assert.equal((await getOnce(typhon, "/")).text, "third");
  });
});

test("a server that ends meanwhile: exit 2", async (t) => {
  const { app, typhon, pidFile } = await serve(t);
  app.answer("second", "wait_for('load')");
  const run = runTyphon(["reload", "--pid", pidFile]);
  await until("it is loading", () => app.waitsFor("load"));
  typhon.signal("SIGTERM");
  assert.match(await refusal(run), /the server ends/);
  assert.deepEqual(await within(20_000, typhon.exited, "the server ends"), {
    code: 0,
    signal: null,
  });
});

test("no server: exit 2, and why", async (t) => {
  const folder = makeScratch(t);
  const gone = join(folder, "gone");
  assert.match(await refusal(runTyphon(["reload", "--pid", gone])), /'.*\/gone' is not there/);
  assert.match(await refusal(runTyphon(["reload"])), /typhon reload --pid FILE/);
  writeFileSync(join(folder, "alone"), "1\n");
  const alone = await refusal(runTyphon(["reload", "--pid", join(folder, "alone")]));
  assert.match(alone, /alone\.sock/);
});

test("a server that was killed: exit 2", async (t) => {
  const { typhon, pidFile } = await serve(t);
  typhon.signal("SIGKILL");
  await typhon.exited;
  await typhon.leavesNothing();
  assert.match(await refusal(runTyphon(["reload", "--pid", pidFile])), /has ended/);
});

test("takes no application and no other option: exit 2", async () => {
  const extra = await refusal(runTyphon(["reload", "app:app", "--pid", "x"]));
  assert.match(extra, /takes --pid FILE or --config FILE and nothing else, not 'app:app'/);
  const option = await refusal(runTyphon(["reload", "--pid", "x", "--workers", "2"]));
  assert.match(option, /not '--workers'/);
});

test("--help tells how to use it, of the command and of the server", async () => {
  const run = await runTyphon(["reload", "--help"]);
  assert.deepEqual([run.code, run.stderr], [0, ""]);
  assert.match(run.stdout, /^Usage: typhon reload --pid FILE\n/);
  for (const line of run.stdout.split("\n")) assert(line.length <= 80, line);
  assert.match((await runTyphon(["--help"])).stdout, /typhon reload --pid FILE/);
});

test("an application in a module of that name is served by reload:app", async (t) => {
  const app = new ChangingApp(t, "reload");
  app.answer("the module");
  const args = ["reload:app", "--app-dir", app.folder, "--workers", "1"];
  const typhon = await startTyphon(t, withDefaults(args));
  assert.equal((await getOnce(typhon, "/")).text, "the module");
});

test("prints no control character of a reply, whoever sends it", async (t) => {
  const pidFile = join(makeScratch(t), "pid");
  const server = createServer((socket) => {
    socket.on("error", () => undefined);
    socket.once("data", (line) => {
      const isPing = String(line).includes("ping");
      const reply = isPing
        ? { ok: true, pid: 1, ms: 0 }
        : { ok: false, text: "a\n\u001b[2J\u009b\u202eb" };
      socket.end(`${JSON.stringify(reply)}\n`);
    });
  });
  await once(server.listen(`${pidFile}.sock`), "listening");
  t.after(() => void server.close());
  const { code, stderr } = await runTyphon(["reload", "--pid", pidFile]);
  assert.deepEqual([code, stderr], [3, String.raw`typhon: a${"\n"}\x1b[2J\x9b\u{202e}b${"\n"}`]);
});
