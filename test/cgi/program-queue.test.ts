// Which requests run a program, which wait, which are refused. Time is a number of the test.

import assert from "node:assert/strict";
import { describe, it } from "node:test";

import fc from "fast-check";

import { ProgramQueue, type WaitingProgram } from "../../src/cgi/program-queue.ts";

const LIMITS = { concurrency: 2, queue: 3, queueTimeoutMs: 1000 };

/** A queue, and what became of each program, in order: "a begins". */
function open(limits = LIMITS): {
  readonly queue: ProgramQueue;
  readonly story: string[];
  readonly clock: { now: number };
  readonly program: (name: string) => WaitingProgram;
} {
  const clock = { now: 0 };
  const story: string[] = [];
  const program = (name: string): WaitingProgram => ({
    begin: () => void story.push(`${name} begins`),
    refuse: (reason) => void story.push(`${name} ${reason}`),
  });
  return { queue: new ProgramQueue(limits, () => clock.now), story, clock, program };
}

describe("a queue of programs", () => {
  it("begins so many at once, and the others in the order in which they came", () => {
    const { queue, story, program } = open();
    for (const name of "abcde") queue.enter(program(name));
    assert.deepEqual(story, ["a begins", "b begins"]);
    assert.deepEqual([queue.running, queue.waiting], [2, 3]);
    queue.release();
    queue.release();
    assert.deepEqual(story.slice(2), ["c begins", "d begins"]);
  });

  it("refuses a request for which it has no room", () => {
    const { queue, story, program } = open();
    for (const name of "abcdef") queue.enter(program(name));
    assert.deepEqual(story, ["a begins", "b begins", "f queue-full"]);
    const none = open({ concurrency: 1, queue: 0, queueTimeoutMs: 1000 });
    for (const name of "ab") none.queue.enter(none.program(name));
    assert.deepEqual(none.story, ["a begins", "b queue-full"]);
  });

  it("refuses the requests that have waited too long, and no other", () => {
    const { queue, story, clock, program } = open();
    for (const name of "abc") queue.enter(program(name));
    clock.now = 600;
    queue.enter(program("d"));
    clock.now = 999;
    queue.refuseLate();
    assert.equal(story.length, 2);
    clock.now = 1000;
    queue.refuseLate();
    assert.deepEqual(story.slice(2), ["c queue-timeout"]);
    queue.release();
    assert.equal(story.at(-1), "d begins");
  });

  it("refuses them by itself", async () => {
    const { queue, story, program } = open({ concurrency: 1, queue: 2, queueTimeoutMs: 1 });
    const { promise, resolve } = Promise.withResolvers<string>();
    const timed = new ProgramQueue({ concurrency: 1, queue: 2, queueTimeoutMs: 1 });
    timed.enter(program("a"));
    timed.enter({ begin: () => assert.fail("no place is free"), refuse: resolve });
    // The timer of the queue keeps no process alive.
    const alive = setInterval(() => undefined, 1000);
    assert.equal(await promise, "queue-timeout");
    clearInterval(alive);
    assert.deepEqual([story, queue.waiting, timed.waiting], [["a begins"], 0, 0]);
  });

  it("refuses the next ones at once where the refusals have taken long", async () => {
    const { queue, story, clock, program } = open({ concurrency: 1, queue: 2, queueTimeoutMs: 5 });
    const warnings: string[] = [];
    const onWarning = (warning: Error): void => void warnings.push(warning.name);
    process.on("warning", onWarning);
    queue.enter(program("a"));
    const { promise, resolve } = Promise.withResolvers<string>();
    const slow = (): void => void (clock.now = 100);
    queue.enter({ begin: () => assert.fail("no place is free"), refuse: slow });
    clock.now = 4;
    queue.enter({ begin: () => assert.fail("no place is free"), refuse: resolve });
    clock.now = 6;
    const alive = setInterval(() => undefined, 1000);
    assert.equal(await promise, "queue-timeout");
    clearInterval(alive);
    process.off("warning", onWarning);
    assert.deepEqual([story, warnings, queue.waiting], [["a begins"], [], 0]);
  });

  it("forgets a request that leaves", () => {
    const { queue, story, clock, program } = open();
    for (const name of "ab") queue.enter(program(name));
    const c = program("c");
    queue.enter(c);
    queue.leave(c);
    queue.release();
    clock.now = 5000;
    queue.refuseLate();
    assert.deepEqual([story, queue.running, queue.waiting], [["a begins", "b begins"], 1, 0]);
  });

  it("takes programs that end at once one after the other, without recursion", () => {
    const { queue } = open({ concurrency: 1, queue: 50_000, queueTimeoutMs: 1000 });
    let begun = 0;
    queue.enter({ begin: () => undefined, refuse: () => assert.fail("there is room") });
    for (let count = 0; count < 50_000; count += 1)
      queue.enter({
        begin: () => {
          begun += 1;
          queue.release();
        },
        refuse: () => assert.fail("there is room"),
      });
    queue.release();
    assert.deepEqual([begun, queue.running, queue.waiting], [50_000, 0, 0]);
  });

  it("takes further ones when a reload allows more", () => {
    const { queue, story, program } = open();
    for (const name of "abcd") queue.enter(program(name));
    queue.change({ ...LIMITS, concurrency: 3 });
    assert.equal(story.at(-1), "c begins");
    queue.change({ ...LIMITS, concurrency: 1 });
    queue.release();
    queue.release();
    assert.equal(story.length, 3);
    queue.release();
    assert.equal(story.at(-1), "d begins");
  });

  it("tells each request one thing, whatever happens", () => {
    const step = fc.constantFrom("enter", "leave", "release", "wait");
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const { queue, story, clock, program } = open();
        const all: WaitingProgram[] = [];
        for (const one of steps) {
          if (one === "enter") {
            const next = program(String(all.length));
            all.push(next);
            queue.enter(next);
          } else if (one === "leave") queue.leave(all.at(-1) ?? program(""));
          else if (one === "release" && queue.running > 0) queue.release();
          else if (one === "wait") {
            clock.now += 400;
            queue.refuseLate();
          }
          assert(queue.running <= LIMITS.concurrency && queue.waiting <= LIMITS.queue);
          assert(queue.waiting === 0 || queue.running === LIMITS.concurrency);
        }
        const names = story.map((line) => line.split(" ")[0]);
        assert.equal(new Set(names).size, names.length);
      }),
    );
  });
});
