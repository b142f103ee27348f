// Jobs by their ids, held against a Map over long stretches of ids.

import assert from "node:assert/strict";
import { test } from "node:test";

import fc from "fast-check";

import type { Job } from "../../src/workers/job.ts";
import { JobsById } from "../../src/workers/jobs-by-id.ts";
import { RecordedRequest } from "../support/jobs.ts";

function jobOf(id: number): Job {
  const { job } = new RecordedRequest();
  job.submit(id, 0);
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
      const jobs = new JobsById();
      const model = new Map<number, Job>();
      let id = start;
      for (const { skipped, removed } of list) {
        id += skipped;
        const job = jobOf(id);
        jobs.add(job);
        model.set(id, job);
        const victim = [...model.keys()][Math.floor(removed * model.size * 1.5)];
        if (victim !== undefined) {
          jobs.delete(victim);
          model.delete(victim);
        }
        jobs.delete(id + 1);
        assert.equal(jobs.size, model.size);
        assert.equal(jobs.get(victim ?? id + 1), undefined);
        assert.deepEqual(
          jobs.all().map((one) => one.id),
          [...model.keys()],
        );
        for (const [known, one] of model) assert.equal(jobs.get(known), one);
      }
    }),
    { numRuns: 200 },
  );
});

test("one that stays while a hundred thousand come and go is found", () => {
  const jobs = new JobsById();
  const first = jobOf(1);
  jobs.add(first);
  for (let id = 2; id < 100_000; id += 1) {
    jobs.add(jobOf(id));
    jobs.delete(id);
  }
  assert.equal(jobs.get(1), first);
  assert.deepEqual(jobs.all(), [first]);
  jobs.delete(1);
  assert.equal(jobs.size, 0);
});
