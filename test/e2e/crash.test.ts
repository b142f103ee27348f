// A worker that dies: its requests get 502 at once, it is replaced, no other request notices; and whatever
// is killed, each request is answered once and run at most once.

import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { before, beforeEach, describe, test } from "node:test";

import { lapse, until } from "../support/deadline.ts";
import { FILE } from "../support/file-scope.ts";
import { Gate } from "../support/gate.ts";
import { IS_LONG } from "../support/long.ts";
import { checkNeverTwice } from "../support/never-twice.ts";
import { isRunning } from "../support/processes.ts";
import { fieldOf, getOnce, RawClient } from "../support/raw-client.ts";
import { makeScratch } from "../support/scratch.ts";
import { startTyphon, type Typhon } from "../support/typhon.ts";

/** A worker that has answered a request and lived for half a second is a healthy one (src/processes/backoff.ts). */
const HEALTHY_MS = 600;

function launcherOf(typhon: Typhon): number {
  const launcher = typhon.processes().find(({ parent }) => parent === typhon.pid);
  assert(launcher !== undefined);
  return launcher.pid;
}

/**
 * Lets every worker serve for a while. The worker that dies next is then no part of a crash loop, and another
 * takes its place at once, though the tests of a group kill one after the other.
 */
async function serveForAWhile({ typhon }: Gate, workers: number): Promise<void> {
  const group = randomUUID();
  const met = Array.from({ length: workers }, (_, id) =>
    getOnce(typhon, `/meet?group=${group}&n=${workers}&id=${id}`),
  );
  for (const { status } of await Promise.all(met)) assert.equal(status, 200);
  await lapse(HEALTHY_MS);
}

