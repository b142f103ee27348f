// The hook program: how it is called, and each way in which it can fail.

import assert from "node:assert/strict";
import { chmodSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";

import { DnsHook, DnsHookError } from "../../src/acme/dns-hook.ts";
import { until } from "../support/deadline.ts";
import { makeScratch, type Scope } from "../support/scratch.ts";

const CALL = {
  action: "present",
  domain: "example.com",
  record: "_acme-challenge.example.com",
  value: "a b;$(id)",
} as const;

function makeHook(scope: Scope, script: string, timeoutMs = 60_000) {
  const folder = makeScratch(scope);
  const program = join(folder, "hook");
  writeFileSync(program, `#!/bin/sh\ncd "$(dirname "$0")"\n${script}\n`);
  chmodSync(program, 0o755);
  const environment = { PATH: process.env["PATH"], SECRET: "1", DNS_HOOK_TOKEN: "t", HOME: "/h" };
  return { folder, program, hook: new DnsHook({ program, environment, timeoutMs }) };
}

async function failure(promise: Promise<void>): Promise<string> {
  const error = await promise.then(
    () => null,
    (reason: unknown) => reason,
  );
  assert(error instanceof DnsHookError, "it did not fail");
  return error.message;
}

test("gets four arguments, and of the environment what it needs", async (t) => {
  const { hook, folder } = makeHook(t, `printf '%s\\n' "$@" > args; env > env; cat > input`);
  await hook.run(CALL);
  assert.equal(
    readFileSync(join(folder, "args"), "utf8"),
    "present\nexample.com\n_acme-challenge.example.com\na b;$(id)\n",
  );
  const env = readFileSync(join(folder, "env"), "utf8");
  assert.match(env, /^DNS_HOOK_TOKEN=t$/m);
  assert.match(env, /^HOME=\/h$/m);
  assert.doesNotMatch(env, /SECRET/);
  assert.equal(readFileSync(join(folder, "input"), "utf8"), "");
});

test("a failure tells the exit code and the end of standard error, in one printable line", async (t) => {
  const { hook, program } = makeHook(
    t,
    `head -c 100000 /dev/zero | tr '\\0' x >&2; printf '\\nno \\033[1mzone\\r\\n\\n' >&2; exit 3`,
  );
  const message = await failure(hook.run(CALL));
  assert(message.startsWith(`${program} present example.com: exit code 3: xxx`));
  assert.match(message, /x \| no \?\[1mzone\?$/);
  assert(message.length < 700 + program.length);
});

test("a program that is missing, or may not be run, is told", async (t) => {
  const { folder } = makeHook(t, "");
  writeFileSync(join(folder, "plain"), "");
  for (const [name, code] of [
    ["none", "ENOENT"],
    ["plain", "EACCES"],
  ] as const) {
    const hook = new DnsHook({ program: join(folder, name), environment: {} });
    assert.match(await failure(hook.run(CALL)), new RegExp(`cannot be started: ${code}$`));
  }
});

test("a program that takes too long ends, with the processes that it has started", async (t) => {
  const { hook, folder } = makeHook(
    t,
    `sleep 1000 & echo $! > child; trap '' TERM; wait; wait`,
    300,
  );
  const message = await failure(hook.run(CALL));
  assert.match(message, /not done within 0\.3 s/);
  const child = Number(readFileSync(join(folder, "child"), "utf8"));
  await until("the child is gone", () => isGone(child));
});

test("a process that keeps standard error open does not hold the hook", async (t) => {
  const { hook, folder } = makeHook(t, `sleep 1000 & echo $! > child; exit 0`);
  await hook.run(CALL);
  process.kill(Number(readFileSync(join(folder, "child"), "utf8")));
});

test("close() ends what runs", async (t) => {
  const { hook, folder } = makeHook(t, `echo $$ > self; sleep 1000`);
  const failed = failure(hook.run(CALL));
  await until("it runs", () => {
    try {
      return readFileSync(join(folder, "self"), "utf8") !== "";
    } catch {
      return false;
    }
  });
  await hook.close();
  assert.match(await failed, /ended by SIGTERM/);
});

function isGone(pid: number): boolean {
  try {
    const state = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1] ?? "";
    return state.startsWith("Z");
  } catch {
    return true;
  }
}
