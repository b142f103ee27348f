// A worker that takes all the memory of its control group: the kernel ends it, and not the front.

import { until } from "../../../test/support/deadline.ts";
import { isRunning } from "../../../test/support/processes.ts";
import { expectWhole } from "../aftermath.ts";
import { askOnce, post, tellAnswer } from "../client.ts";
import { limitMemory } from "../control-group.ts";
import { counts, type Stage, type Trial } from "../trial.ts";

/** Several times what all processes of the server take. */
const MEMORY_BYTES = 512 << 20;
const MIN_PEAK_BYTES = 100 << 20;

export const OUT_OF_MEMORY: readonly Trial[] = [
  {
    name: "crash.out-of-memory",
    promise:
      "When the memory of a control group is full, the kernel ends a worker and not the main process: 502, the log has the worker's peak memory, another worker serves",
    servers: ["typhon"],
    whyNot: "for the other servers it is chance which process the kernel ends",
    apps: ["raw", "asgi"],
    short: ["raw"],
    run,
  },
];

async function run(stage: Stage): Promise<void> {
  const { verdict } = stage;
  const rounds = counts(stage, 1, 3);
  const subject = await stage.start({ before: limitMemory(stage, MEMORY_BYTES) });
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
  verdict.did = `${rounds} × a request that takes all memory of 512 MiB`;
  await expectWhole(subject, verdict, 50);
}
