// Which stream sends next (RFC 9218).

import assert from "node:assert/strict";
import { test } from "node:test";

import fc from "fast-check";

import { DEFAULT_PRIORITY, nextStream, readPriority } from "../../src/http2/priority.ts";

const stream = (id: number, value = "", isReady = true) => ({
  id,
  isReady,
  priority: readPriority(value),
});

/** The ids in the order in which they send, one frame each time. */
function order(streams: readonly ReturnType<typeof stream>[], frames: number): number[] {
  const ids: number[] = [];
  for (let last = 0; ids.length < frames;) {
    const next = nextStream(streams, last);
    if (next === null) break;
    last = next.id;
    ids.push(last);
  }
  return ids;
}

test("reads urgency and incremental, and ignores what it does not know", () => {
  const read = (value: string): string => {
    const { urgency, isIncremental } = readPriority(value);
    return `${urgency}${isIncremental ? "i" : ""}`;
  };
  const values: Record<string, string> = {
    "": "3",
    "u=0": "0",
    "u=7, i": "7i",
    "i,u=1": "1i",
    "i=?1": "3i",
    "i, i=?0": "3",
    "u=8": "3",
    "u=-1": "3",
    "u=1.0": "3",
    "x=1;y, u=2;z=1": "2",
    "u=1, u=5": "5",
  };
  for (const [value, expected] of Object.entries(values))
    assert.equal(read(value), expected, value);
  assert.equal(read(`u=0,${" ".repeat(100)}`), "3");
  assert.deepEqual(readPriority(""), DEFAULT_PRIORITY);
});

test("the most urgent stream that is ready sends first", () => {
  assert.deepEqual(order([stream(1), stream(3, "u=1"), stream(5, "u=1")], 2), [3, 3]);
  assert.deepEqual(order([stream(1), stream(3, "u=1", false)], 1), [1]);
  assert.deepEqual(order([stream(1, "", false)], 1), []);
});

test("incremental streams take turns, also with the first of the others", () => {
  const streams = [stream(1, "i"), stream(3, "i"), stream(5), stream(7), stream(9, "i")];
  assert.deepEqual(order(streams, 9), [1, 3, 5, 9, 1, 3, 5, 9, 1]);
});

test("no stream of the best urgency waits for ever", () => {
  const any = fc.record({ urgency: fc.nat(7), isIncremental: fc.boolean(), isReady: fc.boolean() });
  fc.assert(
    fc.property(fc.array(any, { maxLength: 20 }), (given) => {
      const streams = given.map(({ urgency, isIncremental, isReady }, index) => ({
        id: 2 * index + 1,
        isReady,
        priority: { urgency, isIncremental },
      }));
      const ready = streams.filter(({ isReady }) => isReady);
      const best = Math.min(...ready.map(({ priority }) => priority.urgency));
      const sent = new Set(order(streams, 2 * streams.length));
      const group = ready.filter(({ priority }) => priority.urgency === best);
      const first = group.find(({ priority }) => !priority.isIncremental);
      const expected = group.filter((one) => one.priority.isIncremental || one === first);
      assert.deepEqual(
        [...sent].sort((a, b) => a - b),
        expected.map(({ id }) => id),
      );
    }),
  );
});
