// The workers of a pool by their numbers, from the start of each until its end is known. Decides nothing.

import type { Found } from "./job-deadlines.ts";
import { Worker } from "./worker.ts";

export class WorkerTable {
  readonly #workers = new Map<number, Worker>();
  #lastNumber = 0;

  get isEmpty(): boolean {
    return this.#workers.size === 0;
  }

  get isAlone(): boolean {
    return this.#workers.size === 1;
  }

  /** A copy: removals during a loop do not change it. */
  get all(): readonly Worker[] {
    return [...this.#workers.values()];
  }

  /** Workers that take requests; each may sleep on the queue. */
  get takers(): readonly Worker[] {
    return this.all.filter(({ state }) => state === "taking");
  }

  get(number: number): Worker | undefined {
    return this.#workers.get(number);
  }

  /** A new worker with a number that none has had. */
  add(options: Pick<Worker, "generation" | "startedAt" | "maxRequests">): Worker {
    this.#lastNumber += 1;
    const worker = new Worker({ ...options, number: this.#lastNumber });
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
