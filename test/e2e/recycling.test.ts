// Workers that are replaced though nothing is wrong: no request notices. And what a new worker does
// before it takes requests.

import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";

import { until } from "../support/deadline.ts";
import { Gate } from "../support/gate.ts";
import { getOnce, RawClient } from "../support/raw-client.ts";
import { makeScratch } from "../support/scratch.ts";
import { runTyphon, startTyphon, withDefaults } from "../support/typhon.ts";

test("--max-requests replaces workers under load without a failed request", async (t) => {
  const limits = ["--max-requests", "50", "--max-requests-jitter", "10"];
  const { typhon } = await Gate.start(t, ["--workers", "2", ...limits]);
  const pids = new Set<string>();
  const ask = async (): Promise<void> => {
    const client = await RawClient.connect(typhon);
    while (pids.size < 8) {
      const answer = await client.get("/nap?ms=1");
      assert.equal(answer.status, 200);
      pids.add(answer.text);
    }
    client.destroy();
  };
  await Promise.all(Array.from({ length: 8 }, ask));
  await typhon.output.waitFor(/worker \d+ is replaced: it has run \d+ requests/);
});

test("--max-rss replaces a worker", async (t) => {
  const { typhon } = await Gate.start(t, ["--workers", "1", "--max-rss", "1M"]);
  await typhon.output.waitFor(/is replaced: it holds \d+ MiB of memory/);
});

test("--warmup asks each new worker before it takes requests", async (t) => {
  const folder = makeScratch(t);
  writeFileSync(
    join(folder, "lazy.py"),
    [
      "seen = []",
      "def app(environ, start_response):",
      "    path = environ['PATH_INFO'] + '?' + environ['QUERY_STRING']",
      "    if path == '/broken?': raise RuntimeError('not yet')",
      "    start_response('200 OK', [('Content-Type', 'text/plain')])",
      "    answer = ' '.join(seen).encode()",
      "    seen.append(path)",
      "    return [answer]",
    ].join("\n"),
  );
  const typhon = await startTyphon(t, [
    "lazy:app",
    "--app-dir",
    folder,
    "--workers",
    "1",
    "--warmup",
    "/first?a=1",
    "--warmup",
    "/broken",
    "--warmup",
    "/second",
  ]);
  assert.equal((await getOnce(typhon, "/")).text, "/first?a=1 /second?");
  await typhon.output.waitFor(/RuntimeError: not yet/);
});

test("--start-timeout ends a start that hangs", async (t) => {
  const folder = makeScratch(t);
  writeFileSync(join(folder, "endless.py"), "import time\ntime.sleep(600)\n");
  const run = await runTyphon(
    withDefaults(["endless:app", "--app-dir", folder, "--start-timeout", "0.5"]),
  );
  assert.equal(run.code, 3);
  assert.match(run.stderr, /did not load within 0\.5 s \(--start-timeout\)/);
});

test("--max-age replaces a worker, which finishes what it runs", async (t) => {
  const gate = await Gate.start(t, ["--workers", "1", "--max-age", "0.5"]);
  const { client, pid } = await gate.hold("long");
  await until(
    "another serves",
    async () => (await getOnce(gate.typhon, "/quick")).text !== `quick ${pid}`,
  );
  gate.release("long");
  assert.equal((await client.readResponse()).text, `held long ${pid}`);
  client.destroy();
});
