// A start that takes long says what it waits for; the application here loads until the test lets it go on.

import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";

import { getOnce } from "../support/raw-client.ts";
import { makeScratch } from "../support/scratch.ts";
import { Typhon, withDefaults } from "../support/typhon.ts";

test("a start that lasts says what loads, and then what is being imported", async (t) => {
  const folder = makeScratch(t);
  const gate = join(folder, "go-on");
  writeFileSync(
    join(folder, "slow.py"),
    `import os, time\nwhile not os.path.exists(${JSON.stringify(gate)}):\n    time.sleep(0.01)\n` +
      "def app(environ, start_response):\n    start_response('204 No Content', [])\n    return []\n",
  );
  const typhon = new Typhon(withDefaults(["slow:app", "--app-dir", folder, "--workers", "1"]), {});
  t.after(() => typhon.kill());
  await typhon.output.waitFor(/slow:app is loading in 1 worker/);
  const [line, pid = ""] = await typhon.output.waitFor(
    /slow:app is still loading after 5 s: import of slow, at slow\.py:[23] \(process (\d+), \d+(?:\.\d+)? s on a CPU; the limit is 120 s: --start-timeout\)/,
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
