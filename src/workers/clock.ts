// CLOCK_MONOTONIC in seconds: the one clock that Node and Python read alike on one machine, so that the
// front can write a page's latest time of beginning and a worker can check it.

// performance.now() is the cheap one (~30 ns), hrtime the absolute one; their difference is constant.
const ORIGIN = Number(process.hrtime.bigint()) / 1e9 - performance.now() / 1e3;

/** Seconds, with a resolution of about a microsecond; the same as Python's `time.monotonic()`. */
export function monotonic(): number {
  return ORIGIN + performance.now() / 1e3;
}
