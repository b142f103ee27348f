// When requests are due, and which of them are slow. One of every ten is slow, at a random place among
// the ten: the share is exact in every run, however short, and no server can fall into step with a
// pattern. The same seed gives the same sequence, so that all servers of a round get the same requests.

/** Among so many requests exactly one is slow. */
const REQUESTS_PER_SLOW = 10;

/** Tells for the next request whether it is a slow one. `seed`: any 32-bit integer. */
export function makeSlowChooser(seed: number): () => boolean {
  const random = makeRandom(seed);
  let place = 0;
  let slow = 0;
  return () => {
    if (place === 0) slow = Math.floor(random() * REQUESTS_PER_SLOW);
    const isSlow = place === slow;
    place = (place + 1) % REQUESTS_PER_SLOW;
    return isSlow;
  };
}

/** Milliseconds after the start at which request `index` is due, at a constant rate. */
export function dueAt(index: number, requestsPerSecond: number): number {
  return (index * 1000) / requestsPerSecond;
}

/** The monotonic clock in milliseconds: one clock for all threads, unlike performance.now(). */
export function clockMs(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}

/** Numbers 0 … 1 by a 32-bit linear congruential generator (Numerical Recipes' constants). */
function makeRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}
