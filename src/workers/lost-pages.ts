// Pages that went with a worker whose channel broke: its notes were cleared, because it had handed
// its answers over, but the front could not read them. A fence proves who is missing: once it has been
// taken, all pages before it have been; who was taken then, stands in no note, and has not answered
// after a while, will not.

import type { Job } from "./job.ts";

/** Frames that were sent before a note was cleared have been read after so long. Seconds. */
const IN_FLIGHT_SECONDS = 1;

interface Suspicion {
  readonly since: number;
  readonly jobs: readonly Job[];
  /** The time is over; what came meanwhile has been read before the next tick. */
  isDue: boolean;
}

export class LostPages {
  #suspicions: Suspicion[] = [];

  /** A fence has been taken; `jobs` were written before it and nothing is known of them. */
  suspect(jobs: readonly Job[], now: number): void {
    if (jobs.length > 0) this.#suspicions.push({ since: now, jobs, isDue: false });
  }

  /** The suspects that are lost by now: still without an answer, and in nobody's notes. */
  takeLost(now: number, isNoted: (job: Job) => boolean): readonly Job[] {
    if (this.#suspicions.length === 0) return [];
    const due = this.#suspicions.filter(({ isDue }) => isDue);
    this.#suspicions = this.#suspicions.filter(({ isDue }) => !isDue);
    for (const suspicion of this.#suspicions)
      suspicion.isDue = now - suspicion.since >= IN_FLIGHT_SECONDS;
    return due
      .flatMap(({ jobs }) => jobs)
      .filter((job) => job.worker === 0 && isUnanswered(job) && !isNoted(job));
  }
}

function isUnanswered(job: Job): boolean {
  return job.state === "queued" || job.state === "abandoned";
}
