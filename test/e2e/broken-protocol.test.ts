// A worker that sends what no worker may send ends, and only that worker: the log says what was wrong, the
// front goes on, and a new worker takes its place.

import assert from "node:assert/strict";
import { before, test } from "node:test";

import { until } from "../support/deadline.ts";
import { FILE } from "../support/file-scope.ts";
import { getOnce } from "../support/raw-client.ts";
import { startTyphon, type Typhon } from "../support/typhon.ts";

/** So many that one is left for each page, however slowly the others are replaced. */
const WORKERS = 8;
let typhon: Typhon;

before(async () => {
  typhon = await startTyphon(FILE, ["vandal:app", "--workers", String(WORKERS), "--threads", "1"]);
});

for (const [page, reason] of [
  // The first: the frame names request 1.
  ["/headless", "broke the protocol: a HEAD frame without a head"],
  ["/garbage", "broke the protocol: a frame of 4294967295 bytes"],
  ["/huge", "broke the protocol: a frame of 4294967295 bytes"],
  ["/unknown", "broke the protocol: a frame of type 127"],
  // This one ends its process by itself: its end may be known before its last bytes have been read.
  ["/half", "broke the protocol: the channel ended inside a frame|ended with exit code 1"],
] as const) {
  test(`a worker that breaks the protocol (${page}) ends, and the front serves on`, async () => {
    const from = typhon.output.all.length;
    const earlier = typhon.workers().map(({ pid }) => pid);
    assert.equal((await getOnce(typhon, page)).status, 502);
    const fault = new RegExp(`ERROR worker \\d+:? (?:${reason}) `);
    await typhon.output.waitFor(fault, from);
    await until("one worker has gone", () => {
      const now = new Set(typhon.workers().map(({ pid }) => pid));
      return earlier.filter((pid) => !now.has(pid)).length >= 1;
    });
    for (let count = 0; count < 4; count += 1)
      assert.equal((await getOnce(typhon, "/")).status, 200);
  });
}

test("each of these workers is replaced", async () => {
  await until("all workers again", () => typhon.workers().length === WORKERS);
});
