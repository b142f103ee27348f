// Which worker starts, takes, leaves and is killed when. No process: the table's workers are the real state
// machines, and time is given.

import assert from "node:assert/strict";
import { beforeEach, describe, it } from "node:test";

import { FrameType } from "../../src/workers/frame.ts";
import { WorkerSet, type WorkerSetOptions } from "../../src/workers/worker-set.ts";
import { WorkerTable } from "../../src/workers/worker-table.ts";
import type { LoadFailure, Worker } from "../../src/workers/worker.ts";
import { FakeProcess } from "../support/fake-workers.ts";

const OPTIONS: WorkerSetOptions = {
  workers: 2,
  startTimeout: 10,
  drainTimeout: 30,
  maxRequests: 0,
  maxRequestsJitter: 0,
  maxRss: 0,
  maxAge: 0,
};

let table: WorkerTable;
let set: WorkerSet;
let started: number[];
let killed: number[];
let events: string[];

function make(options: Partial<WorkerSetOptions> = {}): void {
  table = new WorkerTable();
  started = [];
  killed = [];
  events = [];
  set = new WorkerSet(
    table,
    { ...OPTIONS, ...options },
    {
      start: ({ number }) => void started.push(number),
      kill: ({ number }) => void killed.push(number),
      onReady: ({ number }) => void events.push(`ready ${number}`),
      onRecycle: ({ number, leaving }) => void events.push(`recycle ${number}: ${leaving}`),
    },
  );
}

function worker(number: number): Worker {
  const found = table.get(number);
  assert(found !== undefined, `no worker ${number}`);
  return found;
}

/** The process of a worker, which it gets at the first call. */
function processOf(number: number): FakeProcess {
  const one = worker(number);
  one.process ??= new FakeProcess(1000 + number);
  assert(one.process instanceof FakeProcess);
  return one.process;
}

/** Worker `number` has loaded the application. */
function ready(number: number, now: number): void {
  processOf(number);
  set.ready(worker(number), now);
}

/** A worker's process has ended and it is out of the table, as WorkerExits does it. */
function end(number: number, now: number, code = 1): number | null {
  const one = worker(number);
  const wasAsked = one.state === "draining";
  one.finish();
  table.remove(one);
  const exit = { worker: one, end: { worker: number, code, signal: null, peakRss: 0 }, wasAsked };
  return set.exited(exit, now);
}

/** "1 taking, 2 draining" */
function states(): string {
  return table.all.map(({ number, state }) => `${number} ${state}`).join(", ");
}

/** Workers 1 and 2 take. */
async function serve(now = 0): Promise<void> {
  const load = set.load(now);
  ready(1, now);
  ready(2, now);
  assert.equal(await load, null);
  assert.equal(states(), "1 taking, 2 taking");
}

/** The failure with which a load has settled; undefined while it has not, null if the new code serves. */
async function settled(load: Promise<LoadFailure | null>): Promise<LoadFailure | null | undefined> {
  return await Promise.race([load, Promise.resolve(undefined)]);
}

beforeEach(() => make());

