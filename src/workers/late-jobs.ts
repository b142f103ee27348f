// Which jobs of a pool are late, found at each tick of the coarse clock. Only the workers' notes know when
// a request was taken that has not begun to answer; they are looked at only for jobs that are old enough.

import { monotonic } from "./clock.ts";
import type { Job } from "./job.ts";
import type { Note } from "./page.ts";

/** The worker that has noted a job, and its note. */
export type Found = readonly [worker: number, note: Note];

export interface LateOptions {
  /** All jobs, the oldest first. */
  readonly jobs: readonly Job[];
  /** Until when a job may be begun, seconds. */
  readonly latest: (job: Job) => number;
  /** The shortest time that any job has, seconds; Infinity: none has one. */
  readonly leastTimeout: number;
}

export interface LateJobs {
  /** Past their deadline. */
  readonly overdue: readonly Job[];
  /** Taken by nobody though their latest time is over. */
  readonly stranded: readonly Job[];
}

/** Looks through the jobs; `note` finds a job's note by its id. */
export function findLate(
  { jobs, latest, leastTimeout }: LateOptions,
  now: number,
  note: (id: number) => Found | undefined,
): LateJobs {
  const overdue: Job[] = [];
  const stranded: Job[] = [];
  for (const job of jobs) {
    const end = latest(job);
    // Ids grow with time: all that follow are younger.
    if (now < Math.min(end, job.submittedAt + leastTimeout)) break;
    if (job.state !== "queued" && job.state !== "abandoned") continue;
    if (job.takenAt === 0) locate(job, note(job.id));
    if (job.takenAt > 0 && isLate(job.timeout, job.takenAt, now)) overdue.push(job);
    // Its latest time is over, so nobody will begin it. Who has answered it meanwhile cleared the note
    // after sending: between two ticks that answer has been read.
    else if (job.takenAt === 0 && now >= end) {
      if (job.isMissed) stranded.push(job);
      job.isMissed = true;
    }
  }
  for (const job of jobs) if (job.state === "answering" && isStalled(job, now)) overdue.push(job);
  return { overdue, stranded };
}

/** Enters what a note says of a job. */
export function locate(job: Job, found: Found | undefined): void {
  if (found === undefined) return;
  const [worker, note] = found;
  job.worker = worker;
  // Between reading the page and noting the time there is next to nothing.
  job.takenAt = note.takenAt > job.submittedAt ? note.takenAt : monotonic();
}

function isStalled(job: Job, now: number): boolean {
  const { gapTimeout, lastBytesAt } = job;
  return lastBytesAt > 0 && isLate(gapTimeout, lastBytesAt, now) && !job.isHeldByClient();
}

function isLate(timeout: number, since: number, now: number): boolean {
  return timeout > 0 && now - since >= timeout;
}
