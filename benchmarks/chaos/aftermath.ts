// Checks after a fault: every worker runs, every thread takes requests, and plain requests are answered.

import { until } from "../../test/support/deadline.ts";
import { ClosedLoad } from "./closed-load.ts";
import { holdRequests } from "./held-requests.ts";
import type { Subject } from "./subject.ts";
import type { Verdict } from "./trial.ts";

/** Time for a dead worker to be replaced; some servers wait seconds before they start one. */
const WORKERS_MS = 30_000;

/** Expects a whole server: so many requests answered, all workers, all threads free. */
export async function expectWhole(
  subject: Subject,
  verdict: Verdict,
  requests: number,
): Promise<void> {
  await expectWorkers(subject, verdict);
  const load = new ClosedLoad({
    port: subject.port,
    keptAlive: 3,
    fresh: 1,
    requests,
    patienceMs: subject.patienceMs,
  });
  await load.run();
  verdict.expect(
    load.failed === 0,
    `afterwards ${load.failed} of ${requests} plain requests failed (${load.tellFailures()})`,
  );
  await expectFreeThreads(subject, verdict);
}

/** Expects as many workers as it was started with. */
export async function expectWorkers(subject: Subject, verdict: Verdict): Promise<void> {
  const wanted = subject.workers;
  try {
    await until("all workers", () => subject.workerPids().length === wanted, WORKERS_MS);
  } catch {
    verdict.expect(false, `afterwards ${subject.workerPids().length} of ${wanted} workers ran`);
  }
}

/** Expects that every thread runs a request when twice as many are there. */
async function expectFreeThreads(subject: Subject, verdict: Verdict): Promise<void> {
  const threads = subject.workers * subject.threads;
  // Where the kernel deals connections out to the workers, many more are needed until each has enough.
  const count = (subject.server === "typhon" ? 2 : 8) * threads;
  const held = holdRequests(subject, { count, patienceMs: 2 * subject.patienceMs });
  const running = await held.waitForRunning(threads, subject.patienceMs);
  await held.release();
  verdict.expect(
    running >= threads,
    `afterwards only ${running} of ${threads} threads took requests`,
  );
}
