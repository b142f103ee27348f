// The credit of one response: a worker may send only as many bytes as it has credit for, and gets more as
// the client takes them (docs/worker-protocol.md, "Credit").

import type { Job } from "../../workers/job.ts";
import type { ApplicationContext } from "./context.ts";

export class ResponseCredit {
  readonly #pool: ApplicationContext["pool"];
  readonly #job: Job;
  readonly #stepBytes: number;
  /** Bytes that were passed on and are not credited yet. */
  #owed = 0;

  /** `stepBytes`: credit is given in steps of at least this; a frame for each piece would double the frames. */
  constructor(pool: ApplicationContext["pool"], job: Job, stepBytes: number) {
    this.#pool = pool;
    this.#job = job;
    this.#stepBytes = stepBytes;
  }

  /** Bytes were passed on. `isTaken`: the client keeps up, so that they may be credited now. */
  add(bytes: number, isTaken: boolean): void {
    this.#owed += bytes;
    if (isTaken && this.#owed >= this.#stepBytes) this.flush();
  }

  /** The client has taken everything. */
  flush(): void {
    const owed = this.#owed;
    this.#owed = 0;
    if (owed > 0) this.#pool.credit(this.#job, owed);
  }
}
