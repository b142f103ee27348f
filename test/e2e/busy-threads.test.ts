// All threads of Node's pool hang, as in calls to a disk that does not answer: the server serves on, and its end
// keeps its exit code. The threads hang because a module that is loaded beside the server opens a FIFO that nobody
// writes to.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";

import { within } from "../support/deadline.ts";
import { Gate } from "../support/gate.ts";
import { getOnce } from "../support/raw-client.ts";
import { makeScratch, type Scope } from "../support/scratch.ts";

async function startWithBusyThreads(scope: Scope): Promise<Gate> {
  const folder = makeScratch(scope);
  const path = (name: string): string => join(folder, name);
  execFileSync("mkfifo", [path("fifo")]);
  writeFileSync(
    path("hang.mjs"),
    `import { open } from "node:fs";
     process.on("SIGUSR2", () => {
       for (let count = 0; count < 6; count += 1) open(${JSON.stringify(path("fifo"))}, "r", () => {});
       process.stderr.write("hanging\\n");
     });`,
  );
  const script = `#!/bin/sh\n[ "$1" = --version ] && exec '${process.execPath}' --version\nexec '${process.execPath}' --import '${path("hang.mjs")}' "$@"\n`;
  writeFileSync(path("node"), script, { mode: 0o755 });
  const gate = await Gate.start(scope, ["--workers", "1"], { TYPHON_NODE: path("node") });
  gate.typhon.signal("SIGUSR2");
  await gate.typhon.output.waitFor(/^hanging$/m);
  return gate;
}

test("requests are served, and a stop ends with 0", async (t) => {
  const { typhon } = await startWithBusyThreads(t);
  assert.equal((await getOnce(typhon, "/")).status, 200);
  await typhon.stop();
});

test("a second signal ends the server at once, with its code", async (t) => {
  const gate = await startWithBusyThreads(t);
  const { client } = await gate.hold("held");
  gate.typhon.signal("SIGTERM");
  await gate.typhon.output.waitFor(/SIGTERM: finishing what runs/);
  gate.typhon.signal("SIGTERM");
  const exit = await within(10_000, gate.typhon.exited, "the server ends");
  client.destroy();
  assert.deepEqual(exit, { code: 143, signal: null });
});
