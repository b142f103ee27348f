// A million requests with unique ids through four workers that are killed at random: no request is run
// twice, and every request gets a response. The same load as test/e2e/crash.test.ts, only longer.
//
//   node benchmarks/never-twice.ts [requests] [seed]

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { checkNeverTwice } from "../test/support/never-twice.ts";
import { startTyphon } from "../test/support/typhon.ts";

const requests = Number(process.argv[2] ?? 1_000_000);
const seed = Number(process.argv[3] ?? Date.now() % 1_000_000);

const undo: (() => Promise<void> | void)[] = [];
const folder = mkdtempSync(join(tmpdir(), "never-twice-"));
try {
  const typhon = await startTyphon(
    { after: (step) => void undo.push(step) },
    ["gate:app", "--workers", "4", "--threads", "2", "--queue-timeout", "60", "--retry", "off"],
    { env: { GATE_DIR: folder } },
  );
  const startedAt = performance.now();
  const options = { requests, clients: 32, answersPerKill: 5000, seed };
  const { answered, kills, runs } = await checkNeverTwice(typhon, folder, options);
  const seconds = (performance.now() - startedAt) / 1000;
  console.log(
    `${requests} requests, ${kills} kills, seed ${seed}: ${JSON.stringify(answered)} by status, ` +
      `${runs} runs, none twice; ${Math.round(requests / seconds)} requests/s`,
  );
} finally {
  for (const step of undo.toReversed()) await step();
  rmSync(folder, { recursive: true, force: true });
}
