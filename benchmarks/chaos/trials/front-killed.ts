// The main process killed by SIGKILL, while workers run, sleep and hold the interpreter's lock: the kernel
// has to end them, and the address has to be free.

import { until } from "../../../test/support/deadline.ts";
import { clockMs } from "../../load/arrivals.ts";
import { Client, get } from "../client.ts";
import { counts, SERVER_NAMES, type Stage, type Trial } from "../trial.ts";

/** The promise. The short form judges only that it happens. */
const GONE_MS = 2000;
const BUSY_GONE_MS = 30_000;
/** Pages that are stuck, each in another way; the other threads sleep. */
const STUCK = ["/backtrack", "/spin", "/sleep_long", "/take_lock_twice"];

export const FRONT_KILLED: readonly Trial[] = [
  {
    name: "front-killed",
    promise:
      "When the main process is killed, no process is left after 2 s, and a restart can listen at once",
    servers: SERVER_NAMES,
    whyNot: "",
    apps: ["raw", "asgi"],
    run,
  },
];

async function run(stage: Stage): Promise<void> {
  const { verdict } = stage;
  const rounds = counts(stage, 1, 3);
  let slowest = 0;
  let restart = 0;
  for (let round = 0; round < rounds; round += 1) {
    const subject = await stage.start({ workers: 4 });
    const clients = STUCK.map(() => new Client(subject.port));
    const asked = clients.map((client, at) => client.ask(get(STUCK[at] ?? "/")));
    const isRunning = (): boolean =>
      subject.notes.lines("stuck").length >= (round + 1) * STUCK.length;
    await until("all are stuck", isRunning, subject.patienceMs).catch(() => undefined);
    const since = clockMs();
    subject.front.signal("SIGKILL");
    const goneMs = verdict.isTimed ? GONE_MS : BUSY_GONE_MS;
    const isGone = await subject.isGone(goneMs);
    slowest = Math.max(slowest, clockMs() - since);
    verdict.expect(isGone, `${subject.processes().length} processes ran on after ${goneMs} ms`);
    for (const client of clients) client.close();
    await Promise.all(asked);
    const again = clockMs();
    try {
      const next = await stage.start({ port: subject.port });
      restart = Math.max(restart, clockMs() - again);
      next.kill();
    } catch (error) {
      verdict.expect(false, `a restart failed: ${String(error).slice(0, 200)}`);
    }
    subject.kill();
  }
  verdict.did = `${rounds} × SIGKILL with 4 stuck requests, then a start on the same port`;
  verdict.figure("until all were gone", slowest, "ms");
  if (restart > 0) verdict.figure("restart until it answered", restart, "ms");
}
