// The requests of others while something goes wrong: a page of the application and a file, at a constant rate,
// before the fault and during it. Nobody else may notice the fault.

import { get } from "./client.ts";
import { OpenLoad } from "./open-load.ts";
import type { Subject } from "./subject.ts";
import { counts, type Stage } from "./trial.ts";

/** Has to be in the folder that is served as /files. */
export const SMALL_FILE = "small.txt";
const PER_SECOND = 60;
/** On two cores a busy neighbour delays by its share of them alone; a blocked front by much more. */
const MAX_FACTOR = 3;
const MAX_MORE_MS = 30;
const PAGES = ["/quick", `/files/${SMALL_FILE}`] as const;

/** 99th percentiles, by page. */
type Latencies = readonly number[];

/** Asks for the pages without a fault, then during `fault`; every request gets 200, and the p99 stay as they were. */
export async function expectUndisturbed(
  stage: Stage,
  subject: Subject,
  fault: () => Promise<() => Promise<void>>,
): Promise<void> {
  const { verdict } = stage;
  const before = await ask(stage, subject);
  const end = await fault();
  const during = await ask(stage, subject);
  await end();
  for (const [at, page] of PAGES.entries()) {
    const [calm = 0, busy = 0] = [before[at], during[at]];
    verdict.figure(`p99 of ${page}`, calm, "ms");
    verdict.figure(`p99 of ${page} meanwhile`, busy, "ms");
    verdict.expectInTime(
      busy <= Math.max(calm * MAX_FACTOR, calm + MAX_MORE_MS),
      `the p99 of ${page} rose from ${calm.toFixed(1)} to ${busy.toFixed(1)} ms`,
    );
  }
}

async function ask(stage: Stage, { port }: Subject): Promise<Latencies> {
  const { verdict } = stage;
  const seconds = counts(stage, 1.5, 5, 10);
  const loads = PAGES.map(
    (page) =>
      new OpenLoad({
        port,
        request: get(page),
        perSecond: PER_SECOND,
        seconds,
        maxConnections: 200,
        patienceMs: 20_000,
      }),
  );
  await Promise.all(loads.map((load) => load.run()));
  for (const [at, load] of loads.entries())
    verdict.expect(
      load.count("200") === load.offered,
      `${PAGES[at] ?? ""} of others: ${load.tellOutcomes()}`,
    );
  return loads.map((load) => load.percentile("200", 0.99));
}
