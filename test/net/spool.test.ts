// Bytes between a fast writer and a slow client: order, limits, backpressure. Real files.

import assert from "node:assert/strict";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, it } from "node:test";

import { MemoryBudget } from "../../src/net/memory-budget.ts";
import { Spool, SPOOL_MEMORY_BYTES } from "../../src/net/spool.ts";
import { makeTempFolder } from "../support/temp-files.ts";

const CHUNK = 65_536;

/** A chunk whose every 4 bytes tell its place in the stream. */
function chunkAt(index: number): Buffer {
  const chunk = Buffer.alloc(CHUNK);
  for (let i = 0; i < CHUNK; i += 4) chunk.writeUInt32LE(index * (CHUNK / 4) + i / 4, i);
  return chunk;
}

describe("Spool", () => {
  let parent = "";
  beforeEach(async () => {
    parent = await mkdtemp(join(tmpdir(), "spool-"));
  });
  afterEach(() => rm(parent, { recursive: true }));

  function open(
    maxFileBytes: number,
    isClientFull: boolean,
    budget = new MemoryBudget(1e9),
    maxBytes = Infinity,
  ) {
    const folder = makeTempFolder(parent, maxBytes);
    const got: Buffer[] = [];
    const state = {
      room: isClientFull ? 0 : Infinity,
      accepted: 0,
      hasEnded: false,
      isTight: false,
    };
    const ended = Promise.withResolvers<void>();
    const failed = Promise.withResolvers<Error>();
    const spool = new Spool({
      folder,
      budget,
      maxFileBytes,
      write: (chunk) => {
        got.push(chunk);
        state.room -= 1;
        return state.room > 0;
      },
      isTight: () => state.isTight,
      end: () => {
        state.hasEnded = true;
        ended.resolve();
      },
      accept: (bytes) => {
        state.accepted += bytes;
      },
      fail: (error) => failed.resolve(error),
    });
    if (!isClientFull) spool.drain();
    return { spool, folder, got, state, ended: ended.promise, failed: failed.promise };
  }

  async function until(condition: () => boolean): Promise<void> {
    for (let i = 0; i < 2000 && !condition(); i += 1)
      await new Promise((resolve) => setTimeout(resolve, 1));
    assert.ok(condition(), "the awaited state never came");
  }

  function expectOrder(got: readonly Buffer[], chunks: number): void {
    const all = Buffer.concat(got);
    assert.equal(all.length, chunks * CHUNK);
    for (let at = 0; at < all.length; at += CHUNK / 2) assert.equal(all.readUInt32LE(at), at / 4);
  }

  it("passes large chunks on in small pieces where memory is short", async () => {
    const { spool, got, state, ended } = open(1e9, true);
    state.isTight = true;
    spool.push(Buffer.concat([0, 1, 2].map(chunkAt)));
    state.room = 2;
    spool.drain();
    assert.deepEqual(
      got.map(({ length }) => length),
      [CHUNK, CHUNK],
    );
    state.isTight = false;
    state.room = Infinity;
    spool.drain();
    spool.push(Buffer.concat([3, 4].map(chunkAt)));
    assert.equal(got.at(-1)?.length, 2 * CHUNK);
    spool.end();
    await ended;
    expectOrder(got, 5);
  });

  it("joins pieces of one byte, so that they take no more memory than their bytes", async () => {
    const { spool, got, state, ended } = open(1e9, true);
    const count = SPOOL_MEMORY_BYTES + 100_000;
    for (let at = 0; at < count; at += 1) spool.push(Buffer.from([at & 255]));
    spool.end();
    state.room = Infinity;
    spool.drain();
    await ended;
    assert.ok(got.length < 200, `${got.length} buffers`);
    const all = Buffer.concat(got);
    assert.equal(all.length, count);
    assert.ok(all.every((byte, at) => byte === (at & 255)));
    assert.equal(state.accepted, count);
  });

  it("passes bytes straight through while the client keeps up", async () => {
    const { spool, got, state, ended } = open(1e9, false);
    for (let i = 0; i < 40; i += 1) spool.push(chunkAt(i));
    spool.end();
    await ended;
    expectOrder(got, 40);
    assert.equal(state.accepted, 40 * CHUNK);
    assert.deepEqual(await readdir(parent), []);
  });

  it("keeps the order through memory and file, and gives every byte once", async () => {
    const { spool, got, state, ended } = open(1e9, true);
    for (let i = 0; i < 100; i += 1) spool.push(chunkAt(i));
    spool.end();
    await until(() => state.accepted === 100 * CHUNK);
    assert.equal(got.length, 0);
    while (!state.hasEnded) {
      state.room = 3;
      spool.drain();
      await new Promise((resolve) => setImmediate(resolve));
    }
    await ended;
    expectOrder(got, 100);
  });

  it("keeps the order while bytes come and go at once", async () => {
    const { spool, got, state, ended } = open(1e9, true);
    for (let i = 0; i < 200; i += 1) {
      spool.push(chunkAt(i));
      if (i % 7 === 0) {
        state.room = 4;
        spool.drain();
      }
      if (i % 5 === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    spool.end();
    while (!state.hasEnded) {
      state.room = 5;
      spool.drain();
      await new Promise((resolve) => setImmediate(resolve));
    }
    await ended;
    expectOrder(got, 200);
    assert.equal(state.accepted, 200 * CHUNK);
  });

  it("lets the writer wait when the file is full, until the client has caught up", async () => {
    const { spool, got, state, ended } = open(4 * CHUNK, true);
    const inMemory = SPOOL_MEMORY_BYTES / CHUNK;
    for (let i = 0; i < inMemory + 6; i += 1) spool.push(chunkAt(i));
    await until(() => spool.isHeld);
    assert.ok(state.accepted < (inMemory + 6) * CHUNK);
    spool.end();
    while (!state.hasEnded) {
      state.room = 2;
      spool.drain();
      await new Promise((resolve) => setImmediate(resolve));
    }
    await ended;
    expectOrder(got, inMemory + 6);
    assert.equal(state.accepted, (inMemory + 6) * CHUNK);
    assert.equal(spool.isHeld, false);
  });

  it("goes to the file at once when all spools together hold too much", async () => {
    const budget = new MemoryBudget(2 * CHUNK);
    const { spool, got, state, ended } = open(1e9, true, budget);
    for (let i = 0; i < 10; i += 1) spool.push(chunkAt(i));
    await until(() => state.accepted === 10 * CHUNK);
    assert.equal(budget.hasRoom, false);
    spool.end();
    state.room = Infinity;
    spool.drain();
    await ended;
    expectOrder(got, 10);
    assert.equal(budget.hasRoom, true);
  });

  it("lets the writer wait when all temporary files together are full, and gives every byte", async () => {
    const { spool, folder, got, state, ended } = open(1e9, true, new MemoryBudget(0), 8 * CHUNK);
    for (let i = 0; i < 16; i += 1) spool.push(chunkAt(i));
    await until(() => spool.isHeld);
    assert.ok(state.accepted < 16 * CHUNK);
    spool.end();
    while (!state.hasEnded) {
      state.room = 2;
      spool.drain();
      await new Promise((resolve) => setImmediate(resolve));
    }
    await ended;
    expectOrder(got, 16);
    assert.equal(state.accepted, 16 * CHUNK);
    assert.equal(spool.isHeld, false);
    await folder.remove();
  });

  it("gives the response up when held bytes pass the hard limit of memory", async () => {
    const budget = new MemoryBudget(0, 4 * CHUNK);
    const { spool, failed } = open(1e9, true, budget, 0);
    for (let i = 0; i < 5; i += 1) spool.push(chunkAt(i));
    assert.equal((await failed).name, "Error");
    assert.equal(budget.isOverdrawn, false);
    spool.push(chunkAt(5));
    budget.take(4 * CHUNK);
    assert.equal(budget.isOverdrawn, false, "everything was given back");
  });

  it("says so when no folder can be made", async () => {
    const folder = makeTempFolder("/proc/self/status");
    const failed = Promise.withResolvers<Error>();
    const spool = new Spool({
      folder,
      budget: new MemoryBudget(0),
      maxFileBytes: 1e9,
      write: () => false,
      isTight: () => false,
      end: () => undefined,
      accept: () => undefined,
      fail: (error) => failed.resolve(error),
    });
    spool.push(chunkAt(0));
    assert.match((await failed.promise).message, /ENOTDIR/);
  });

  it("leaves nothing behind when it is destroyed in the middle", async () => {
    const budget = new MemoryBudget(CHUNK);
    const { spool, folder } = open(1e9, true, budget);
    for (let i = 0; i < 30; i += 1) spool.push(chunkAt(i));
    await new Promise((resolve) => setImmediate(resolve));
    spool.destroy();
    await until(() => budget.hasRoom);
    await folder.remove();
    assert.deepEqual(await readdir(parent), []);
  });
});
