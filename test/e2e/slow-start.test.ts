// A start that takes long says what it waits for; the application here loads until the test lets it go on.

import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";

import { getOnce } from "../support/raw-client.ts";
import { makeScratch } from "../support/scratch.ts";
import { Typhon, withDefaults } from "../support/typhon.ts";

test("a start of more than 2 s names the worker, its process and the limit", async (t) => {
  const folder = makeScratch(t);
  const gate = join(folder, "go-on");
  writeFileSync(
    join(folder, "slow.py"),
    `import os, time\nwhile not os.path.exists(${JSON.stringify(gate)}):\n    time.sleep(0.01)\n` +
      "def app(environ, start_response):\n    start_response('204 No Content', [])\n    return []\n",
  );
  const typhon = new Typhon(withDefaults(["slow:app", "--app-dir", folder, "--workers", "1"]), {});
  t.after(() => typhon.kill());
  const [line, pid = ""] = await typhon.output.waitFor(
    /not ready after 2 s: worker 1 \(process (\d+)\) loads slow:app, \d+(?:\.\d+)? s of that on a CPU; the limit is 120 s \(--start-timeout\)/,
  );
  assert.ok(
    typhon.workers().some((worker) => String(worker.pid) === pid),
    line,
  );
  writeFileSync(gate, "");
  await typhon.waitForStart();
  assert.equal((await getOnce(typhon, "/")).status, 204);
  await typhon.stop();
});