describe("a load", () => {
  it("of the first code serves as soon as one worker is ready; the others follow", async () => {
    const load = set.load(0);
    assert.deepEqual(started, [1, 2]);
    ready(2, 1);
    assert.equal(states(), "1 starting, 2 taking");
    assert.deepEqual(processOf(2).sent, [FrameType.TAKE]);
    assert.equal(await load, null);
    ready(1, 2);
    assert.equal(states(), "1 taking, 2 taking");
    assert.deepEqual(events, ["ready 2", "ready 1"]);
  });

  it("of new code takes over when all new workers are ready, and not before", async () => {
    await serve();
    const load = set.load(10);
    assert.deepEqual(started, [1, 2, 3, 4]);
    ready(4, 11);
    assert.equal(states(), "1 taking, 2 taking, 3 starting, 4 loaded");
    ready(3, 12);
    assert.equal(states(), "1 draining, 2 draining, 3 taking, 4 taking");
    assert.deepEqual(processOf(1).sent, [FrameType.TAKE, FrameType.STOP]);
    assert.equal(await settled(load), undefined);
    set.stopped(worker(1));
    assert.equal(await settled(load), undefined);
    set.stopped(worker(2));
    assert.equal(await load, null);
    assert.deepEqual(killed, []);
  });

  it("has succeeded when an old worker has not said within a second that it takes no more", async () => {
    await serve();
    const load = set.load(10);
    ready(3, 10);
    ready(4, 10);
    set.tick(10.9);
    assert.equal(await settled(load), undefined);
    set.tick(11);
    assert.equal(await load, null);
  });

  it("has succeeded when the old workers have ended", async () => {
    await serve();
    const load = set.load(10);
    ready(3, 10);
    ready(4, 10);
    end(1, 10.1, 0);
    end(2, 10.2, 0);
    assert.equal(await load, null);
  });

  it("that fails in one worker ends the new workers, and the old go on", async () => {
    await serve();
    const load = set.load(10);
    ready(3, 11);
    worker(4).failure = { kind: "import", text: "no module" };
    assert.equal(end(4, 11), null, "the caller of the load tells of the end");
    assert.deepEqual(await load, { kind: "import", text: "no module" });
    assert.equal(states(), "1 taking, 2 taking, 3 draining");
    assert.deepEqual(killed, [3]);
    assert.equal(end(3, 12), null);
    set.tick(13);
    assert.deepEqual(started, [1, 2, 3, 4], "nothing is missing");
  });

  it("says how a worker ended that had not said why it does not load", async () => {
    const load = set.load(0);
    end(1, 1, 7);
    const failure = await load;
    assert.equal(failure?.kind, "ended");
    assert.match(failure?.text ?? "", /ended with exit code 7 before the application was loaded/);
  });

  it("fails after --start-timeout", async () => {
    await serve();
    const load = set.load(10);
    ready(3, 11);
    set.tick(19.9);
    assert.deepEqual(killed, []);
    set.tick(20);
    assert.deepEqual(killed, [4]);
    end(4, 20.1);
    assert.deepEqual(await load, {
      kind: "timeout",
      text: "the application did not load within 10 s (--start-timeout)",
    });
  });

  it("that succeeded is not killed at --start-timeout", async () => {
    await serve();
    set.tick(100);
    assert.deepEqual(killed, []);
  });

  it("is superseded by the next one", async () => {
    await serve();
    const first = set.load(10);
    ready(3, 10);
    const second = set.load(11);
    assert.equal((await first)?.kind, "superseded");
    assert.equal(states(), "1 taking, 2 taking, 3 draining, 4 draining, 5 starting, 6 starting");
    assert.deepEqual(killed, [3, 4]);
    ready(5, 12);
    ready(6, 12);
    set.tick(14);
    assert.equal(await second, null);
    assert.equal(worker(5).state, "taking");
  });

  it("has succeeded when the next one begins before the old workers have said that they take no more", async () => {
    await serve();
    const first = set.load(10);
    ready(3, 10);
    ready(4, 10);
    const second = set.load(10.1);
    assert.equal(await first, null);
    ready(5, 10.2);
    ready(6, 10.2);
    assert.equal(await settled(second), undefined);
    for (const number of [1, 2, 3, 4]) set.stopped(worker(number));
    assert.equal(await second, null);
  });

  it("does not let a worker take whose READY comes after the load was given up", async () => {
    await serve();
    void set.load(10);
    void set.load(11);
    events.length = 0;
    ready(3, 11);
    assert.equal(worker(3).state, "draining");
    assert.deepEqual(processOf(3).sent, []);
    assert.deepEqual(events, []);
  });

  it("dismisses a replacement that was starting with the old code", async () => {
    await serve();
    end(1, 10);
    assert.deepEqual(started, [1, 2, 3]);
    void set.load(11);
    ready(4, 12);
    ready(5, 12);
    assert.equal(states(), "2 draining, 3 draining, 4 taking, 5 taking");
    assert.deepEqual(killed, [3]);
  });

  it("lets a replacement with the old code serve while it lasts", async () => {
    await serve();
    end(1, 10);
    void set.load(11);
    ready(3, 12);
    assert.equal(worker(3).state, "taking");
  });

  it("fails when the launcher ends", async () => {
    await serve();
    const load = set.load(10);
    set.launcherEnded("out of memory", 11);
    assert.deepEqual(await load, { kind: "launcher", text: "out of memory" });
    assert.deepEqual(killed, [3, 4]);
  });
});

