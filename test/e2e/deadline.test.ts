// A request past its deadline: 504 for its client, the Python stacks in the log, the worker freed, and
// nobody else touched. Time in the queue and a client that reads slowly do not count.

import assert from "node:assert/strict";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test, type TestContext } from "node:test";

import { lapse, until } from "../support/deadline.ts";
import { isRunning } from "../support/processes.ts";
import { fieldOf, getOnce, RawClient } from "../support/raw-client.ts";
import { makeScratch } from "../support/scratch.ts";
import { startTyphon, type Typhon } from "../support/typhon.ts";
import { isWritten } from "../support/notes.ts";

async function startGate(context: TestContext, ...args: string[]): Promise<[Typhon, string]> {
  const folder = makeScratch(context);
  const options = { env: { GATE_DIR: folder, GATE_PATIENCE: "60" } };
  return [await startTyphon(context, ["gate:app", ...args], options), folder];
}

async function pidOf(folder: string, name: string): Promise<number> {
  const note = join(folder, `${name}.running`);
  await until(`${name} runs`, () => isWritten(note));
  return Number(readFileSync(note, "utf8"));
}

const ALONE = ["--workers", "1", "--threads", "2", "--timeout", "0.5"];

for (const [route, what, line] of [
  ["hold", "sleeps in short steps", /gate\.py.*\n?.*(?:wait_for|hold)/],
  ["deaf", "computes in Python without end", /gate\.py.*\n?.*deaf/],
] as const)
  test(`interrupts a request that ${what}, and its worker goes on`, async (t) => {
    const [typhon, folder] = await startGate(t, ...ALONE);
    const client = await RawClient.connect(typhon);
    const answer = await client.get(`/${route}?name=late`);
    assert.equal(answer.status, 504);
    const id = fieldOf(answer, "x-request-id");
    await typhon.output.waitFor(
      new RegExp(`${id}[^]*method=GET path=/${route}|path=/${route}[^]*${id}`),
    );
    await typhon.output.waitFor(line);
    const late = await pidOf(folder, "late");
    // Both threads are free again.
    const answers = await Promise.all(
      [0, 1].map((at) => getOnce(typhon, `/meet?group=free&n=2&id=${at}`)),
    );
    for (const { status, text } of answers) assert.deepEqual([status, text], [200, String(late)]);
    client.destroy();
  });

for (const [route, what, line] of [
  ["asleep", "sleeps in one call", /gate\.py.*\n?.*asleep/],
  ["backtrack", "holds the interpreter's lock", /gate\.py.*backtrack/],
  ["locked", "waits for a lock", /gate\.py.*\n?.*locked/],
] as const)
  test(`replaces a worker whose request ${what}, and tells where it was`, async (t) => {
    const [typhon, folder] = await startGate(t, ...ALONE);
    const client = await RawClient.connect(typhon);
    assert.equal((await client.get(`/${route}?name=late`)).status, 504);
    const late = await pidOf(folder, "late");
    await typhon.output.waitFor(line);
    await until("the late worker is gone", () => !isRunning(late));
    assert.match((await getOnce(typhon, "/quick")).text, /^quick/);
    const reports = typhon.output.all.split("a request ran").length - 1;
    assert.equal(reports, 1, typhon.output.all);
    client.destroy();
  });

test("lets the other requests of a late worker finish", async (t) => {
  const [typhon, folder] = await startGate(
    t,
    "--workers",
    "1",
    "--threads",
    "2",
    "--timeout",
    "0.5",
    "--timeout",
    "/hold=60",
  );
  const other = await RawClient.connect(typhon);
  other.write("GET /hold?name=other HTTP/1.1\r\nHost: a\r\n\r\n");
  const pid = await pidOf(folder, "other");
  assert.equal((await getOnce(typhon, "/asleep?name=late")).status, 504);
  // Another worker serves by now: the late one takes no more.
  await until(
    "another worker",
    async () => (await getOnce(typhon, "/quick")).text !== `quick ${pid}`,
  );
  assert(isRunning(pid));
  writeFileSync(join(folder, "other.go"), "");
  assert.equal((await other.readResponse()).text, `held other ${pid}`);
  await until("the late worker is gone", () => !isRunning(pid));
  other.destroy();
});

