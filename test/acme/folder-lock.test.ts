// The lock of the state folder, held by other processes, processes that are gone, and damaged files.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";

import { FolderLock, HeldLock } from "../../src/acme/folder-lock.ts";
import { until } from "../support/deadline.ts";
import { FakeTime } from "../support/fake-time.ts";
import { makeScratch, type Scope } from "../support/scratch.ts";

function setUp(scope: Scope) {
  const folder = makeScratch(scope);
  const time = new FakeTime(0, 0);
  const path = join(folder, "a.lock");
  return { folder, time, path, lock: () => new FolderLock(path, time) };
}

async function take(lock: FolderLock): Promise<HeldLock> {
  const held = await lock.take();
  assert(held instanceof HeldLock, "held by another one");
  return held;
}

test("one of many that take a lock at once has it, the next after its release", async (t) => {
  const { lock, folder } = setUp(t);
  const results = await Promise.all(Array.from({ length: 20 }, async () => await lock().take()));
  const held = results.filter((one) => one instanceof HeldLock);
  assert.equal(held.length, 1);
  assert.match(String(results.find((one) => typeof one === "string")), /process \d+ on |another/);
  await held[0]?.release();
  assert.deepEqual(readdirSync(folder), []);
  await (await take(lock())).release();
});

test("a lock whose process is gone is taken over at once", async (t) => {
  const { lock, path } = setUp(t);
  const child = spawn(process.execPath, ["-e", ""], { stdio: "ignore" });
  await once(child, "exit");
  const held = await take(lock());
  const ours: unknown = JSON.parse(readFileSync(path, "utf8"));
  assert(typeof ours === "object");
  await held.release();
  writeFileSync(path, JSON.stringify({ ...ours, id: "gone", pid: child.pid }));
  await (await take(lock())).release();
});

test("a lock of another machine is taken over when it has not changed for 90 seconds", async (t) => {
  const { lock, path, time } = setUp(t);
  const other = { id: "x", host: "b.example", pid: 1, place: "another boot", beat: 0 };
  const mine = lock();
  for (let beat = 0; beat < 10; beat += 1) {
    writeFileSync(path, JSON.stringify({ ...other, beat }));
    await time.advance(60_000);
    assert.equal(await mine.take(), "process 1 on b.example");
  }
  await time.advance(89_000);
  assert.equal(typeof (await mine.take()), "string");
  await time.advance(2000);
  await (await take(mine)).release();
});

test("a damaged lock is taken over when it has not changed for 90 seconds", async (t) => {
  const { lock, path, time } = setUp(t);
  for (const text of ["", "{", "null", '{"id":1}']) {
    writeFileSync(path, text);
    const mine = lock();
    assert.equal(await mine.take(), "another process");
    await time.advance(91_000);
    await (await take(mine)).release();
  }
});

test("one of many that see an abandoned lock takes it over", async (t) => {
  const { lock, path, time, folder } = setUp(t);
  writeFileSync(path, JSON.stringify({ id: "x", host: "b", pid: 1, place: "", beat: 0 }));
  const locks = Array.from({ length: 10 }, lock);
  for (const one of locks) assert.equal(await one.take(), "process 1 on b");
  await time.advance(91_000);
  const results = await Promise.all(locks.map(async (one) => await one.take()));
  const held = results.filter((one) => one instanceof HeldLock);
  assert(held.length >= 1);
  // Whoever was quick holds the file; no other believes for longer than a beat that it does.
  await time.advance(16_000);
  await until(
    "only one holder is left",
    () => held.filter((one) => !one.lost.aborted).length === 1,
  );
  for (const one of held) await one.release();
  assert.deepEqual(readdirSync(folder), []);
});

test("a holder beats, and learns that its lock was taken over", async (t) => {
  const { lock, path, time } = setUp(t);
  const held = await take(lock());
  const before = readFileSync(path, "utf8");
  await until("it waits for its beat", () => time.waiting === 1);
  await time.advance(15_000);
  await until("a beat", () => readFileSync(path, "utf8") !== before);
  assert(!held.lost.aborted);
  writeFileSync(path, before.replace(/"id":"[^"]+"/, '"id":"other"'));
  await until("it waits for its beat", () => time.waiting === 1);
  await time.advance(15_000);
  await until("the loss is known", () => held.lost.aborted);
  await held.release();
  assert.match(readFileSync(path, "utf8"), /other/);
});
