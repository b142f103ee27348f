// An application whose process ends again and again after a good start: few starts, honest responses,
// little processor time, and service as soon as the application is mended.

import { setTimeout as sleep } from "node:timers/promises";

import { clockMs } from "../../load/arrivals.ts";
import { ClosedLoad } from "../closed-load.ts";
import { askOnce, get, tellAnswer } from "../client.ts";
import { killProcess, type Subject } from "../subject.ts";
import { counts, SERVER_NAMES, type Stage, type Trial } from "../trial.ts";

const LOOPS = [
  ["exit-soon", "0.1 s after it is loaded"],
  ["exit", "at its import"],
] as const;

/** Starts in at most 10 s, each worker's counted: pauses of 0.1 s that double allow 8. */
const MAX_STARTS = 12;
/** A request that waits for longer gets 503 with Retry-After. */
const QUEUE_SECONDS = 1;
/** Share of one core. */
const MAX_CPU = 0.4;
/** The longest pause between starts, and a start. */
const MENDED_MS = 60_000;

export const CRASH_LOOP: readonly Trial[] = LOOPS.map(([fault, words]) => ({
  name: `crash.loop-${fault}`,
  promise: `An application that ends ${words} is restarted less and less often, without a busy CPU; clients get 503 with Retry-After; it serves when its code is fixed`,
  servers: SERVER_NAMES,
  whyNot: "",
  apps: ["raw", "asgi"],
  run: (stage) => runLoop(stage, fault),
}));

async function runLoop(stage: Stage, fault: string): Promise<void> {
  const { verdict } = stage;
  const seconds = counts(stage, 2, 6, 10);
  const waiting = ["--queue-timeout", String(QUEUE_SECONDS)];
  const subject = await stage.start({ extras: { typhon: waiting } });
  subject.notes.setFault(fault);
  for (const pid of subject.workerPids()) killProcess(pid);
  const before = {
    starts: subject.notes.starts().length,
    cpu: subject.cpuSeconds(),
    at: clockMs(),
  };
  const load = new ClosedLoad({ port: subject.port, keptAlive: 8, fresh: 8, requests: Infinity });
  load.pauseMs = 20;
  const going = load.run();
  await sleep(seconds * 1000);
  const passed = (clockMs() - before.at) / 1000;
  const starts = subject.notes.starts().length - before.starts;
  const cpu = Math.max(0, subject.cpuSeconds() - before.cpu) / passed;
  subject.notes.setFault("");
  load.stop();
  const mendedMs = await untilServed(subject);
  await going;
  verdict.did = `${seconds} s, ${load.asked} requests: ${load.right} × 200, ${load.tellFailures()}`;
  verdict.figure("starts", starts, "");
  verdict.figure("processor", cpu, "cores");
  verdict.expect(starts <= MAX_STARTS, `${starts} starts in ${seconds} s`);
  verdict.expect(starts >= 1, "no start at all");
  verdict.expectInTime(cpu <= MAX_CPU, `${cpu.toFixed(2)} cores were busy with starting`);
  expectHonest(stage, load);
  if (mendedMs === null) verdict.expect(false, "never served again after it was mended");
  else verdict.figure("served after it was mended", mendedMs, "ms");
}

/** 200 while a worker lives, 502 where it died of it, else 503 that says when to come again. */
function expectHonest({ verdict }: Stage, load: ClosedLoad): void {
  for (const [what, count] of load.failures)
    verdict.expect(what === "502" || what === "503", `${count} requests: ${what}`);
  verdict.expect(load.failures.has("503"), "no request got 503 with Retry-After");
}

async function untilServed(subject: Subject): Promise<number | null> {
  const since = clockMs();
  while (clockMs() - since < MENDED_MS) {
    const answer = await askOnce(subject.port, get("/quick"));
    if (tellAnswer(answer) === "200") return clockMs() - since;
    await sleep(50);
  }
  return null;
}
