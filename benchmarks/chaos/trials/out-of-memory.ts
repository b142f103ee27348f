// A worker that takes all the memory of its control group: the kernel ends it, and not the front. Control
// groups are made by systemd, which is the way that every distribution supports.

import { execFileSync } from "node:child_process";

import { until } from "../../../test/support/deadline.ts";
import { isRunning } from "../../../test/support/processes.ts";
import { expectWhole } from "../aftermath.ts";
import { askOnce, post, tellAnswer } from "../client.ts";
import { counts, NotPossible, type Stage, type Trial } from "../trial.ts";

/** Several times what all processes of the server take. */
const MEMORY = "512M";
const MIN_PEAK_BYTES = 100 << 20;

export const OUT_OF_MEMORY: readonly Trial[] = [
  {
    name: "crash.out-of-memory",
    promise:
      "When a control group's memory is full a worker is ended, not the front: 502, the log tells its peak, another serves",
    servers: ["typhon"],
    whyNot: "which process the kernel ends is chance there",
    apps: ["raw", "asgi"],
    run,
  },
];

async function run(stage: Stage): Promise<void> {
  const { verdict } = stage;
  const rounds = counts(stage, 1, 3);
  const subject = await stage.start({ before: makeGroup() });
  for (let round = 1; round <= rounds; round += 1) {
    const workers = subject.workerPids();
    const answer = await askOnce(subject.port, post("/devour", "x"), 2 * subject.patienceMs);
    verdict.expect(answer.status === 502, `who took all memory got ${tellAnswer(answer)}`);
    verdict.expect(!subject.front.hasExited, "the front has ended");
    verdict.expect(workers.filter(isRunning).length === workers.length - 1, "not one worker ended");
    const ends = (): number => subject.events("worker.ended").length;
    await until("the log tells", () => ends() >= round, subject.patienceMs).catch(() => undefined);
    verdict.expect(ends() === round, `the log tells of ${ends()} ends`);
  }
  for (const { signal, peakRssBytes } of subject.events("worker.ended")) {
    verdict.expect(signal === 9, `it was ended by ${String(signal)}`);
    verdict.expect(Number(peakRssBytes) > MIN_PEAK_BYTES, `a peak of ${String(peakRssBytes)}`);
  }
  verdict.did = `${rounds} × a request that takes all memory of ${MEMORY}`;
  await expectWhole(subject, verdict, 50);
}

/** The words before a command that give it a control group of its own. */
function makeGroup(): string[] {
  const user = process.getuid?.() === 0 ? [] : ["--user"];
  const limits = ["-p", `MemoryMax=${MEMORY}`, "-p", "MemorySwapMax=0"];
  const words = ["systemd-run", ...user, "--scope", "--quiet", ...limits];
  // Else systemd ends the whole group when one of it was out of memory; before version 253 it does not.
  for (const more of [["-p", "OOMPolicy=continue"], []]) {
    try {
      execFileSync("systemd-run", [...words.slice(1), ...more, "true"], { stdio: "ignore" });
      return [...words, ...more];
    } catch {
      continue;
    }
  }
  throw new NotPossible("a control group of its own needs a running systemd");
}
