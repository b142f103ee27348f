// When a load that lasts is told of. Time is given.

import assert from "node:assert/strict";
import { it } from "node:test";

import { LoadWatch } from "../../src/workers/load-watch.ts";

function tell(watch: LoadWatch, from: number, until: number, step: number): string[] {
  const told: string[] = [];
  for (let now = from; now <= until; now += step) {
    const due = watch.due(now);
    if (due !== "none") told.push(`${due} ${watch.lastedMs(now)}`);
  }
  return told;
}

it("says after 1 s that a load has begun, then every 5 s that it lasts", () => {
  const watch = new LoadWatch();
  watch.begin(500);
  assert.deepEqual(tell(watch, 500, 16_000, 100), [
    "begun 1000",
    "lasts 5000",
    "lasts 10000",
    "lasts 15000",
  ]);
});

it("says nothing twice after a pause of the whole machine", () => {
  const watch = new LoadWatch();
  watch.begin(0);
  assert.deepEqual(tell(watch, 7_300, 20_000, 4_300), ["begun 7300", "lasts 11600", "lasts 15900"]);
});

it("begins anew with each load", () => {
  const watch = new LoadWatch();
  watch.begin(0);
  tell(watch, 0, 12_000, 100);
  watch.begin(20_000);
  assert.deepEqual(tell(watch, 20_000, 22_000, 100), ["begun 1000"]);
});
