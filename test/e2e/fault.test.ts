// Faults of ours in callbacks and promises that no part catches: the server logs them and goes on. The Node
// that runs Typhon loads a module of the test's first, which makes the faults.

import assert from "node:assert/strict";
import { chmodSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";

import { until, within } from "../support/deadline.ts";
import { getOnce, RawClient } from "../support/raw-client.ts";
import { CHECKOUT, makeScratch } from "../support/scratch.ts";
import { startTyphon } from "../support/typhon.ts";

/** The command runs the build, or the sources where they are newer. */
const CONNECTIONS = ["src/http1/connection.ts", "dist/http1/connection.js"].map((path) =>
  join(CHECKOUT, path),
);

test("an error in a callback and a rejection that nobody handles are logged, and the server goes on", async (t) => {
  const folder = makeScratch(t);
  const faults = join(folder, "faults.mjs");
  writeFileSync(
    faults,
    `import { existsSync, rmSync } from "node:fs";
const when = ${JSON.stringify(join(folder, "now"))};
// The first connection that has a tick after that fails in each of them.
let broken = null;
for (const path of ${JSON.stringify(CONNECTIONS)}.filter((one) => existsSync(one))) {
  const { Http1Connection } = await import(path);
  const { tick } = Http1Connection.prototype;
  Http1Connection.prototype.tick = function (now) {
    if (existsSync(${JSON.stringify(join(folder, "tick"))})) broken ??= this;
    if (this === broken) throw new Error("a tick on purpose");
    tick.call(this, now);
  };
}
setInterval(() => {
  if (!existsSync(when)) return;
  rmSync(when);
  Promise.reject(new Error("a rejection on purpose"));
  throw new Error("an error on purpose");
}, 10).unref();
`,
  );
  const node = join(folder, "node");
  writeFileSync(node, `#!/bin/sh\nexec "${process.execPath}" --import "${faults}" "$@"\n`);
  chmodSync(node, 0o755);
  // Not of the test's scope: at the end of its scope a server with a fault in its log fails a test.
  let typhon: Awaited<ReturnType<typeof startTyphon>> | null = null;
  t.after(() => typhon?.kill());
  typhon = await startTyphon({ after: () => undefined }, ["raw:app", "--workers", "1"], {
    env: { TYPHON_NODE: node },
  });
  writeFileSync(join(folder, "now"), "");
  await typhon.output.waitFor(/a fault of Typhon: Error: an error on purpose/);
  await typhon.output.waitFor(/a fault of Typhon: Error: a rejection on purpose/);
  assert.equal((await getOnce(typhon, "/")).status, 200);
  const broken = await RawClient.connect(typhon);
  writeFileSync(join(folder, "tick"), "");
  await typhon.output.waitFor(/a fault of Typhon: Error: a tick on purpose/);
  await until("the connection with the fault is closed", () => broken.state !== "open");
  assert.equal((await getOnce(typhon, "/")).status, 200);
  typhon.signal("SIGTERM");
  assert.deepEqual(await within(20_000, typhon.exited, "the end"), { code: 0, signal: null });
});
