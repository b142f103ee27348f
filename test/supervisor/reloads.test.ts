// Reloads of a server in service: who waits for which, and what the log says.

import assert from "node:assert/strict";
import { test } from "node:test";

import { Log } from "../../src/observe/log.ts";
import type { ReloadOutcome } from "../../src/supervisor/reloads.ts";
import { OperatorError } from "../../src/config/operator-error.ts";
import { Reloads } from "../../src/supervisor/reloads.ts";
import { scratchSink } from "../observe/scratch-log.ts";

/** Reloads whose loads end when the test says so. */
function makeReloads(): {
  reloads: Reloads;
  /** The loads that have begun. */
  loads: PromiseWithResolvers<string | null>[];
  readLog: () => Promise<string>;
} {
  const { sink, read } = scratchSink();
  const loads: PromiseWithResolvers<string | null>[] = [];
  const reloads = new Reloads(
    () => {
      const load = Promise.withResolvers<string | null>();
      loads.push(load);
      return load.promise;
    },
    new Log(sink, { level: "info", format: "json" }),
  );
  return { reloads, loads, readLog: read };
}

function eventsOf(log: string): string[] {
  return [...log.matchAll(/"event":"([^"]+)"/g)].map(([, event = ""]) => event);
}

test("the outcome of a reload goes to the caller and to the log", async () => {
  const { reloads, loads, readLog } = makeReloads();
  const first = reloads.request("SIGHUP");
  loads[0]?.resolve(null);
  assert.equal((await first).kind, "reloaded");
  const second = reloads.request("SIGHUP");
  loads[1]?.resolve("Traceback\nNameError: x");
  const outcome = await second;
  assert(outcome.kind === "failed");
  assert.equal(outcome.text, "Traceback\nNameError: x");
  const log = await readLog();
  assert.deepEqual(
    eventsOf(log),
    "server.reloading server.reloaded server.reloading server.reload-failed".split(" "),
  );
  assert.match(log, /NameError: x/);
});

test("requests that come during a load share the next load", async () => {
  const { reloads, loads } = makeReloads();
  const first = reloads.request("a");
  const later = [reloads.request("b"), reloads.request("c")];
  assert.equal(loads.length, 1);
  loads[0]?.resolve(null);
  assert.equal((await first).kind, "reloaded");
  assert.equal(loads.length, 2);
  loads[1]?.resolve("no");
  for (const outcome of await Promise.all(later)) assert.equal(outcome.kind, "failed");
  assert.equal(loads.length, 2);
});

test('when the server stops, waiting requests get "stopped" and the load is not logged', async () => {
  const { reloads, loads, readLog } = makeReloads();
  const waiting = [reloads.request("a"), reloads.request("b")];
  reloads.close();
  const stopped: ReloadOutcome = { kind: "stopped" };
  assert.deepEqual(await Promise.all(waiting), [stopped, stopped]);
  loads[0]?.resolve("killed");
  assert.deepEqual(await reloads.request("c"), stopped);
  assert.equal(loads.length, 1);
  assert.deepEqual(eventsOf(await readLog()), ["server.reloading"]);
});

test("a mistake of the operator is told apart from code that does not load", async () => {
  const { reloads, loads, readLog } = makeReloads();
  const asked = reloads.request("a");
  loads[0]?.reject(new OperatorError("typhon.toml:3: workers '0' …"));
  const outcome = await asked;
  assert(outcome.kind === "failed" && outcome.isMistake);
  assert.equal(outcome.text, "typhon.toml:3: workers '0' …");
  assert.match(await readLog(), /the configuration has a mistake/);
});

test("a load that rejects counts as failed", async () => {
  const { reloads, loads } = makeReloads();
  const asked = reloads.request("a");
  loads[0]?.reject(new Error("no launcher"));
  const outcome = await asked;
  assert(outcome.kind === "failed");
  assert.match(outcome.text, /no launcher/);
});
