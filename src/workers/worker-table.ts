// The workers that a pool has: who is there, who counts, what they have noted. Decides nothing.

import { monotonic } from "./clock.ts";
import { Worker, type WorkerOptions } from "./worker.ts";
import type { Found } from "./job-deadlines.ts";

export class WorkerTable {
  readonly #workers = new Map<number, Worker>();
  #lastNumber = 0;

  get isEmpty(): boolean {
    return this.#workers.size === 0;
  }

  get all(): readonly Worker[] {
    return [...this.#workers.values()];
  }

  /** Workers that take or will take, and are not to leave. */
  get staying(): number {
    return this.all.filter((worker) => worker.isStaying).length;
  }

  /** Workers that may sleep on the queue. */
  get takers(): number {
    return this.all.filter(({ state }) => state === "taking").length;
  }

  get(number: number): Worker | undefined {
    return this.#workers.get(number);
  }

  /** A new worker with a number that none has had. */
  add(options: Omit<WorkerOptions, "number" | "startedAt">): Worker {
    this.#lastNumber += 1;
    const worker = new Worker({
      ...options,
      number: this.#lastNumber,
      startedAt: monotonic(),
    });
    this.#workers.set(worker.number, worker);
    return worker;
  }

  remove(worker: Worker): void {
    this.#workers.delete(worker.number);
  }

  /** Every noted request by its id, with the number of the worker that has it. */
  readNotes(): ReadonlyMap<number, Found> {
    const notes = new Map<number, Found>();
    for (const worker of this.#workers.values())
      for (const note of worker.readNotes()) notes.set(note.id, [worker.number, note]);
    return notes;
  }
}
