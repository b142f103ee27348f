// Which changes of a configuration hold only after a restart.

import assert from "node:assert/strict";
import { test } from "node:test";

import { load } from "../../src/config/load.ts";
import { restartNeeded } from "../../src/supervisor/restart-needed.ts";

const running = load(["app:app"], process.env, "/tmp");

test("changed listeners, logs and settings of the process are named as their options are", () => {
  const wanted = {
    ...running,
    listeners: { ...running.listeners, bind: [], keepAliveMs: 1 },
    logs: { ...running.logs, accessLog: "/tmp/access.log" },
    process: { ...running.process, health: !running.process.health },
  };
  assert.deepEqual(restartNeeded(running, wanted), ["bind", "keep-alive", "access-log", "health"]);
});

test("changed applications and routes need no restart", () => {
  const wanted = { ...load(["app:app"], process.env, "/tmp"), applications: [], routes: [] };
  assert.deepEqual(restartNeeded(running, wanted), []);
});