describe("a worker that ended", () => {
  it("is replaced at once, with the code that serves", async () => {
    await serve();
    assert.equal(end(1, 10), 0);
    assert.deepEqual(started, [1, 2, 3]);
    ready(3, 11);
    assert.equal(states(), "2 taking, 3 taking");
    assert.equal(worker(3).generation, worker(2).generation);
  });

  it("soon after its start is replaced at once, the next ones later and later", async () => {
    await serve();
    assert.equal(end(1, 0.1), 0);
    assert.deepEqual(started, [1, 2, 3]);
    ready(3, 0.2);
    assert.equal(end(3, 0.3)?.toFixed(1), "0.2");
    assert.deepEqual(started, [1, 2, 3]);
    set.tick(0.4);
    assert.deepEqual(started, [1, 2, 3]);
    set.tick(0.6);
    assert.deepEqual(started, [1, 2, 3, 4]);
    ready(4, 0.7);
    assert.equal(end(4, 0.8)?.toFixed(1), "0.4");
  });

  it("after having been healthy ends the back-off", async () => {
    await serve();
    end(1, 0.1);
    ready(3, 0.2);
    end(3, 0.3);
    set.tick(1);
    ready(4, 1);
    // Five seconds, or half a second for a worker that has run requests.
    worker(4).served = 1;
    assert.equal(end(4, 1.5), 0);
    assert.deepEqual(started, [1, 2, 3, 4, 5]);
  });

  it("because it was told to does not count as a crash", async () => {
    await serve();
    for (const number of [1, 2, 3, 4]) {
      worker(number).drain(Infinity);
      assert.equal(end(number, 0.1, 0), 0);
      ready(number + 2, 0.1);
    }
    assert.deepEqual(started, [1, 2, 3, 4, 5, 6]);
  });

  it("before any code has served is not replaced: the start has failed", async () => {
    const load = set.load(0);
    end(1, 1);
    await load;
    set.tick(2);
    assert.deepEqual(started, [1, 2]);
  });
});

describe("no workers", () => {
  it("is said while none takes and the next start is put off, and ends with READY", async () => {
    make({ workers: 1 });
    const load = set.load(0);
    ready(1, 0);
    await load;
    end(1, 0.1);
    set.tick(0.2);
    assert.equal(set.hasNoWorkers, false, "the replacement is starting");
    end(2, 0.2);
    set.tick(0.3);
    assert.equal(set.hasNoWorkers, true);
    set.tick(0.5);
    assert.equal(set.hasNoWorkers, false, "the next one is starting");
    end(3, 0.6);
    set.tick(0.7);
    assert.equal(set.hasNoWorkers, true);
    set.tick(1.1);
    ready(4, 1.2);
    assert.equal(set.hasNoWorkers, false);
  });

  it("ends with READY of a worker whose launcher has died, too", () => {
    make({ workers: 1 });
    void set.load(0);
    ready(1, 0);
    end(1, 0.1);
    processOf(2);
    worker(2).orphan();
    set.launcherEnded("killed", 0.2);
    set.tick(0.3);
    assert.equal(set.hasNoWorkers, true);
    ready(2, 0.3);
    assert.equal(set.hasNoWorkers, false);
    set.tick(0.3);
    assert.equal(set.hasNoWorkers, false, "it takes until another is ready");
  });

  it("is not said while another worker takes", async () => {
    await serve();
    end(1, 0.1);
    end(3, 0.2);
    set.tick(0.3);
    assert.equal(set.hasNoWorkers, false);
  });
});

describe("recycling", () => {
  it("replaces one worker at a time: the new one takes before the old one stops", async () => {
    make({ maxRequests: 5 });
    await serve();
    worker(1).served = worker(2).served = 5;
    set.tick(10);
    assert.deepEqual(events.slice(2), ["recycle 1: it has run 5 requests"]);
    assert.deepEqual(started, [1, 2, 3]);
    set.tick(11);
    assert.equal(states(), "1 taking, 2 taking, 3 starting");
    ready(3, 12);
    assert.equal(states(), "1 draining, 2 taking, 3 taking");
    set.tick(13);
    assert.equal(events.length, 4, "not before the first one has ended");
    assert.equal(end(1, 14, 0), 0);
    set.tick(15);
    assert.equal(events.at(-1), "recycle 2: it has run 5 requests");
    assert.deepEqual(started, [1, 2, 3, 4]);
  });

  it("lets the worker finish for at most --graceful-timeout", async () => {
    make({ maxAge: 5 });
    await serve();
    set.tick(5);
    ready(3, 6);
    assert.equal(worker(1).state, "draining");
    set.tick(35.9);
    assert.deepEqual(killed, []);
    set.tick(36);
    assert.deepEqual(killed, [1]);
  });

  it("waits while code is loaded", async () => {
    make({ maxAge: 5 });
    await serve();
    void set.load(1);
    set.tick(10);
    assert(worker(1).leaving === null && worker(2).leaving === null);
  });
});