test("gives a path and all below it a time of its own", async (t) => {
  const [typhon, folder] = await startGate(
    t,
    "--workers",
    "1",
    "--timeout",
    "0.3",
    "--timeout",
    "/hold=0",
    "--timeout",
    "/nap=60",
  );
  const client = await RawClient.connect(typhon);
  client.write("GET /hold?name=long HTTP/1.1\r\nHost: a\r\n\r\n");
  await pidOf(folder, "long");
  assert.equal((await getOnce(typhon, "/nap?ms=1200")).status, 200);
  assert.equal((await getOnce(typhon, "/asleep?name=late")).status, 504);
  writeFileSync(join(folder, "long.go"), "");
  assert.equal((await client.readResponse()).status, 200);
  client.destroy();
});

test("touches no other worker", async (t) => {
  const [typhon, folder] = await startGate(
    t,
    "--workers",
    "2",
    "--threads",
    "1",
    "--timeout",
    "0.5",
  );
  const before = typhon.workers().map(({ pid }) => pid);
  const client = await RawClient.connect(typhon);
  assert.equal((await client.get("/asleep?name=late")).status, 504);
  const late = await pidOf(folder, "late");
  const other = before.find((pid) => pid !== late);
  assert(other !== undefined);
  await until("the late worker is gone", () => !isRunning(late));
  assert(isRunning(other));
  client.destroy();
});

test("serves others elsewhere when a worker that was free has its lock held", async (t) => {
  const [typhon, folder] = await startGate(t, "--workers", "2", "--timeout", "1.5");
  // Which of two sleeping workers the kernel wakes is not ours to choose: several, so that it is both.
  for (const name of ["first", "second"]) {
    const order: string[] = [];
    const stuck = await RawClient.connect(typhon);
    const ended = stuck
      .get(`/backtrack?name=${name}&after=0.1`)
      .then(({ status }) => order.push(String(status)));
    const late = await pidOf(folder, name);
    // By then another thread of that worker takes, and nobody else of it can run.
    await lapse(300);
    for (const other of ["a", "b", "c"]) {
      assert.match((await getOnce(typhon, "/quick")).text, /^quick/);
      order.push(other);
    }
    await ended;
    assert.deepEqual(order, ["a", "b", "c", "504"]);
    await until("the late worker is gone", () => !isRunning(late));
    stuck.destroy();
  }
});

test("does not count the time in the queue", async (t) => {
  const [typhon, folder] = await startGate(
    t,
    "--workers",
    "1",
    "--threads",
    "1",
    "--timeout",
    "3",
    "--queue-timeout",
    "60",
  );
  // Each runs for a second; the last one waits longer than the deadline.
  const names = ["a", "b", "c", "d", "e"];
  const clients = await Promise.all(names.map(() => RawClient.connect(typhon)));
  for (const [at, client] of clients.entries())
    client.write(`GET /hold?name=${names[at]} HTTP/1.1\r\nHost: a\r\n\r\n`);
  const done = new Set<string>();
  while (done.size < names.length) {
    const running = await until("the next one runs", () =>
      names.find((name) => !done.has(name) && existsSync(join(folder, `${name}.running`))),
    );
    done.add(running);
    await lapse(1000);
    writeFileSync(join(folder, `${running}.go`), "");
  }
  for (const client of clients) {
    assert.equal((await client.readResponse()).status, 200);
    client.destroy();
  }
});

test("cuts a stream whose next chunk does not come", async (t) => {
  const [typhon] = await startGate(t, "--workers", "1", "--threads", "1", "--timeout", "0.5");
  const client = await RawClient.connect(typhon);
  client.write("GET /steps?name=never&n=2 HTTP/1.1\r\nHost: a\r\n\r\n");
  assert.equal((await client.readHead()).status, 200);
  assert.equal(String(await client.readChunk()), "step 1\n");
  assert.equal((await client.readUntilCut()).toString(), "");
  assert.match((await getOnce(typhon, "/quick")).text, /^quick/);
  client.destroy();
});

test("lets a stream last as long as its chunks come in time", async (t) => {
  const [typhon, folder] = await startGate(t, "--workers", "1", "--threads", "1", "--timeout", "2");
  const client = await RawClient.connect(typhon);
  client.write("GET /steps?name=long&n=5 HTTP/1.1\r\nHost: a\r\n\r\n");
  assert.equal((await client.readHead()).status, 200);
  for (let step = 1; step <= 5; step += 1) {
    assert.equal(String(await client.readChunk()), `step ${step}\n`);
    await lapse(700);
    writeFileSync(join(folder, `long.${step}`), "");
  }
  assert.equal(await client.readChunk(), null);
  client.destroy();
});
