// A request past its deadline: 504 for its client, the Python stacks in the log, the worker freed, and
// no other request touched. Time in the queue and a client that reads slowly do not count.

import assert from "node:assert/strict";
import { before, describe, test } from "node:test";

import { lapse, until } from "../support/deadline.ts";
import { FILE } from "../support/file-scope.ts";
import { Gate } from "../support/gate.ts";
import { isRunning } from "../support/processes.ts";
import { fieldOf, getOnce, RawClient } from "../support/raw-client.ts";

/** Longer than any of these tests: a held request ends by its deadline, never by itself. */
const PATIENT = { GATE_PATIENCE: "60" };

// Each server has its own worker: the groups run side by side, the tests of a group one after the other.
describe("a deadline", { concurrency: true }, () => {
  describe("in the only worker", { concurrency: 1 }, () => {
    let gate: Gate;
    const paths = ["--timeout", "/slow=60", "--timeout", "/endless=0"];

    before(async () => {
      const args = ["--workers", "1", "--threads", "2", "--timeout", "0.5", ...paths];
      gate = await Gate.start(FILE, args, PATIENT);
    });

    for (const [page, what, line] of [
      ["hold", "sleeps in short steps", /gate\.py.*\n?.*(?:wait_for|hold)/],
      ["deaf", "computes in Python without end", /gate\.py.*\n?.*deaf/],
    ] as const)
      test(`interrupts a request that ${what}, and its worker goes on`, async () => {
        const { output } = gate.typhon;
        const from = output.all.length;
        const answer = await getOnce(gate.typhon, `/${page}?name=late-${page}`);
        assert.equal(answer.status, 504);
        const id = fieldOf(answer, "x-request-id");
        await output.waitFor(
          new RegExp(`${id}[^]*method=GET path=/${page}|path=/${page}[^]*${id}`),
          from,
        );
        await output.waitFor(line, from);
        const late = await gate.pidOf(`late-${page}`);
        // Both threads are free again.
        const answers = await Promise.all(
          [0, 1].map((at) => getOnce(gate.typhon, `/meet?group=free-${page}&n=2&id=${at}`)),
        );
        for (const { status, text } of answers) assert.deepEqual([status, text], [200, `${late}`]);
      });

    for (const [page, what, line] of [
      ["asleep", "sleeps in one call", /gate\.py.*\n?.*asleep/],
      ["backtrack", "holds the interpreter's lock", /gate\.py.*backtrack/],
      ["locked", "waits for a lock", /gate\.py.*\n?.*locked/],
    ] as const)
      test(`replaces a worker whose request ${what}, tells where it was, and never runs it again`, async () => {
        const { output } = gate.typhon;
        const from = output.all.length;
        const name = `late-${page}`;
        assert.equal((await getOnce(gate.typhon, `/${page}?name=${name}`)).status, 504);
        const late = await gate.pidOf(name);
        await output.waitFor(line, from);
        await until("the late worker is gone", () => !isRunning(late));
        assert.match((await getOnce(gate.typhon, "/quick")).text, /^quick/);
        assert.equal(await gate.pidOf(name), late);
        const told = output.all.slice(from);
        assert.equal(told.split("a request ran").length - 1, 1, told);
      });

    test("of a path holds for all below it, and the other requests of a late worker finish", async () => {
      const slow = await gate.hold("slow", "/slow/hold");
      assert.equal((await getOnce(gate.typhon, "/asleep?name=late")).status, 504);
      // Another worker serves by now: the late one takes no more.
      await until(
        "another worker",
        async () => (await getOnce(gate.typhon, "/quick")).text !== `quick ${slow.pid}`,
      );
      assert(isRunning(slow.pid));
      gate.release("slow");
      assert.equal((await slow.client.readResponse()).text, `held slow ${slow.pid}`);
      await until("the late worker is gone", () => !isRunning(slow.pid));
      slow.client.destroy();
    });

    test("of 0 is none, and a path without one of its own has the general one", async () => {
      const endless = await gate.hold("endless", "/endless/hold");
      assert.equal((await getOnce(gate.typhon, "/slow/nap?ms=900")).status, 200);
      assert.equal((await getOnce(gate.typhon, "/asleep?name=later")).status, 504);
      gate.release("endless");
      assert.equal((await endless.client.readResponse()).status, 200);
      endless.client.destroy();
    });
  });

  test("of a worker whose lock is held: the other worker serves the others, and is not touched", async (t) => {
    const gate = await Gate.start(t, ["--workers", "2", "--timeout", "1.5"], PATIENT);
    // Which of two sleeping workers the kernel wakes is not ours to choose: twice, so that it is both.
    for (const name of ["first", "second"]) {
      const workers = gate.typhon.workers().map(({ pid }) => pid);
      const order: string[] = [];
      const stuck = await RawClient.connect(gate.typhon);
      const ended = stuck
        .get(`/frozen?name=${name}&after=0.1`)
        .then(({ status }) => order.push(String(status)));
      const late = await gate.pidOf(name);
      const other = workers.find((pid) => pid !== late);
      assert(other !== undefined);
      // By then another thread of that worker takes, and nobody else of it can run.
      await lapse(300);
      for (const request of ["a", "b", "c"]) {
        assert.match((await getOnce(gate.typhon, "/quick")).text, /^quick/);
        order.push(request);
      }
      await ended;
      assert.deepEqual(order, ["a", "b", "c", "504"]);
      await until("the late worker is gone", () => !isRunning(late));
      assert(isRunning(other));
      await until("two workers again", () => gate.typhon.workers().length === 2);
      stuck.destroy();
    }
  });

  describe("in the only thread", { concurrency: 1 }, () => {
    let gate: Gate;

    before(async () => {
      const one = ["--workers", "1", "--threads", "1"];
      gate = await Gate.start(FILE, [...one, "--timeout", "1.5", "--queue-timeout", "60"], PATIENT);
    });

    test("does not count the time in the queue", async () => {
      // Each runs for half a second; the last one waits longer than the deadline.
      const names = ["a", "b", "c", "d", "e"];
      const clients = await Promise.all(names.map(() => RawClient.connect(gate.typhon)));
      for (const [at, client] of clients.entries())
        client.write(`GET /hold?name=${names[at]} HTTP/1.1\r\nHost: a\r\n\r\n`);
      const done = new Set<string>();
      while (done.size < names.length) {
        const running = await until("the next one runs", () =>
          names.find((name) => !done.has(name) && gate.hasRun(name)),
        );
        done.add(running);
        await lapse(500);
        gate.release(running);
      }
      for (const client of clients) {
        assert.equal((await client.readResponse()).status, 200);
        client.destroy();
      }
    });

    test("lets a stream last as long as its chunks come in time", async () => {
      const client = await RawClient.connect(gate.typhon);
      client.write("GET /steps?name=long&n=4 HTTP/1.1\r\nHost: a\r\n\r\n");
      assert.equal((await client.readHead()).status, 200);
      for (let step = 1; step <= 4; step += 1) {
        assert.equal(String(await client.readChunk()), `step ${step}\n`);
        await lapse(500);
        gate.step("long", step);
      }
      assert.equal(await client.readChunk(), null);
      client.destroy();
    });

    test("cuts a stream whose next chunk does not come", async () => {
      const client = await RawClient.connect(gate.typhon);
      client.write("GET /steps?name=never&n=2 HTTP/1.1\r\nHost: a\r\n\r\n");
      assert.equal((await client.readHead()).status, 200);
      assert.equal(String(await client.readChunk()), "step 1\n");
      assert.equal((await client.readUntilCut()).toString(), "");
      assert.match((await getOnce(gate.typhon, "/quick")).text, /^quick/);
      client.destroy();
    });
  });
});
