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
  areWorkersChosen: true,
  startTimeoutMs: 10_000,
  drainTimeoutMs: 30_000,
  loopTimeoutMs: 20_000,
  maxRequests: 0,
  maxRequestsJitter: 0,
  maxRss: 0,
  maxAgeMs: 0,
};

let table: WorkerTable;
let set: WorkerSet;
let started: number[];
let killed: number[];
let events: string[];
/** What is told of loads and generations. */
let loads: string[];

function make(options: Partial<WorkerSetOptions> = {}): void {
  table = new WorkerTable();
  started = [];
  killed = [];
  events = [];
  loads = [];
  set = new WorkerSet(
    table,
    { ...OPTIONS, ...options },
    {
      onLoading: (workers) => void loads.push(`load in ${workers}`),
      onStillLoading: (ms) => void loads.push(`still ${ms}`),
      onRetired: (generation) => void loads.push(`retired ${generation}`),
      onStartOverdue: ({ number }) => void events.push(`start of ${number} overdue`),
      start: ({ number }) => void started.push(number),
      kill: ({ number }) => void killed.push(number),
      onReady: ({ number }) => void events.push(`ready ${number}`),
      onLoopBlocked: ({ number }) => void events.push(`blocked ${number}`),
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
    ready(2, 1000);
    assert.equal(states(), "1 starting, 2 taking");
    assert.deepEqual(processOf(2).sent, [FrameType.TAKE]);
    assert.equal(await load, null);
    ready(1, 2000);
    assert.equal(states(), "1 taking, 2 taking");
    assert.deepEqual(events, ["ready 2", "ready 1"]);
  });

  it("of new code takes over when all new workers are ready, and not before", async () => {
    await serve();
    const load = set.load(10_000);
    assert.deepEqual(started, [1, 2, 3, 4]);
    ready(4, 11_000);
    assert.equal(states(), "1 taking, 2 taking, 3 starting, 4 loaded");
    ready(3, 12_000);
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
    const load = set.load(10_000);
    ready(3, 10_000);
    ready(4, 10_000);
    set.tick(10_900);
    assert.equal(await settled(load), undefined);
    set.tick(11_000);
    assert.equal(await load, null);
  });

  it("has succeeded when the old workers have ended", async () => {
    await serve();
    const load = set.load(10_000);
    ready(3, 10_000);
    ready(4, 10_000);
    end(1, 10_100, 0);
    end(2, 10_200, 0);
    assert.equal(await load, null);
  });

  it("that fails in one worker ends the new workers, and the old go on", async () => {
    await serve();
    const load = set.load(10_000);
    ready(3, 11_000);
    worker(4).failure = { kind: "import", text: "no module" };
    assert.equal(end(4, 11_000), null, "the caller of the load tells of the end");
    assert.deepEqual(await load, { kind: "import", text: "no module" });
    assert.equal(states(), "1 taking, 2 taking, 3 draining");
    assert.deepEqual(killed, [3]);
    assert.equal(end(3, 12_000), null);
    set.tick(13_000);
    assert.deepEqual(started, [1, 2, 3, 4], "nothing is missing");
  });

  it("says how a worker ended that had not said why it does not load", async () => {
    const load = set.load(0);
    end(1, 1000, 7);
    const failure = await load;
    assert.equal(failure?.kind, "ended");
    assert.match(failure?.text ?? "", /ended with exit code 7 before the application was loaded/);
  });

  it("fails after --start-timeout", async () => {
    await serve();
    const load = set.load(10_000);
    ready(3, 11_000);
    set.tick(19_900);
    assert.deepEqual(killed, []);
    set.tick(20_000);
    assert.deepEqual(killed, [], "its stack is read first");
    assert.deepEqual(events, ["ready 1", "ready 2", "ready 3", "start of 4 overdue"]);
    set.tick(20_900);
    assert.deepEqual(killed, []);
    set.tick(21_000);
    assert.deepEqual(killed, [4]);
    end(4, 21_100);
    assert.deepEqual(await load, {
      kind: "timeout",
      text: "the application did not load within 10 s (--start-timeout)",
    });
  });

  it("is told of after 1 s, then every 5 s, and no more when it has ended", async () => {
    const load = set.load(1000);
    for (let now = 1000; now < 9_000; now += 100) set.tick(now);
    ready(1, 9_000);
    await load;
    for (let now = 9_000; now < 20_000; now += 100) set.tick(now);
    assert.deepEqual(loads, ["load in 2", "still 5000"]);
    const next = set.load(20_000);
    for (let now = 20_000; now < 22_500; now += 100) set.tick(now);
    assert.deepEqual(loads.slice(2), ["load in 2"]);
    ready(3, 23_000);
    ready(4, 23_000);
    end(1, 23_100);
    end(2, 23_100);
    await next;
  });

  it("retires the generation that it replaces, or its own if it fails", async () => {
    await serve();
    const failing = set.load(10_000);
    end(3, 11_000);
    await failing;
    assert.deepEqual(loads, ["retired 2"]);
    end(4, 11_000);
    const load = set.load(20_000);
    ready(5, 21_000);
    ready(6, 21_000);
    set.tick(30_000);
    await load;
    assert.deepEqual(loads, ["retired 2", "retired 1"]);
  });

  it("that succeeded is not killed at --start-timeout", async () => {
    await serve();
    set.tick(100_000);
    assert.deepEqual(killed, []);
  });

  it("is superseded by the next one", async () => {
    await serve();
    const first = set.load(10_000);
    ready(3, 10_000);
    const second = set.load(11_000);
    assert.equal((await first)?.kind, "superseded");
    assert.equal(states(), "1 taking, 2 taking, 3 draining, 4 draining, 5 starting, 6 starting");
    assert.deepEqual(killed, [3, 4]);
    ready(5, 12_000);
    ready(6, 12_000);
    set.tick(14_000);
    assert.equal(await second, null);
    assert.equal(worker(5).state, "taking");
  });

  it("has succeeded when the next one begins before the old workers have said that they take no more", async () => {
    await serve();
    const first = set.load(10_000);
    ready(3, 10_000);
    ready(4, 10_000);
    const second = set.load(10_100);
    assert.equal(await first, null);
    ready(5, 10_200);
    ready(6, 10_200);
    assert.equal(await settled(second), undefined);
    for (const number of [1, 2, 3, 4]) set.stopped(worker(number));
    assert.equal(await second, null);
  });

  it("does not let a worker take whose READY comes after the load was given up", async () => {
    await serve();
    void set.load(10_000);
    void set.load(11_000);
    events.length = 0;
    ready(3, 11_000);
    assert.equal(worker(3).state, "draining");
    assert.deepEqual(processOf(3).sent, []);
    assert.deepEqual(events, []);
  });

  it("dismisses a replacement that was starting with the old code", async () => {
    await serve();
    end(1, 10_000);
    assert.deepEqual(started, [1, 2, 3]);
    void set.load(11_000);
    ready(4, 12_000);
    ready(5, 12_000);
    assert.equal(states(), "2 draining, 3 draining, 4 taking, 5 taking");
    assert.deepEqual(killed, [3]);
  });

  it("lets a replacement with the old code serve while it lasts", async () => {
    await serve();
    end(1, 10_000);
    void set.load(11_000);
    ready(3, 12_000);
    assert.equal(worker(3).state, "taking");
  });

  it("fails when the launcher ends", async () => {
    await serve();
    const load = set.load(10_000);
    set.launcherEnded("out of memory", 11_000);
    assert.deepEqual(await load, { kind: "launcher", text: "out of memory" });
    assert.deepEqual(killed, [3, 4]);
  });
});

