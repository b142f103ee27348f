// Processor time of process trees, with real processes: none may be lost or counted twice.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { test } from "node:test";
import { memoryOf, parseStat, readTree, selectTree, treeCpuSeconds } from "../process-tree.ts";

const process_ = (pid: number, parent: number, session: number) => ({
  pid,
  parent,
  session,
  cpuSeconds: 1,
});

test("reads the fields behind a name that holds spaces and parentheses", () => {
  const text = `42 (a ) R 1 (b) S 7 42 40 0 -1 4194304 1 2 3 4 150 50 25 75 20 0 1 0 99 1000 10`;
  assert.deepEqual(parseStat(text), { pid: 42, parent: 7, session: 40, cpuSeconds: 3 });
});

test("refuses what is not a stat line", () => {
  assert.equal(parseStat(""), null);
  assert.equal(parseStat("42 (half) S 1"), null);
});

test("finds descendants by parent, whatever the order, and nobody else", () => {
  const all = [
    process_(30, 20, 10),
    process_(20, 10, 10),
    process_(10, 1, 10),
    process_(99, 1, 99),
  ];
  assert.deepEqual(
    selectTree(all, [10]).map((one) => one.pid),
    [30, 20, 10],
  );
});

test("finds a daemon that init has adopted by its session, and one with its own by its parent", () => {
  const all = [process_(10, 1, 10), process_(50, 1, 10), process_(60, 10, 60)];
  assert.deepEqual(
    selectTree(all, [10]).map((one) => one.pid),
    [10, 50, 60],
  );
});

test("counts the processor time of children that have ended", async () => {
  // The shell itself does next to nothing; its child counts to a million and ends.
  const script = `python3 -c 'sum(range(20_000_000))'; echo done; read line`;
  const child = spawn("sh", ["-c", script], { detached: true, stdio: ["pipe", "pipe", "inherit"] });
  const root = child.pid ?? 0;
  try {
    await once(child.stdout, "data");
    const tree = readTree([root]);
    assert.deepEqual(
      tree.map((one) => one.pid),
      [root],
    );
    const seconds = treeCpuSeconds([root]);
    assert.ok(seconds > 0.1, `the ended child's time is missing: ${seconds} s`);
    const memory = memoryOf([root]);
    assert.ok(memory.rss > 0 && memory.pss > 0 && memory.pss <= memory.rss, JSON.stringify(memory));
  } finally {
    child.stdin.end();
    child.kill("SIGKILL");
    await once(child, "close");
  }
});
