// What the service manager is told, and when it is not.

import assert from "node:assert/strict";
import { test } from "node:test";

import { SdNotify, watchdogMs } from "../../src/supervisor/sd-notify.ts";

test("sends ready, reloading and stopping, with the process id and the right clock", () => {
  const told: string[] = [];
  const service = new SdNotify({ NOTIFY_SOCKET: "/run/x" }, (text) => told.push(text));
  const before = process.hrtime.bigint() / 1000n;
  service.ready("serves app:app\nat a");
  service.reloading();
  service.draining(28_500);
  service.stopping();
  const [ready = "", reloading = "", draining = "", stopping = ""] = told;
  assert.equal(ready, `READY=1\nMAINPID=${process.pid}\nSTATUS=serves app:app at a`);
  const [, at = "0"] = /^RELOADING=1\nMONOTONIC_USEC=(\d+)\n/.exec(reloading) ?? [];
  assert(BigInt(at) >= before && BigInt(at) <= process.hrtime.bigint() / 1000n, reloading);
  assert.match(draining, /^STOPPING=1\nEXTEND_TIMEOUT_USEC=28500000\nSTATUS=not ready/);
  assert.match(stopping, /^STOPPING=1\n/);
  service.close();
});

test("sends nothing without a service manager", () => {
  for (const environment of [{}, { NOTIFY_SOCKET: "" }, { WATCHDOG_USEC: "1000" }]) {
    const service = new SdNotify(environment, (text) => assert.fail(text));
    service.ready("x");
    service.reloading();
    service.stopping();
    service.close();
  }
});

for (const [why, environment, expected] of [
  ["not asked for", {}, null],
  ["half of the time", { WATCHDOG_USEC: "30000000" }, 15_000],
  ["meant for us", { WATCHDOG_USEC: "3000000", WATCHDOG_PID: "77" }, 1500],
  ["an empty process means any", { WATCHDOG_USEC: "3000000", WATCHDOG_PID: "" }, 1500],
  ["meant for another", { WATCHDOG_USEC: "3000000", WATCHDOG_PID: "78" }, null],
  ["no number", { WATCHDOG_USEC: "soon" }, null],
  ["zero", { WATCHDOG_USEC: "0" }, null],
  ["less than a timer can", { WATCHDOG_USEC: "1" }, 1],
  ["more than a timer can", { WATCHDOG_USEC: "99999999999999999" }, 2_147_483_647],
] as const) {
  test(`the watchdog: ${why}`, () => assert.equal(watchdogMs(environment, 77), expected));
}
