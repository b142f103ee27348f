// Many requests with unique ids while workers are killed at random: each must get exactly one response, and
// none may be run twice. The application notes each run by one O_APPEND write before it responds
// (test/apps/gate.py, /count): the file shows each run, also of workers that were killed.

import assert from "node:assert/strict";
import { createReadStream, existsSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";

import { RawClient } from "./raw-client.ts";
import type { Typhon } from "./typhon.ts";

export interface NeverTwiceOptions {
  /** How many requests, over all clients. */
  readonly requests: number;
  /** Connections that ask one request after the other. */
  readonly clients: number;
  /** A worker is killed after so many answers. */
  readonly answersPerKill: number;
  /** Seed of the random choice of workers to kill, printed with a failure. */
  readonly seed: number;
}

export interface NeverTwiceResult {
  readonly answered: Readonly<Record<number, number>>;
  readonly kills: number;
  /** Runs that the application has noted. */
  readonly runs: number;
}

/** Runs the load and checks it; returns figures to print. */
export async function checkNeverTwice(
  typhon: Typhon,
  folder: string,
  options: NeverTwiceOptions,
): Promise<NeverTwiceResult> {
  const { requests, clients, answersPerKill, seed } = options;
  const statusOf = new Uint16Array(requests + 1);
  const answered: Record<number, number> = {};
  let next = 0;
  let count = 0;
  let kills = 0;
  let random = seed;

  const killOne = (): void => {
    const victims = typhon.workers();
    random = (Math.imul(random, 1_103_515_245) + 12_345) >>> 0;
    const victim = victims[(random >>> 8) % Math.max(1, victims.length)];
    if (victim === undefined) return;
    process.kill(victim.pid, "SIGKILL");
    kills += 1;
  };

  const askAll = async (): Promise<void> => {
    let client = await RawClient.connect(typhon);
    while (next < requests) {
      next += 1;
      const id = next;
      const { status, text, fields } = await client.get(`/count?${id}`);
      assert.equal(statusOf[id], 0, `request ${id} was answered twice`);
      if (status === 200) assert.equal(text, String(id), "the answer of another request");
      statusOf[id] = status;
      answered[status] = (answered[status] ?? 0) + 1;
      count += 1;
      if (count % answersPerKill === 0) killOne();
      if (fields.get("connection")?.includes("close") === true) {
        client.destroy();
        client = await RawClient.connect(typhon);
      }
    }
    client.destroy();
  };

  await Promise.all(Array.from({ length: clients }, askAll));
  assert.equal(count, requests, "unanswered requests");
  const runs = await countRuns(join(folder, "runs"), requests, statusOf);
  return { answered, kills, runs };
}

async function countRuns(path: string, requests: number, statusOf: Uint16Array): Promise<number> {
  assert(existsSync(path), "nothing was run");
  const runsOf = new Uint8Array(requests + 1);
  let runs = 0;
  for await (const line of createInterface({ input: createReadStream(path) })) {
    const id = Number(line.split(" ")[0]);
    assert(Number.isInteger(id) && id >= 1 && id <= requests, `a run of nothing: ${line}`);
    runsOf[id] = (runsOf[id] ?? 0) + 1;
    runs += 1;
  }
  for (let id = 1; id <= requests; id += 1) {
    const times = runsOf[id] ?? 0;
    assert(times <= 1, `request ${id} was run ${times} times`);
    if (statusOf[id] === 200) assert.equal(times, 1, `request ${id} got 200 and was not run`);
    else assert.equal(statusOf[id], 502, `request ${id} got ${statusOf[id]}`);
  }
  return runs;
}
