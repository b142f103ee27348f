// Reloads during development, and the warm-up of new workers.

import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

import { until } from "../../../test/support/deadline.ts";
import { clockMs } from "../../load/arrivals.ts";
import { median } from "../../statistics.ts";
import { expectWhole, expectWorkers } from "../aftermath.ts";
import { askOnce, get, tellAnswer } from "../client.ts";
import { ClosedLoad } from "../closed-load.ts";
import { killProcess } from "../subject.ts";
import { counts, isPlain, type Stage, type Trial } from "../trial.ts";

/** The promise, of a small application. */
const MAX_SAVED_MS = 300;

export const NEW_CODE: readonly Trial[] = [
  {
    name: "reload.development",
    promise:
      "With --reload the code of a saved file is served at once, no request fails meanwhile, and code that does not load is shown as a page until it is fixed",
    servers: ["typhon"],
    whyNot: "the other servers refuse connections while they load, or have no such option",
    apps: ["raw", "flask", "asgi", "fastapi"],
    run: runDevelopment,
  },
  {
    name: "reload.warm-up",
    promise: "--warmup: no worker serves a client before it has run the warm-up path",
    servers: ["typhon"],
    whyNot: "no other server has such an option",
    apps: ["raw", "flask", "asgi", "fastapi"],
    run: runWarmUp,
  },
];

async function runDevelopment(stage: Stage): Promise<void> {
  const { verdict } = stage;
  const saves = counts(stage, 3, 10);
  const watched = join(stage.folder, "watched");
  mkdirSync(watched);
  const save = (): void => writeFileSync(join(watched, "saved.py"), `SAVED = ${clockMs()}\n`);
  save();
  const subject = await stage.start({
    workers: 1,
    extras: { typhon: ["--reload", `--reload-dir=${watched}`] },
  });
  const load = new ClosedLoad({ port: subject.port, keptAlive: 1, fresh: 1, requests: Infinity });
  load.pauseMs = 10;
  const going = load.run();
  const answerAfter = async (wanted: string): Promise<number> => {
    const since = clockMs();
    save();
    for (;;) {
      const answer = await askOnce(subject.port, get("/quick"), subject.patienceMs);
      if (answer.body.includes(wanted)) return answer.status === 200 ? clockMs() - since : 0;
      if (clockMs() - since > subject.patienceMs) {
        verdict.expect(false, `"${wanted}" was not answered, but ${tellAnswer(answer)}`);
        return 0;
      }
      await sleep(5);
    }
  };
  const times: number[] = [];
  for (let at = 1; at <= saves; at += 1) {
    subject.notes.setVersion(`v${at}`);
    times.push(await answerAfter(`quick v${at} `));
  }
  load.stop();
  await going;
  verdict.expect(load.failed === 0, `others failed: ${load.tellFailures()}`);
  subject.notes.setFault("raise");
  const shown = await answerAfter("this version does not load");
  verdict.expect(shown === 0, "code that does not load was answered with 200");
  subject.notes.setFault("");
  subject.notes.setVersion("mended");
  await answerAfter("quick mended ");
  verdict.did = `${saves} saves, one that does not load, one that mends it; ${load.asked} other requests`;
  verdict.figure("from a save to the new code's answer", median(times), "ms");
  // A framework's import alone takes longer.
  const isInTime = median(times) <= MAX_SAVED_MS || !isPlain(stage.app);
  verdict.expectInTime(isInTime, `it took ${median(times).toFixed(0)} ms`);
}

async function runWarmUp(stage: Stage): Promise<void> {
  const { verdict } = stage;
  const rounds = counts(stage, 1, 5);
  const cold = new Set<string>();
  const subject = await stage.start({ extras: { typhon: ["--warmup", "/warm"] } });
  const known = new Set<string>();
  const load = new ClosedLoad({
    port: subject.port,
    keptAlive: 3,
    fresh: 1,
    requests: Infinity,
    isRight: ({ status, body }) => {
      const pid = body.split(" ")[2] ?? "";
      if (status === 200 && !known.has(pid)) {
        known.add(pid);
        if (!subject.notes.lines("warm").includes(pid)) cold.add(pid);
      }
      // Requests of a killed worker are judged by the trials of crashes.
      return status === 200 || status === 502;
    },
  });
  load.pauseMs = 5;
  const going = load.run();
  for (let round = 0; round < rounds; round += 1) {
    const seen = known.size;
    subject.signal("SIGHUP");
    await until("the new workers answer", () => known.size > seen, subject.patienceMs);
    // An old worker that is killed while it leaves is not replaced.
    await expectWorkers(subject, verdict);
    const [victim = 0] = subject.workerPids();
    const starts = subject.notes.starts().length;
    killProcess(victim);
    const isReplaced = (): boolean => subject.notes.starts().length > starts;
    await until("the killed one is replaced", isReplaced, subject.patienceMs);
  }
  await expectWhole(subject, verdict, 50);
  // The kernel wakes which worker it likes: the load goes on until a new one has answered.
  await until("a new worker answers", () => known.size > subject.workers, subject.patienceMs).catch(
    () => undefined,
  );
  load.stop();
  await going;
  verdict.did = `${rounds} reloads and kills, ${load.asked} requests, answers of ${known.size} workers`;
  verdict.expect(load.failed === 0, `others failed: ${load.tellFailures()}`);
  verdict.expect(cold.size === 0, `${cold.size} workers answered before they were warm`);
  verdict.expect(known.size > subject.workers, `only ${known.size} workers answered`);
}
