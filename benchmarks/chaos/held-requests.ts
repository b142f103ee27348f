// Requests that run until they are released. Which process runs which request is known from the
// application's notes, not guessed from time.

import { until } from "../../test/support/deadline.ts";
import { Client, get, PATIENCE_MS, post, type Answer } from "./client.ts";
import type { Subject } from "./subject.ts";

export interface HoldOptions {
  readonly count: number;
  /** Before the path: the mount of another program with the page. */
  readonly mount?: string;
  /** POST is never run twice; default GET. */
  readonly method?: "GET" | "POST";
  /** How the process of the first one ends when that one is let go: "segfault", "exit", "kill". */
  readonly firstDies?: string;
  readonly patienceMs?: number;
}

interface HeldRequest {
  readonly name: string;
  readonly answer: Promise<Answer>;
}

let groups = 0;

export class HeldRequests {
  readonly #subject: Subject;
  readonly #group: string;
  readonly #requests: readonly HeldRequest[];
  readonly #clients: readonly Client[];

  constructor(subject: Subject, group: string, options: HoldOptions) {
    this.#subject = subject;
    this.#group = group;
    const clients: Client[] = [];
    // Longer than a trial waits for them to run.
    const patienceMs = options.patienceMs ?? Math.max(PATIENCE_MS, 2 * subject.patienceMs);
    this.#requests = Array.from({ length: options.count }, (_, at) => {
      const name = `${group}-${at}`;
      const isFatal = at === 0 && options.firstDies !== undefined;
      const own = isFatal ? `${group}-first` : group;
      const path = `${options.mount ?? ""}/hold?name=${name}&group=${own}${isFatal ? `&then=${options.firstDies}` : ""}`;
      const client = new Client(subject.port);
      clients.push(client);
      const request = options.method === "POST" ? post(path, "x") : get(path);
      return { name, answer: client.ask(request, patienceMs) };
    });
    this.#clients = clients;
  }

  /** How many have begun to run once `count` have, or when the time is over. */
  async waitForRunning(count: number, ms: number): Promise<number> {
    try {
      await until("held requests run", () => this.#begun().length >= count, ms);
    } catch {
      // Fewer run: the caller judges that.
    }
    return this.#begun().length;
  }

  /** The process that runs the request now, 0 if none has begun it. */
  holderOf(at: number): number {
    return this.#subject.notes.holds().get(this.#name(at))?.at(-1) ?? 0;
  }

  /** How often the request was begun. */
  runsOf(at: number): number {
    return this.#subject.notes.holds().get(this.#name(at))?.length ?? 0;
  }

  /** The requests that `pid` runs. */
  heldBy(pid: number): number[] {
    return this.#requests.flatMap((_, at) => (this.holderOf(at) === pid ? [at] : []));
  }

  /** Lets the first one go, whose process dies of it. */
  releaseFirst(): void {
    this.#subject.notes.release(`${this.#group}-first`);
  }

  answerOf(at: number): Promise<Answer> {
    const found = this.#requests[at];
    if (found === undefined) throw new Error(`no held request ${at}`);
    return found.answer;
  }

  /** Releases all and waits for the outcome of each. */
  async release(): Promise<Answer[]> {
    this.#subject.notes.release(this.#group);
    const answers = await Promise.all(this.#requests.map(({ answer }) => answer));
    for (const client of this.#clients) client.close();
    return answers;
  }

  #name(at: number): string {
    return this.#requests[at]?.name ?? "";
  }

  #begun(): string[] {
    const holds = this.#subject.notes.holds();
    return this.#requests.map(({ name }) => name).filter((name) => holds.has(name));
  }
}

/** Sends the requests, without waiting until they run. */
export function holdRequests(subject: Subject, options: HoldOptions): HeldRequests {
  groups += 1;
  return new HeldRequests(subject, `g${groups}`, options);
}
