// A worker that dies: its requests get 502 at once, it is replaced, nobody else notices; and whatever
// is killed, each request is answered once and run at most once.

import assert from "node:assert/strict";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test, type TestContext } from "node:test";

import { until } from "../support/deadline.ts";
import { checkNeverTwice } from "../support/never-twice.ts";
import { isRunning } from "../support/processes.ts";
import { fieldOf, getOnce, RawClient } from "../support/raw-client.ts";
import { makeScratch } from "../support/scratch.ts";
import { startTyphon, type Typhon } from "../support/typhon.ts";
import { isWritten } from "../support/notes.ts";

async function startGate(context: TestContext, ...args: string[]): Promise<[Typhon, string]> {
  const folder = makeScratch(context);
  const options = { env: { GATE_DIR: folder } };
  return [await startTyphon(context, ["gate:app", ...args], options), folder];
}

async function hold(typhon: Typhon, folder: string, name: string): Promise<[RawClient, number]> {
  const client = await RawClient.connect(typhon);
  client.write(`GET /hold?name=${name} HTTP/1.1\r\nHost: a\r\n\r\n`);
  const note = join(folder, `${name}.running`);
  await until(`${name} runs`, () => isWritten(note));
  return [client, Number(readFileSync(note, "utf8"))];
}

test("answers 502 for the requests of a killed worker, and only for those", async (t) => {
  const [typhon, folder] = await startGate(t, "--workers", "2", "--threads", "2", "--retry", "off");
  const held = await Promise.all(["a", "b", "c", "d"].map((name) => hold(typhon, folder, name)));
  const victim = held[0]?.[1] ?? 0;
  process.kill(victim, "SIGKILL");
  for (const name of ["a", "b", "c", "d"]) {
    if (name === "b") await until("the victim is gone", () => !isRunning(victim));
    writeFileSync(join(folder, `${name}.go`), "");
  }
  for (const [client, pid] of held) {
    const answer = await client.readResponse();
    if (pid === victim) {
      assert.equal(answer.status, 502);
      assert.notEqual(fieldOf(answer, "x-request-id"), "");
    } else assert.equal(answer.status, 200);
    client.destroy();
  }
});

test("replaces a killed worker and says so", async (t) => {
  const [typhon, folder] = await startGate(t, "--workers", "2", "--threads", "1");
  const before = typhon.workers().map(({ pid }) => pid);
  assert.equal(before.length, 2);
  const victim = before[0] ?? 0;
  process.kill(victim, "SIGKILL");
  await until("two workers again", () => {
    const now = typhon.workers().map(({ pid }) => pid);
    return now.length === 2 && !now.includes(victim);
  });
  await typhon.output.waitFor(new RegExp(`worker \\d+ .*(?:pid=${victim}|signal)`, "i"));
  // Both take part: the new one as well.
  const answers = await Promise.all(
    [0, 1].map((id) => getOnce(typhon, `/meet?group=again&n=2&id=${id}`)),
  );
  assert(answers.every(({ status }) => status === 200));
  assert(!existsSync(join(folder, "runs")));
});

test("cuts an answer whose worker dies half way, and never ends it as if it were whole", async (t) => {
  const [typhon] = await startGate(t, "--workers", "1");
  const client = await RawClient.connect(typhon);
  client.write("GET /steps?name=s&n=3 HTTP/1.1\r\nHost: a\r\n\r\n");
  assert.equal((await client.readHead()).status, 200);
  assert.equal(String(await client.readChunk()), "step 1\n");
  for (const { pid } of typhon.workers()) process.kill(pid, "SIGKILL");
  const rest = await client.readUntilCut();
  assert.equal(rest.toString(), "");
  assert.match((await getOnce(typhon, "/quick")).text, /^quick/);
  client.destroy();
});

test("keeps the requests that wait when every worker is killed", async (t) => {
  const [typhon, folder] = await startGate(
    t,
    "--workers",
    "2",
    "--threads",
    "1",
    "--queue-timeout",
    "60",
  );
  const held = await Promise.all(["a", "b"].map((name) => hold(typhon, folder, name)));
  const clients = await Promise.all(Array.from({ length: 10 }, () => RawClient.connect(typhon)));
  for (const [at, client] of clients.entries())
    client.write(`GET /count?${at + 1} HTTP/1.1\r\nHost: a\r\n\r\n`);
  for (const [, pid] of held) process.kill(pid, "SIGKILL");
  for (const [client] of held) {
    assert.equal((await client.readResponse()).status, 502);
    client.destroy();
  }
  for (const [at, client] of clients.entries()) {
    assert.equal((await client.readResponse()).text, String(at + 1));
    client.destroy();
  }
});

test("an application that ends its process by itself is replaced as well", async (t) => {
  const typhon = await startTyphon(t, ["faults:app", "--workers", "1"]);
  assert.equal((await getOnce(typhon, "/kill-worker")).status, 502);
  assert.equal((await getOnce(typhon, "/fine")).text, "fine");
});

