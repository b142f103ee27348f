// How long an authority asks to wait (RFC 9110 §10.2.3). Pure.

/** Longer waits than a day count as a day. */
const MAX_RETRY_AFTER_MS = 86_400_000;

/** Milliseconds of a Retry-After field, seconds or a date, at most a day; 0: none, or a date that has passed. */
export function retryAfterMs(field: string, nowMs: number): number {
  const ms = /^\d+$/.test(field) ? Number(field) * 1000 : Date.parse(field) - nowMs;
  return Number.isNaN(ms) ? 0 : Math.max(0, Math.min(ms, MAX_RETRY_AFTER_MS));
}
