// The book of jobs, held against a Map over long stretches of ids.

import assert from "node:assert/strict";
import { test } from "node:test";

import fc from "fast-check";

import type { Job } from "../../src/workers/job.ts";
import { JobsById } from "../../src/workers/jobs-by-id.ts";
import { RecordedJob } from "../support/jobs.ts";

function jobOf(id: number): Job {
  const job = new RecordedJob();
  job.id = id;
  return job;
}

test("knows what a Map would know, in the same order, whatever comes and goes", () => {
  const steps = fc.array(
    fc.record({
      skipped: fc.integer({ min: 1, max: 3000 }),
      removed: fc.double({ min: 0, max: 1, noNaN: true }),
    }),
    { maxLength: 60 },
  );
  fc.assert(
    fc.property(steps, fc.integer({ min: 0, max: 10_000 }), (list, start) => {
      const book = new JobsById();
      const model = new Map<number, Job>();
      let id = start;
      for (const { skipped, removed } of list) {
        id += skipped;
        const job = jobOf(id);
        book.add(job);
        model.set(id, job);
        const victim = [...model.keys()][Math.floor(removed * model.size * 1.5)];
        if (victim !== undefined) {
          book.delete(victim);
          model.delete(victim);
        }
        book.delete(id + 1);
        assert.equal(book.size, model.size);
        assert.equal(book.get(victim ?? id + 1), undefined);
        assert.deepEqual(
          book.all().map((one) => one.id),
          [...model.keys()],
        );
        for (const [known, one] of model) assert.equal(book.get(known), one);
      }
    }),
    { numRuns: 200 },
  );
});

test("one that stays while a hundred thousand come and go is found", () => {
  const book = new JobsById();
  const first = jobOf(1);
  book.add(first);
  for (let id = 2; id < 100_000; id += 1) {
    book.add(jobOf(id));
    book.delete(id);
  }
  assert.equal(book.get(1), first);
  assert.deepEqual(book.all(), [first]);
  book.delete(1);
  assert.equal(book.size, 0);
});