test("runs once more what a killed worker held beside another request, and says so", async (t) => {
  const [typhon, folder] = await startGate(t, "--workers", "1", "--threads", "3");
  const held = await Promise.all(["a", "b"].map((name) => hold(typhon, folder, name)));
  // What is not safe is not run twice.
  const post = await RawClient.connect(typhon);
  post.write("POST /hold?name=c HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n");
  await until("c runs", () => existsSync(join(folder, "c.running")));
  const victim = held[0]?.[1] ?? 0;
  process.kill(victim, "SIGKILL");
  assert.equal((await post.readResponse("POST")).status, 502);
  for (const name of ["a", "b"]) writeFileSync(join(folder, `${name}.go`), "");
  for (const [client] of held) {
    const answer = await client.readResponse();
    assert.equal(answer.status, 200);
    assert.notEqual(answer.text.split(" ")[2], String(victim));
    await typhon.output.waitFor(
      new RegExp(`runs it once more.*requestId=${fieldOf(answer, "x-request-id")}`),
    );
    client.destroy();
  }
  post.destroy();
});

test("does not run again what was alone with a killed worker", async (t) => {
  const [typhon, folder] = await startGate(t, "--workers", "1");
  const [client, victim] = await hold(typhon, folder, "suspect");
  process.kill(victim, "SIGKILL");
  assert.equal((await client.readResponse()).status, 502);
  client.destroy();
});

test("runs a request at most twice, whatever happens to its workers", async (t) => {
  const [typhon, folder] = await startGate(t, "--workers", "1", "--threads", "2");
  const held = await Promise.all(["a", "b"].map((name) => hold(typhon, folder, name)));
  const [first] = typhon.workers();
  process.kill(first?.pid ?? 0, "SIGKILL");
  const isSecond = (name: string): boolean =>
    readFileSync(join(folder, `${name}.running`), "utf8") !== String(first?.pid);
  await until("both run again", () => isSecond("a") && isSecond("b"));
  process.kill(Number(readFileSync(join(folder, "a.running"), "utf8")), "SIGKILL");
  for (const [client] of held) {
    assert.equal((await client.readResponse()).status, 502);
    client.destroy();
  }
});

test("tells with the end of a worker what it said last", async (t) => {
  const typhon = await startTyphon(t, ["faults:app", "--workers", "1"]);
  assert.equal((await getOnce(typhon, "/segfault")).status, 502);
  await typhon.output.waitFor(
    /worker \d+ ended by signal 11 \(SIGSEGV\).*lost=1.*lastWords=.*about to fall/,
  );
});

test("a crash loop is answered with 503 and never spins", async (t) => {
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

test("no request is lost when the launcher is killed, and its workers are relieved", async (t) => {
  const [typhon, folder] = await startGate(t, "--workers", "2", "--threads", "1");
  const held = await Promise.all(["a", "b"].map((name) => hold(typhon, folder, name)));
  const waiting = await Promise.all([1, 2, 3].map(() => RawClient.connect(typhon)));
  for (const [at, client] of waiting.entries())
    client.write(`GET /count?${at + 1} HTTP/1.1\r\nHost: a\r\n\r\n`);
  const launcher = typhon.processes().find(({ parent }) => parent === typhon.pid);
  assert(launcher !== undefined);
  process.kill(launcher.pid, "SIGKILL");
  for (const client of waiting) {
    assert.equal((await client.readResponse()).status, 200);
    client.destroy();
  }
  for (const name of ["a", "b"]) writeFileSync(join(folder, `${name}.go`), "");
  for (const [client, pid] of held) {
    assert.equal((await client.readResponse()).status, 200);
    await until("the old worker is gone", () => !isRunning(pid));
    client.destroy();
  }
});

test("a launcher that is killed is replaced with its workers", async (t) => {
  const [typhon] = await startGate(t, "--workers", "2");
  const launcher = typhon.processes().find(({ parent }) => parent === typhon.pid);
  assert(launcher !== undefined);
  process.kill(launcher.pid, "SIGKILL");
  await until("another launcher has two workers", () => {
    const workers = typhon.workers();
    return workers.length === 2 && workers.every(({ parent }) => parent !== launcher.pid);
  });
  assert.match((await getOnce(typhon, "/quick")).text, /^quick/);
});

test("the server's own death ends everything that it has started", async (t) => {
  const folder = makeScratch(t);
  const typhon = await startTyphon({ after: () => {} }, ["gate:app", "--workers", "2"], {
    env: { GATE_DIR: folder },
  });
  t.after(() => typhon.kill());
  const client = await RawClient.connect(typhon);
  // One of them never lets go of the interpreter's lock.
  client.write("GET /deaf?name=deaf HTTP/1.1\r\nHost: a\r\n\r\n");
  await until("the deaf one runs", () => existsSync(join(folder, "deaf.running")));
  typhon.signal("SIGKILL");
  await typhon.exited;
  await typhon.leavesNothing();
  client.destroy();
});

test("answers thousands of requests once, and runs none twice, while workers are killed", async (t) => {
  const [typhon, folder] = await startGate(
    t,
    "--workers",
    "4",
    "--threads",
    "2",
    "--queue-timeout",
    "60",
    "--retry",
    "off",
  );
  const seed = Date.now() % 1_000_000;
  t.diagnostic(`seed ${seed}`);
  const result = await checkNeverTwice(typhon, folder, {
    requests: 12_000,
    clients: 16,
    answersPerKill: 1500,
    seed,
  });
  t.diagnostic(JSON.stringify(result));
  assert(result.kills >= 4, `only ${result.kills} workers were killed`);
});
