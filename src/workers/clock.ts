// CLOCK_MONOTONIC: the one clock that Node and Python read alike on one machine, so that the front can write a
// page's latest time of beginning and a worker can check it. The front counts milliseconds, the wire seconds.

/** The process may lose its processor between two looks at the clock: the quickest of so many looks is used. */
const LOOKS = 10;

// performance.now() is the cheap one (~30 ns), hrtime the absolute one; their difference is constant.
const ORIGIN_MS = measureOrigin();

/** Milliseconds, with a resolution of about a microsecond: 1,000 times Python's `time.monotonic()`. */
export function monotonicMs(): number {
  return ORIGIN_MS + performance.now();
}

/** A point in time as the wire has it, CLOCK_MONOTONIC seconds, in milliseconds. 0 stays 0: not known. */
export function wireTimeToMs(seconds: number): number {
  return seconds * 1000;
}

/** The other way: milliseconds → seconds. */
export function msToWireTime(ms: number): number {
  return ms / 1000;
}

function measureOrigin(): number {
  let origin = 0;
  let quickest = Infinity;
  for (let look = 0; look < LOOKS; look += 1) {
    const before = performance.now();
    const absolute = Number(process.hrtime.bigint()) / 1e6;
    const after = performance.now();
    if (after - before >= quickest) continue;
    quickest = after - before;
    origin = absolute - (before + after) / 2;
  }
  return origin;
}
