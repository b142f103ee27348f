// Calls outside of workers: how many run at once, how long, and what becomes of those that nobody can run.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";

import {
  HOOK_MS,
  HookRuns,
  LEAST_HOOK_MS,
  MAX_RUNNING_HOOKS,
  MAX_WAITING_HOOKS,
  type HookCall,
} from "../../src/workers/hook-runs.ts";
import { CHECKOUT } from "../support/scratch.ts";

function callOf(pid: number): HookCall {
  const place = { app: "shop:app", appDir: "/srv", cwd: "/srv", moved: {} };
  return { functions: ["shop:gone"], worker: 1, pid, place };
}

class Played {
  readonly started: number[] = [];
  readonly killed: number[] = [];
  readonly events: string[] = [];
  hasLauncher = true;
  readonly runs = new HookRuns(
    {
      start: (id) => {
        if (this.hasLauncher) this.started.push(id);
        return this.hasLauncher;
      },
      end: (id) => this.killed.push(id),
    },
    ({ pid }, outcome, text) => this.events.push(`${pid} ${outcome}: ${text}`),
  );

  add(count: number, now = 0): void {
    for (let pid = 1; pid <= count; pid += 1) void this.runs.run(callOf(pid), now);
  }
}

describe("HookRuns", () => {
  it("has the limits of docs/limits.md", () => {
    const page = readFileSync(join(CHECKOUT, "docs/limits.md"), "utf8");
    const row = `\`MAX_WAITING_HOOKS\` | ${HOOK_MS} ms | ${MAX_RUNNING_HOOKS} processes, and ${MAX_WAITING_HOOKS} calls`;
    assert(page.includes(row), row);
    assert(page.includes(`at least ${LEAST_HOOK_MS} ms`));
  });

  it("tells the outcome of a call and its output", async () => {
    const { runs, events } = new Played();
    const done = runs.run(callOf(1), 0);
    const failed = runs.run(callOf(2), 0);
    assert(!runs.isIdle);
    runs.ended(1, true, "bye", 5);
    runs.ended(2, false, "oh", 5);
    runs.ended(2, true, "twice", 5);
    assert(runs.isIdle);
    assert.deepEqual(await Promise.all([done, failed]), [
      ["done", "bye"],
      ["failed", "oh"],
    ]);
    assert.deepEqual(events, ["1 done: bye", "2 failed: oh"]);
  });

  it("lets only so many run at once", () => {
    const played = new Played();
    played.add(MAX_RUNNING_HOOKS + 2);
    assert.equal(played.started.length, MAX_RUNNING_HOOKS);
    played.runs.ended(1, true, "", 5);
    assert.equal(played.started.length, MAX_RUNNING_HOOKS + 1);
  });

  it("kills a call that takes too long, once, counted from its start", () => {
    const played = new Played();
    played.hasLauncher = false;
    played.add(1, 0);
    played.hasLauncher = true;
    played.runs.resume(5000);
    played.runs.tick(5000 + HOOK_MS - 1);
    assert.deepEqual(played.killed, []);
    played.runs.tick(5000 + HOOK_MS);
    played.runs.tick(5000 + HOOK_MS + 100);
    assert.deepEqual(played.killed, [1]);
    played.runs.ended(1, false, "began", 20_000);
    assert.deepEqual(played.events, ["1 late: began"]);
  });

  it("keeps for the next launcher what has not begun, and what has begun is lost", () => {
    const played = new Played();
    played.add(MAX_RUNNING_HOOKS + 1);
    played.hasLauncher = false;
    played.runs.launcherEnded();
    assert.equal(played.events.length, MAX_RUNNING_HOOKS);
    assert.equal(played.events[0], "1 lost: its launcher ended");
    played.hasLauncher = true;
    played.runs.resume(1);
    assert.equal(played.started.length, MAX_RUNNING_HOOKS + 1);
  });

  it("drops a call for which there is no room", () => {
    const played = new Played();
    played.hasLauncher = false;
    played.add(MAX_WAITING_HOOKS + 1);
    assert.deepEqual(played.events, [
      `${MAX_WAITING_HOOKS + 1} lost: more than ${MAX_WAITING_HOOKS} calls wait`,
    ]);
  });

  it("gives up what runs and what waits", () => {
    const played = new Played();
    played.add(MAX_RUNNING_HOOKS + 1);
    played.runs.giveUp();
    assert(played.runs.isIdle);
    assert.equal(played.killed.length, MAX_RUNNING_HOOKS);
    assert.equal(played.events.length, MAX_RUNNING_HOOKS + 1);
    assert.equal(played.events.at(-1), "5 lost: the application stops");
  });
});
