// What may be open, with limits of the test's: who is refused first, and what the process keeps for itself.

import assert from "node:assert/strict";
import { test } from "node:test";

import { OpenFiles, readLimit } from "../../src/net/open-files.ts";

function make(limit: number, workers = 2) {
  const state = { connections: 0, idle: 0, measured: 0 as number | null };
  const files = new OpenFiles({
    limit,
    workers,
    connections: () => state.connections,
    closeIdle: (count) => {
      const closed = Math.min(count, state.idle);
      state.idle -= closed;
      state.connections -= closed;
      return closed;
    },
    measure: () => state.measured,
  });
  return { files, state };
}

test("reads the process's limit and counts its descriptors", () => {
  assert.ok(readLimit() >= 64);
  const files = new OpenFiles({ limit: 8, workers: 0, connections: () => 2, closeIdle: () => 0 });
  assert.equal(files.mayOpen(), false, "this process has more than 8 open");
});

test("a tenth of the limit is kept, or what the start of all workers needs, at most a quarter", () => {
  for (const [limit, workers, usable] of [
    [10_000, 2, 9000],
    [1024, 2, 921],
    [1024, 30, 768],
    [160, 2, 120],
    [400, 8, 304],
    [Infinity, 4, Infinity],
  ] as const)
    assert.equal(make(limit, workers).files.usable, usable, `${limit}, ${workers} workers`);
});

test("more workers after a reload have a larger reserve", () => {
  const { files } = make(1000, 2);
  assert.equal(files.usable, 900);
  files.expectWorkers(28);
  assert.equal(files.usable, make(1000, 28).files.usable);
  assert(files.usable < 900);
});

test("connections, files and links are counted one by one, and all else is measured", () => {
  const { files, state } = make(1024);
  state.measured = 40;
  for (let count = 0; count < 500; count += 1) {
    assert.ok(files.mayOpen());
    files.opening();
    files.opened();
  }
  state.connections = 400;
  assert.equal(files.mayOpen(), true);
  state.connections = 421;
  assert.equal(files.mayOpen(), false);
  assert.equal(files.isFull, false);
  state.connections = 421 + 40;
  assert.equal(files.isFull, true);
  for (let count = 0; count < 500; count += 1) {
    files.closing();
    files.closed();
  }
  assert.ok(files.mayOpen());
});

test("a measurement while files are being opened never counts too few others", () => {
  const { files, state } = make(400, 0);
  state.connections = 60;
  for (let count = 0; count < 60; count += 1) files.opening();
  // 40 others; none of the 60 has its descriptor yet.
  state.measured = 100;
  assert.ok(files.mayOpen());
  state.connections = 260;
  assert.equal(files.mayOpen(), false);
  for (let count = 0; count < 60; count += 1) files.opened();
  state.measured = 260 + 60 + 40;
  state.connections = 260;
  assert.equal(files.mayOpen(), false);
});

test("idle connections are closed for a descriptor", () => {
  const { files, state } = make(1000);
  state.connections = 900;
  state.idle = 15;
  assert.ok(files.mayOpen());
  assert.equal(state.connections, 890);
  state.connections = 900;
  assert.ok(files.mayOpen());
  state.connections = 900;
  assert.equal(files.mayOpen(), false);
});

test("a measurement that fails at the limit says nothing: the last one holds", () => {
  const { files, state } = make(1000);
  state.connections = 500;
  state.measured = 800;
  assert.ok(files.mayOpen());
  state.measured = null;
  state.connections = 600;
  for (let count = 0; count < 300; count += 1) assert.equal(files.mayOpen(), false);
});
