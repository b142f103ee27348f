// The figures of wrk are accepted only if every request succeeded.

import assert from "node:assert/strict";
import { test } from "node:test";
import { parseWrk } from "../wrk.ts";

const OUTCOME = {
  requests: 2000,
  micros: 2_000_000,
  bytes: 4000,
  p50: 1500,
  p99: 9000,
  max: 12_000,
  refused: 0,
  socketErrors: 0,
  timeouts: 0,
};

function print(changed: Partial<typeof OUTCOME>): string {
  return `Running 2s test\n  2 threads\n${JSON.stringify({ ...OUTCOME, ...changed })}\n`;
}

test("reads the outcome in the output of wrk, in milliseconds", () => {
  assert.deepEqual(parseWrk(print({})), {
    requests: 2000,
    requestsPerSecond: 1000,
    p50: 1.5,
    p99: 9,
    max: 12,
    bytesEach: 2,
  });
});

test("refuses a run with one response that is no success, one broken connection or one timeout", () => {
  assert.throws(() => parseWrk(print({ refused: 1 })), /1 failed/);
  assert.throws(() => parseWrk(print({ socketErrors: 1 })), /1 failed/);
  assert.throws(() => parseWrk(print({ timeouts: 1 })), /1 failed/);
});

test("refuses a run without a response or without an outcome", () => {
  assert.throws(() => parseWrk(print({ requests: 0 })), /no response/);
  assert.throws(() => parseWrk("unable to connect\n"), /no outcome/);
});