describe("workers whose launcher has died", () => {
  it("go on until others take, and are relieved one by one", async () => {
    await serve();
    for (const one of table.all) one.orphan();
    set.launcherEnded("killed", 10);
    set.tick(10.1);
    assert.deepEqual(started, [1, 2, 3, 4]);
    assert.equal(states(), "1 taking, 2 taking, 3 starting, 4 starting");
    ready(3, 11);
    assert.equal(states(), "1 draining, 2 taking, 3 taking, 4 starting");
    ready(4, 12);
    assert.equal(states(), "1 draining, 2 draining, 3 taking, 4 taking");
    assert.deepEqual(killed, []);
  });

  it("wait longer and longer for another launcher that does not live", async () => {
    await serve();
    for (const one of table.all) one.orphan();
    set.launcherEnded("killed", 10);
    set.launcherEnded("killed", 10.1);
    set.tick(10.2);
    assert.deepEqual(started, [1, 2]);
    set.tick(10.4);
    assert.deepEqual(started, [1, 2, 3, 4]);
  });
});

describe("a worker with an overdue request", () => {
  beforeEach(async () => {
    await serve();
    processOf(1).noted = [70, 71];
    worker(1).overdue.set(70, 10);
  });

  it("that comes back within a second goes on", () => {
    set.tick(10.5);
    processOf(1).noted = [71];
    set.tick(12);
    assert.equal(states(), "1 taking, 2 taking");
    assert.equal(worker(1).overdue.size, 0);
  });

  it("that does not is retired and replaced, and is killed when only overdue requests are left", () => {
    set.tick(10.9);
    assert.equal(worker(1).state, "taking");
    set.tick(11);
    assert.equal(states(), "1 draining, 2 taking, 3 starting");
    assert.deepEqual(processOf(1).sent, [FrameType.TAKE, FrameType.STOP]);
    set.tick(12);
    assert.deepEqual(killed, [], "request 71 may finish");
    processOf(1).noted = [70];
    set.tick(13);
    assert.deepEqual(killed, [1]);
  });

  it("that comes back later, while other requests run, is not killed", () => {
    set.tick(11);
    processOf(1).noted = [71];
    set.tick(20);
    assert.deepEqual(killed, []);
  });

  it("is killed at the end of --graceful-timeout though other requests run", () => {
    set.tick(11);
    ready(3, 12);
    set.tick(40.9);
    assert.deepEqual(killed, []);
    set.tick(41);
    assert.deepEqual(killed, [1]);
  });
});

describe("a stop", () => {
  it("lets workers finish until the end of the grace, then kills them", async () => {
    await serve();
    set.stop(20, 10);
    assert.equal(states(), "1 draining, 2 draining");
    set.tick(19.9);
    assert.deepEqual(killed, []);
    end(1, 19.9, 0);
    set.tick(20);
    assert.deepEqual(killed, [2]);
    end(2, 20.1);
    set.tick(30);
    assert.deepEqual(started, [1, 2], "no worker is replaced");
  });

  it("kills a worker that is still starting, and the load fails", async () => {
    const load = set.load(0);
    set.stop(100, 1);
    assert.deepEqual(killed, [1, 2]);
    ready(1, 1);
    assert.equal(worker(1).state, "draining", "its READY comes too late");
    end(1, 1.1);
    assert.equal((await load)?.kind, "ended");
  });

  it("goes on with overdue requests", async () => {
    await serve();
    processOf(1).noted = [70];
    worker(1).overdue.set(70, 10);
    set.stop(100, 10);
    set.tick(11);
    assert.deepEqual(killed, [1]);
  });
});

it("a kill is repeated each second until the worker has ended", async () => {
  await serve();
  set.kill(worker(1), 10);
  set.tick(10.9);
  assert.deepEqual(killed, [1]);
  set.tick(11);
  assert.deepEqual(killed, [1, 1]);
});