describe("a worker that ended", () => {
  it("is replaced at once, with the code that serves", async () => {
    await serve();
    assert.equal(end(1, 10_000), 0);
    assert.deepEqual(started, [1, 2, 3]);
    ready(3, 11_000);
    assert.equal(states(), "2 taking, 3 taking");
    assert.equal(worker(3).generation, worker(2).generation);
  });

  it("soon after its start is replaced at once, the next ones later and later", async () => {
    await serve();
    assert.equal(end(1, 100), 0);
    assert.deepEqual(started, [1, 2, 3]);
    ready(3, 200);
    assert.equal(end(3, 300), 200);
    assert.deepEqual(started, [1, 2, 3]);
    set.tick(400);
    assert.deepEqual(started, [1, 2, 3]);
    set.tick(600);
    assert.deepEqual(started, [1, 2, 3, 4]);
    ready(4, 700);
    assert.equal(end(4, 800), 400);
  });

  it("after having been healthy ends the back-off", async () => {
    await serve();
    end(1, 100);
    ready(3, 200);
    end(3, 300);
    set.tick(1000);
    ready(4, 1000);
    // Five seconds, or half a second for a worker that has run requests.
    worker(4).served = 1;
    assert.equal(end(4, 1500), 0);
    assert.deepEqual(started, [1, 2, 3, 4, 5]);
  });

  it("because it was told to does not count as a crash", async () => {
    await serve();
    for (const number of [1, 2, 3, 4]) {
      worker(number).drain(Infinity, 0);
      assert.equal(end(number, 100, 0), 0);
      ready(number + 2, 100);
    }
    assert.deepEqual(started, [1, 2, 3, 4, 5, 6]);
  });

  it("before any code has served is not replaced: the start has failed", async () => {
    const load = set.load(0);
    end(1, 1000);
    await load;
    set.tick(2000);
    assert.deepEqual(started, [1, 2]);
  });
});

