// A worker that sends what no worker may send ends, and only that worker: the front goes on and a new
// worker takes its place.

import { test } from "node:test";
import assert from "node:assert/strict";

import { until } from "../support/deadline.ts";
import { getOnce } from "../support/raw-client.ts";
import { startTyphon } from "../support/typhon.ts";

for (const path of ["/garbage", "/huge", "/unknown", "/headless", "/half"]) {
  test(`a worker that breaks the protocol (${path}) ends, and the front serves on`, async (t) => {
    const typhon = await startTyphon(t, ["vandal:app", "--workers", "2", "--threads", "1"]);
    const before = new Set(typhon.workers().map(({ pid }) => pid));
    const broken = await getOnce(typhon, path);
    assert.equal(broken.status, 502);
    await until("two workers again", () => {
      const now = typhon.workers().map(({ pid }) => pid);
      return now.length === 2 && now.some((pid) => !before.has(pid));
    });
    for (let i = 0; i < 4; i += 1) assert.equal((await getOnce(typhon, "/")).status, 200);
  });
}
