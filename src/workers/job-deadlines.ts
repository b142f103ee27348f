// Which jobs of a pool are late or lost, found at each tick of the coarse clock. When a worker took a request
// that has no response yet is known from the workers' notes alone; they are read only for jobs that are old
// enough.
//
// A worker clears a note after it has sent the response, and the front reads what was sent before the next
// tick. So a job is without a note only if it had none at two ticks.

import type { Job } from "./job.ts";
import type { Note } from "./page.ts";

/** Time for an abandoned request to end after its worker has cancelled it. */
const CANCEL_MS = 1000;

/** The number of the worker that has noted a job, and its note. */
export type Found = readonly [worker: number, note: Note];

export class JobDeadlines {
  readonly #leastTimeoutMs: number;
  /** Jobs whose page was taken, as a fence has proved, by a worker that is not known. */
  readonly #suspects = new Set<Job>();
  /** Jobs that are late or lost and had no note at the last tick. */
  #unnoted = new Set<Job>();

  /** `leastTimeoutMs`: the shortest time limit of all jobs; Infinity if none has one. */
  constructor(leastTimeoutMs: number) {
    this.#leastTimeoutMs = leastTimeoutMs;
  }

  /**
   * A fence has been taken; `jobs` were written before it, and no worker is known to have them. The response
   * of such a job may have been lost with a broken channel: the worker clears the note when the kernel has the
   * last frame, and the front reads nothing behind the bytes that broke the protocol. So neither the notes nor
   * the end of that worker tell that it had the job.
   */
  suspect(jobs: readonly Job[]): void {
    for (const job of jobs) this.#suspects.add(job);
  }

  /**
   * Looks through the jobs, the oldest first. `overdue`: past their deadline. `unbegun`: past their start
   * deadline, and no worker has them. `lost`: taken by a worker, and will get no response. `startTimeoutMs`:
   * how long a job may wait to be begun. `note` finds a job's note by its id.
   */
  find(
    jobs: readonly Job[],
    now: number,
    startTimeoutMs: number,
    note: (id: number) => Found | undefined,
  ): { readonly overdue: Job[]; readonly unbegun: Job[]; readonly lost: Job[] } {
    const lost = this.#findLost(note);
    const overdue: Job[] = [];
    const unbegun: Job[] = [];
    for (const job of jobs) {
      // Ids grow with time: all jobs that follow are younger.
      if (now - job.submittedAt < Math.min(startTimeoutMs, this.#leastTimeoutMs)) break;
      if (!isUnanswered(job)) continue;
      if (job.takenAt === 0) enterNote(job, note(job.id), now);
      if (job.takenAt > 0 && isLate(job, now)) overdue.push(job);
      else if (job.takenAt === 0 && now - job.submittedAt >= startTimeoutMs) unbegun.push(job);
    }
    for (const job of jobs)
      if (job.state === "responding" && isStalled(job, now)) overdue.push(job);
    const before = this.#unnoted;
    this.#unnoted = new Set([...lost, ...unbegun]);
    const hadNone = (job: Job): boolean => before.has(job);
    return { overdue, unbegun: unbegun.filter(hadNone), lost: lost.filter(hadNone) };
  }

  #findLost(note: (id: number) => Found | undefined): Job[] {
    for (const job of this.#suspects) {
      const isKnown = job.worker !== 0 || !isUnanswered(job) || note(job.id) !== undefined;
      if (isKnown) this.#suspects.delete(job);
    }
    return [...this.#suspects];
  }
}

/** Enters what a note says about a job: which worker has it, and since when. */
export function enterNote(job: Job, found: Found | undefined, now: number): void {
  if (found === undefined) return;
  const [worker, note] = found;
  // A worker notes the time right after it has read the page: a note without one is new. A note that the
  // application has damaged may have any time.
  const isTime = note.takenAt > job.submittedAt && note.takenAt < now;
  job.take(worker, isTime ? note.takenAt : now);
}

/** Whether nobody waits for the job, and it has a time of its own from there on. */
export function mayOutliveClient({ state, request }: Job): boolean {
  return state === "abandoned" && request.abandonTimeoutMs !== null;
}

/** Since when the time of a job counts that a worker has. */
export function sinceWhen(job: Job): number {
  if (job.state === "responding") return job.lastBytesAt;
  return mayOutliveClient(job) ? job.abandonedAt : job.takenAt;
}

function isLate(job: Job, now: number): boolean {
  const { timeoutMs, abandonTimeoutMs } = job.request;
  // The worker cancels an abandoned request itself; late is one that does not end then.
  if (mayOutliveClient(job)) return isPast(abandonTimeoutMs ?? 0, sinceWhen(job), now - CANCEL_MS);
  return isPast(timeoutMs, sinceWhen(job), now);
}

function isUnanswered(job: Job): boolean {
  return job.state === "queued" || job.state === "abandoned";
}

function isStalled(job: Job, now: number): boolean {
  return isPast(job.request.gapTimeoutMs, job.lastBytesAt, now) && !job.listener.isHeldByClient();
}

function isPast(timeoutMs: number, since: number, now: number): boolean {
  return timeoutMs > 0 && now - since >= timeoutMs;
}