describe("without a chosen number", () => {
  const single = "it keeps state";
  beforeEach(() => make({ workers: 3, areWorkersChosen: false }));

  it("the first worker loads alone, and the others follow when it takes", async () => {
    const load = set.load(0);
    assert.deepEqual(started, [1]);
    ready(1, 1000);
    assert.equal(await load, null);
    assert.equal(states(), "1 taking, 2 starting, 3 starting");
    assert.equal(set.workers, 3);
    ready(2, 2000);
    ready(3, 2000);
    assert.equal(states(), "1 taking, 2 taking, 3 taking");
  });

  it("an application that needs a single process has one, also after deaths and reloads", async () => {
    const load = set.load(0);
    processOf(1);
    worker(1).single = single;
    ready(1, 0);
    assert.equal(await load, null);
    set.tick(100);
    assert.equal(set.workers, 1);
    end(1, 10_000);
    assert.equal(states(), "2 starting");
    worker(2).single = single;
    ready(2, 10_000);
    void set.load(20_000);
    worker(3).single = single;
    ready(3, 21_000);
    assert.equal(states(), "2 draining, 3 taking");
    assert.deepEqual(started, [1, 2, 3]);
  });

  it("new code that needs a single process gets one: the workers beside it end", async () => {
    void set.load(0);
    for (const number of [1, 2, 3]) ready(number, 0);
    const load = set.load(10_000);
    assert.deepEqual(started, [1, 2, 3, 4, 5, 6]);
    processOf(4);
    ready(4, 11_000);
    worker(5).single = single;
    ready(5, 11_000);
    assert.deepEqual(killed, [4, 6]);
    assert.equal(worker(5).state, "taking");
    for (const number of [4, 6]) end(number, 11_000);
    for (const number of [1, 2, 3]) end(number, 12_000, 0);
    set.tick(13_000);
    assert.equal(await load, null);
    assert.equal(states(), "5 taking");
  });

  it("new code that needs no single process gets all workers", async () => {
    void set.load(0);
    worker(1).single = single;
    ready(1, 0);
    void set.load(10_000);
    assert.deepEqual(started, [1, 2]);
    ready(2, 11_000);
    assert.equal(states(), "1 draining, 2 taking, 3 starting, 4 starting");
  });

  it("a load that fails changes nothing", async () => {
    void set.load(0);
    for (const number of [1, 2, 3]) ready(number, 0);
    void set.load(10_000);
    end(5, 11_000);
    set.tick(12_000);
    assert.equal(set.workers, 3);
  });

  it("a chosen number is kept", async () => {
    make();
    const load = set.load(0);
    for (const number of [1, 2]) {
      worker(number).single = single;
      ready(number, 0);
    }
    assert.equal(await load, null);
    assert.equal(states(), "1 taking, 2 taking");
  });
});