// Each group has a server of its own; the tests of a group follow one another.
describe("a death", { concurrency: 3 }, () => {
  describe("where nothing is run again", { concurrency: 1 }, () => {
    let gate: Gate;

    before(async () => {
      const args = ["--workers", "4", "--threads", "2", "--queue-timeout", "60", "--retry", "off"];
      gate = await Gate.start(FILE, args);
    });

    test("of a worker is 502 for its requests, and only for those", async () => {
      // As many as there are threads: two in each worker.
      const names = ["a", "b", "c", "d", "e", "f", "g", "h"];
      const held = await Promise.all(names.map((name) => gate.hold(name)));
      const victim = held[0]?.pid ?? 0;
      process.kill(victim, "SIGKILL");
      for (const { client, pid } of held) {
        if (pid !== victim) continue;
        const answer = await client.readResponse();
        assert.equal(answer.status, 502);
        assert.notEqual(fieldOf(answer, "x-request-id"), "");
      }
      // The others run still.
      for (const { name, client, pid } of held) {
        gate.release(name);
        if (pid !== victim) assert.equal((await client.readResponse()).status, 200);
        client.destroy();
      }
    });

    test("of many workers, one after the other: thousands of requests are answered once, none is run twice", async (t) => {
      const seed = Date.now() % 1_000_000;
      t.diagnostic(`seed ${seed}`);
      const result = await checkNeverTwice(gate.typhon, gate.folder, {
        requests: IS_LONG ? 20_000 : 4000,
        clients: 16,
        answersPerKill: 700,
        seed,
      });
      t.diagnostic(JSON.stringify(result));
      assert(result.kills >= 4, `only ${result.kills} workers were killed`);
    });
  });

  describe("where there are two workers", { concurrency: 1 }, () => {
    let gate: Gate;

    before(async () => {
      gate = await Gate.start(FILE, ["--workers", "2", "--threads", "1", "--queue-timeout", "60"]);
    });
    beforeEach(() => serveForAWhile(gate, 2));

    test("of one: another takes its place, and the log says so", async () => {
      const earlier = gate.typhon.workers().map(({ pid }) => pid);
      assert.equal(earlier.length, 2);
      const victim = earlier[0] ?? 0;
      process.kill(victim, "SIGKILL");
      await until("two workers again", () => {
        const now = gate.typhon.workers().map(({ pid }) => pid);
        return now.length === 2 && !now.includes(victim);
      });
      await gate.typhon.output.waitFor(new RegExp(`worker \\d+ .*(?:pid=${victim}|signal)`, "i"));
      // Both take part: the new one as well.
      const answers = await Promise.all(
        [0, 1].map((id) => getOnce(gate.typhon, `/meet?group=again&n=2&id=${id}`)),
      );
      assert(answers.every(({ status }) => status === 200));
      assert(!existsSync(join(gate.folder, "runs")));
    });

    test("of all workers: the requests that wait are kept", async () => {
      const held = await Promise.all(["a", "b"].map((name) => gate.hold(name)));
      const clients = await Promise.all(
        Array.from({ length: 10 }, () => RawClient.connect(gate.typhon)),
      );
      for (const [at, client] of clients.entries())
        client.write(`GET /count?${at + 1} HTTP/1.1\r\nHost: a\r\n\r\n`);
      for (const { pid } of held) process.kill(pid, "SIGKILL");
      for (const { client } of held) {
        assert.equal((await client.readResponse()).status, 502);
        client.destroy();
      }
      for (const [at, client] of clients.entries()) {
        assert.equal((await client.readResponse()).text, String(at + 1));
        client.destroy();
      }
    });

    test("of the launcher: no request is lost, and another launcher has two workers", async () => {
      const held = await Promise.all(["c", "d"].map((name) => gate.hold(name)));
      const waiting = await Promise.all([1, 2, 3].map(() => RawClient.connect(gate.typhon)));
      for (const [at, client] of waiting.entries())
        client.write(`GET /count?${at + 1} HTTP/1.1\r\nHost: a\r\n\r\n`);
      const launcher = launcherOf(gate.typhon);
      process.kill(launcher, "SIGKILL");
      for (const client of waiting) {
        assert.equal((await client.readResponse()).status, 200);
        client.destroy();
      }
      for (const { name } of held) gate.release(name);
      for (const { client, pid } of held) {
        assert.equal((await client.readResponse()).status, 200);
        await until("the old worker is gone", () => !isRunning(pid));
        client.destroy();
      }
      await until("another launcher has two workers", () => {
        const workers = gate.typhon.workers();
        return workers.length === 2 && workers.every(({ parent }) => parent !== launcher);
      });
      assert.match((await getOnce(gate.typhon, "/quick")).text, /^quick/);
    });
  });

  describe("of the only worker", { concurrency: 1 }, () => {
    let gate: Gate;

    before(async () => {
      gate = await Gate.start(FILE, ["--workers", "1", "--threads", "3"]);
    });
    beforeEach(() => serveForAWhile(gate, 1));

    test("runs once more what it held beside another request, and says so", async () => {
      const held = await Promise.all(["a", "b"].map((name) => gate.hold(name)));
      // What is not safe is not run twice.
      const post = await gate.hold("c", "/hold", "POST");
      process.kill(post.pid, "SIGKILL");
      assert.equal((await post.client.readResponse("POST")).status, 502);
      for (const { name } of held) gate.release(name);
      for (const { client } of held) {
        const answer = await client.readResponse();
        assert.equal(answer.status, 200);
        assert.notEqual(answer.text.split(" ")[2], String(post.pid));
        await gate.typhon.output.waitFor(
          new RegExp(`runs it once more.*requestId=${fieldOf(answer, "x-request-id")}`),
        );
        client.destroy();
      }
      post.client.destroy();
    });

    test("does not run again what was alone in it", async () => {
      const { client, pid } = await gate.hold("suspect");
      process.kill(pid, "SIGKILL");
      assert.equal((await client.readResponse()).status, 502);
      client.destroy();
    });

    test("runs a request at most twice, whatever happens to its workers", async () => {
      const held = await Promise.all(["d", "e"].map((name) => gate.hold(name)));
      const first = held[0]?.pid ?? 0;
      process.kill(first, "SIGKILL");
      await until("both run again", async () => {
        const pids = await Promise.all(["d", "e"].map((name) => gate.pidOf(name)));
        return pids.every((pid) => pid !== first);
      });
      process.kill(await gate.pidOf("d"), "SIGKILL");
      for (const { client } of held) {
        assert.equal((await client.readResponse()).status, 502);
        client.destroy();
      }
    });

    test("cuts an answer half way, and never ends it as if it were whole", async () => {
      const client = await RawClient.connect(gate.typhon);
      client.write("GET /steps?name=s&n=3 HTTP/1.1\r\nHost: a\r\n\r\n");
      assert.equal((await client.readHead()).status, 200);
      assert.equal(String(await client.readChunk()), "step 1\n");
      for (const { pid } of gate.typhon.workers()) process.kill(pid, "SIGKILL");
      const rest = await client.readUntilCut();
      assert.equal(rest.toString(), "");
      assert.match((await getOnce(gate.typhon, "/quick")).text, /^quick/);
      client.destroy();
    });
  });

  test("by the application's own doing: the worker is replaced, and its last words are told", async (t) => {
    const typhon = await startTyphon(t, ["faults:app", "--workers", "1"]);
    assert.equal((await getOnce(typhon, "/kill-worker")).status, 502);
    assert.equal((await getOnce(typhon, "/fine")).text, "fine");
    assert.equal((await getOnce(typhon, "/segfault")).status, 502);
    await typhon.output.waitFor(/worker \d+ ended by signal 11 \(SIGSEGV\).*lost=1.*about to fall/);
  });

  test("again and again is answered with 503, and starts never spin", async (t) => {
    const folder = makeScratch(t);
    writeFileSync(
      join(folder, "brittle.py"),
      [
        "import os, threading, pathlib",
        "starts = pathlib.Path(__file__).with_name('starts')",
        "starts.open('a').write('x')",
        "if starts.stat().st_size > 1: os._exit(9)",
        "def app(environ, start_response):",
        "    os._exit(9)",
      ].join("\n"),
    );
    const typhon = await startTyphon(t, ["brittle:app", "--app-dir", folder, "--workers", "1"]);
    assert.equal((await getOnce(typhon, "/")).status, 502);
    const answer = await until("it is put off", async () => {
      const next = await getOnce(typhon, "/");
      return next.status === 503 && next.text.includes("NO_WORKERS") ? next : null;
    });
    assert.notEqual(fieldOf(answer, "retry-after"), "");
    await typhon.output.waitFor(/ended with exit code 9; .* the next one starts in \d+\.\d s/);
    const starts = (): number => readFileSync(join(folder, "starts"), "utf8").length;
    assert(starts() < 12, `${starts()} starts`);
  });

  test("of the server ends everything that it has started, and its port is free at once", async (t) => {
    const gate = await Gate.start({ after: () => {} }, ["--workers", "2"]);
    const { typhon } = gate;
    t.after(() => typhon.kill());
    // One of them never lets go of the interpreter's lock.
    const { client } = await gate.hold("deaf", "/deaf");
    typhon.signal("SIGKILL");
    await typhon.exited;
    await typhon.leavesNothing();
    client.destroy();
    const again = await Gate.start(t, ["--workers", "1", "--bind", `127.0.0.1:${typhon.port}`]);
    assert.match((await getOnce(again.typhon, "/quick")).text, /^quick/);
  });
});
