// Waiting in tests: for an event, never for a time. Every wait has a deadline, and a deadline that
// passes is a failed assertion that says what did not happen. The deadlines are generous: they tell a
// hang from an answer on a loaded machine, not a slow answer from a quick one.

import { AssertionError } from "node:assert";
import { setTimeout as sleep } from "node:timers/promises";

/** Deadline of waits that have none of their own, ms. */
export const PATIENCE_MS = 20_000;

/** Between two looks at something that raises no event (a file, a process), ms. */
const LOOK_EVERY_MS = 10;

/** The value of `promise`, or a failed assertion that `what` did not happen within `ms`. */
export async function within<T>(ms: number, promise: Promise<T>, what: string): Promise<T> {
  const { promise: late, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(
    () => reject(new AssertionError({ message: `not within ${ms} ms: ${what}` })),
    ms,
  );
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

type Missing<T> = T | null | false | undefined;

/** Calls `look` again and again until it gives something else than null, false or undefined. */
export async function until<T>(
  what: string,
  look: () => Missing<T> | Promise<Missing<T>>,
  ms: number = PATIENCE_MS,
): Promise<T> {
  const last = performance.now() + ms;
  for (;;) {
    const found = await look();
    if (found !== null && found !== false && found !== undefined) return found;
    if (performance.now() > last)
      throw new AssertionError({ message: `not within ${ms} ms: ${what}` });
    await sleep(LOOK_EVERY_MS);
  }
}

/** Lets time pass, in tests about time itself: a deadline, a slow client. */
export async function lapse(ms: number): Promise<void> {
  await sleep(ms);
}