describe("no workers", () => {
  it("is said while none takes and the next start is put off, and ends with READY", async () => {
    make({ workers: 1 });
    const load = set.load(0);
    ready(1, 0);
    await load;
    end(1, 100);
    set.tick(200);
    assert.equal(set.hasNoWorkers, false, "the replacement is starting");
    end(2, 200);
    set.tick(300);
    assert.equal(set.hasNoWorkers, true);
    set.tick(500);
    assert.equal(set.hasNoWorkers, false, "the next one is starting");
    end(3, 600);
    set.tick(700);
    assert.equal(set.hasNoWorkers, true);
    set.tick(1100);
    ready(4, 1200);
    assert.equal(set.hasNoWorkers, false);
  });

  it("ends with READY of a worker whose launcher has died, too", () => {
    make({ workers: 1 });
    void set.load(0);
    ready(1, 0);
    end(1, 100);
    processOf(2);
    worker(2).orphan();
    set.launcherEnded("killed", 200);
    set.tick(300);
    assert.equal(set.hasNoWorkers, true);
    ready(2, 300);
    assert.equal(set.hasNoWorkers, false);
    set.tick(300);
    assert.equal(set.hasNoWorkers, false, "it takes until another is ready");
  });

  it("is not said while another worker takes", async () => {
    await serve();
    end(1, 100);
    end(3, 200);
    set.tick(300);
    assert.equal(set.hasNoWorkers, false);
  });
});

describe("recycling", () => {
  it("replaces one worker at a time: the new one takes before the old one stops", async () => {
    make({ maxRequests: 5 });
    await serve();
    worker(1).served = worker(2).served = 5;
    set.tick(10_000);
    assert.deepEqual(events.slice(2), ["recycle 1: it has run 5 requests"]);
    assert.deepEqual(started, [1, 2, 3]);
    set.tick(11_000);
    assert.equal(states(), "1 taking, 2 taking, 3 starting");
    ready(3, 12_000);
    assert.equal(states(), "1 draining, 2 taking, 3 taking");
    set.tick(13_000);
    assert.equal(events.length, 4, "not before the first one has ended");
    assert.equal(end(1, 14_000, 0), 0);
    set.tick(15_000);
    assert.equal(events.at(-1), "recycle 2: it has run 5 requests");
    assert.deepEqual(started, [1, 2, 3, 4]);
  });

  it("lets the worker finish for at most --graceful-timeout", async () => {
    make({ maxAgeMs: 5000 });
    await serve();
    set.tick(5000);
    ready(3, 6000);
    assert.equal(worker(1).state, "draining");
    set.tick(35_900);
    assert.deepEqual(killed, []);
    set.tick(36_000);
    assert.deepEqual(killed, [1]);
  });

  it("waits while code is loaded", async () => {
    make({ maxAgeMs: 5000 });
    await serve();
    void set.load(1000);
    set.tick(10_000);
    assert(worker(1).leaving === null && worker(2).leaving === null);
  });
});

describe("workers whose launcher has died", () => {
  it("go on until others take, and are relieved one by one", async () => {
    await serve();
    for (const one of table.all) one.orphan();
    set.launcherEnded("killed", 10_000);
    set.tick(10_100);
    assert.deepEqual(started, [1, 2, 3, 4]);
    assert.equal(states(), "1 taking, 2 taking, 3 starting, 4 starting");
    ready(3, 11_000);
    assert.equal(states(), "1 draining, 2 taking, 3 taking, 4 starting");
    ready(4, 12_000);
    assert.equal(states(), "1 draining, 2 draining, 3 taking, 4 taking");
    assert.deepEqual(killed, []);
  });

  it("wait longer and longer for another launcher that does not live", async () => {
    await serve();
    for (const one of table.all) one.orphan();
    set.launcherEnded("killed", 10_000);
    set.launcherEnded("killed", 10_100);
    set.tick(10_200);
    assert.deepEqual(started, [1, 2]);
    set.tick(10_400);
    assert.deepEqual(started, [1, 2, 3, 4]);
  });
});

