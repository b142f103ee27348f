// Every case of test/vectors/http1.json in every mode, over real sockets, against a front in this process.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { MODES, readCases, runCase } from "../support/http1-cases.ts";
import { type RecordingFront, startRecordingFront } from "../support/recording-front.ts";

let front: RecordingFront;
before(async () => {
  front = await startRecordingFront();
});
after(() => front.close());

/** Cases under way at the same time: those that wait do so together. */
const CONCURRENCY = 32;

for (const mode of MODES) {
  test(`every case comes out right, ${mode}`, async () => {
    const failures: string[] = [];
    const rest = [...readCases()];
    assert.ok(rest.length > 200, "the cases are there");
    const runner = async (): Promise<void> => {
      for (let one = rest.shift(); one !== undefined; one = rest.shift()) {
        try {
          await runCase(front, one, mode);
        } catch (error) {
          failures.push(`${one.id}: ${error instanceof Error ? error.message : String(error)}`);
        }
      }
    };
    await Promise.all(Array.from({ length: CONCURRENCY }, runner));
    assert.deepEqual(failures, []);
  });
}