describe("a worker with an overdue request", () => {
  beforeEach(async () => {
    await serve();
    processOf(1).noted = [70, 71];
    worker(1).overdue.set(70, 10_000);
  });

  it("that comes back within a second goes on", () => {
    set.tick(10_500);
    processOf(1).noted = [71];
    set.tick(12_000);
    assert.equal(states(), "1 taking, 2 taking");
    assert.equal(worker(1).overdue.size, 0);
  });

  it("that does not is retired and replaced, and is killed when only overdue requests are left", () => {
    set.tick(10_900);
    assert.equal(worker(1).state, "taking");
    set.tick(11_000);
    assert.equal(states(), "1 draining, 2 taking, 3 starting");
    assert.deepEqual(processOf(1).sent, [FrameType.TAKE, FrameType.STOP]);
    set.tick(12_000);
    assert.deepEqual(killed, [], "request 71 may finish");
    processOf(1).noted = [70];
    set.tick(13_000);
    assert.deepEqual(killed, [1]);
  });

  it("that comes back later, while other requests run, is not killed", () => {
    set.tick(11_000);
    processOf(1).noted = [71];
    set.tick(20_000);
    assert.deepEqual(killed, []);
  });

  it("is killed at the end of --graceful-timeout though other requests run", () => {
    set.tick(11_000);
    ready(3, 12_000);
    set.tick(40_900);
    assert.deepEqual(killed, []);
    set.tick(41_000);
    assert.deepEqual(killed, [1]);
  });
});

describe("the event loop of an ASGI worker", () => {
  let now = 10_000;

  /** Ticks each 100 ms up to `to`, in which worker 2 answers. */
  function tickUntil(to: number): void {
    for (; now <= to; now += 100) {
      set.tick(now);
      worker(2).loop.answered(now);
    }
  }

  it("is asked, interrupted if it does not come back, then its worker is replaced and killed", async () => {
    await serve();
    for (const number of [1, 2]) worker(number).interface = "asgi";
    tickUntil(15_000);
    assert.deepEqual(processOf(1).sent, [FrameType.TAKE, FrameType.LOOP_ASKED]);
    tickUntil(34_900);
    assert.deepEqual(events.slice(-1), ["ready 2"]);
    tickUntil(35_000);
    assert.deepEqual(events.slice(-1), ["blocked 1"]);
    tickUntil(35_900);
    assert.deepEqual(killed, []);
    tickUntil(36_000);
    assert.equal(states(), "1 draining, 2 taking, 3 starting");
    assert.deepEqual(killed, [1]);
  });

  it("has its limit while its worker drains and runs requests, and none after them", async () => {
    await serve();
    for (const number of [1, 2]) {
      worker(number).interface = "asgi";
      worker(number).drain(Infinity, 0);
    }
    processOf(1).noted.push(7);
    for (let at = 10_000; at <= 40_000; at += 100) set.tick(at);
    assert.deepEqual(events.slice(-1), ["blocked 1"]);
    assert.deepEqual(
      [1, 2].map((number) => killed.includes(number)),
      [true, false],
    );
  });

  it("has no limit under WSGI, or with the option 0", async () => {
    await serve();
    worker(1).interface = "wsgi";
    set.tick(1_000_000);
    set.tick(2_000_000);
    make({ loopTimeoutMs: 0 });
    await serve();
    worker(1).interface = "asgi";
    set.tick(1_000_000);
    set.tick(2_000_000);
    assert(!processOf(1).sent.includes(FrameType.LOOP_ASKED));
  });
});

describe("a stop", () => {
  it("lets workers finish until the end of the grace, then kills them", async () => {
    await serve();
    set.stop(20_000, 10_000);
    assert.equal(states(), "1 draining, 2 draining");
    set.tick(19_900);
    assert.deepEqual(killed, []);
    end(1, 19_900, 0);
    set.tick(20_000);
    assert.deepEqual(killed, [2]);
    end(2, 20_100);
    set.tick(30_000);
    assert.deepEqual(started, [1, 2], "no worker is replaced");
  });

  it("kills a worker that is still starting, and the load fails", async () => {
    const load = set.load(0);
    set.stop(100_000, 1000);
    assert.deepEqual(killed, [1, 2]);
    ready(1, 1000);
    assert.equal(worker(1).state, "draining", "its READY comes too late");
    end(1, 1100);
    assert.equal((await load)?.kind, "ended");
  });

  it("goes on with overdue requests", async () => {
    await serve();
    processOf(1).noted = [70];
    worker(1).overdue.set(70, 10_000);
    set.stop(100_000, 10_000);
    set.tick(11_000);
    assert.deepEqual(killed, [1]);
  });
});

it("a kill is repeated each second until the worker has ended", async () => {
  await serve();
  set.kill(worker(1), 10_000);
  set.tick(10_900);
  assert.deepEqual(killed, [1]);
  set.tick(11_000);
  assert.deepEqual(killed, [1, 1]);
});
