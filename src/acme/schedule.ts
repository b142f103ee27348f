// When a certificate is renewed, and when a failed order is tried again. Pure: the time is an argument, in
// milliseconds since 1970, by a clock that may have been moved forward or back since a moment was written down.
//
//     order ──▶ valid ──── moment in the authority's window (RFC 9773), else two thirds of the lifetime ──▶ order
//        └─ fails ──▶ pause of 1 min, 2 min, 4 min … 6 h, at most 5 tries in an hour ──▶ order

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;

/** Without a window: two thirds of the lifetime, as authorities advise; 30 days before the end of 90. */
const RENEWAL_SHARE = 2 / 3;
/** A window later than this share of the lifetime is not waited for: a certificate never expires for it. */
const LATEST_SHARE = 0.9;
/**
 * A window that is always over (a faulty authority, a wrong clock) renews no certificate that is younger. A revoked
 * certificate is valid for 24 hours at least (Baseline Requirements §4.9.1.1).
 */
const MIN_AGE_MS = 6 * HOUR_MS;
const MIN_AGE_SHARE = 0.1;

/** Bounds of the pause until the authority is asked for the window again (RFC 9773 §4.3.2). */
const MIN_WINDOW_PAUSE_MS = MINUTE_MS;
const MAX_WINDOW_PAUSE_MS = DAY_MS;
/** Pause after an answer without a window, or none. */
const NO_WINDOW_PAUSE_MS = 6 * HOUR_MS;

const MIN_PAUSE_MS = MINUTE_MS;
const MAX_PAUSE_MS = 6 * HOUR_MS;
/** More would be beyond the longest pause. */
const MAX_DOUBLINGS = 10;
/** A pause is lengthened by up to a quarter, so that servers that failed together do not try together. */
const JITTER_SHARE = 0.25;
/** Let's Encrypt refuses a name after 5 failed validations in an hour. */
const MAX_TRIES_AN_HOUR = 5;
/** The longest Retry-After that is honoured; limits of a week are usual. */
const MAX_RETRY_AFTER_MS = 7 * DAY_MS;
/** Failures in a row after which the next issuer is tried. */
const TRIES_OF_ISSUER = 3;
/** An issuer that asks to wait longer is left at once, where there is another one. */
const LONG_RETRY_AFTER_MS = HOUR_MS;
/** Clocks of two machines differ by less. A certificate that begins later than this is not valid yet. */
const MAX_SKEW_MS = HOUR_MS;

/** When a certificate is valid. */
export interface Lifetime {
  readonly notBefore: number;
  readonly notAfter: number;
}

/** The authority's window for a renewal, and the moment in it that was chosen. */
export interface RenewalPlan {
  readonly start: number;
  readonly end: number;
  readonly moment: number;
}

/** The tries for one certificate since the last success. */
export interface Attempts {
  /** Failures in a row. */
  readonly failures: number;
  /** Begins of the tries of the last hour, successful ones too, oldest first. */
  readonly tries: readonly number[];
  /** No try before; 0: none has failed. */
  readonly retryAt: number;
  /** When the last try failed. */
  readonly failedAt: number;
}

export const NO_ATTEMPTS: Attempts = { failures: 0, tries: [], retryAt: 0, failedAt: 0 };

export interface Failure {
  readonly now: number;
  /** What the authority asked to wait; 0: nothing. */
  readonly retryAfterMs: number;
  readonly issuers: number;
  /** 0 ≤ random < 1. */
  readonly random: number;
}

/**
 * Chooses a moment in the authority's window, and keeps it as long as the window stays the same (RFC 9773 §4.2). Null
 * for a window that ends before it starts: the authority's mistake.
 */
export function planRenewal(
  { start, end }: { readonly start: number; readonly end: number },
  before: RenewalPlan | null,
  random: number,
): RenewalPlan | null {
  if (!(end > start)) return null;
  if (before !== null && before.start === start && before.end === end) return before;
  return { start, end, moment: Math.floor(start + (end - start) * random) };
}

/** When the authority is asked for the window again. `retryAfterMs`: null where there was no window. */
export function windowAskedAt(now: number, retryAfterMs: number | null): number {
  if (retryAfterMs === null) return now + NO_WINDOW_PAUSE_MS;
  return now + Math.min(MAX_WINDOW_PAUSE_MS, Math.max(MIN_WINDOW_PAUSE_MS, retryAfterMs));
}

/** When a certificate is to be renewed. `orderedAt`: when it came from the authority. */
export function renewalAt(life: Lifetime, plan: RenewalPlan | null, orderedAt: number): number {
  const lifetime = life.notAfter - life.notBefore;
  if (plan === null) return life.notBefore + lifetime * RENEWAL_SHARE;
  const latest = life.notBefore + lifetime * LATEST_SHARE;
  const earliest = orderedAt + Math.min(MIN_AGE_MS, lifetime * MIN_AGE_SHARE);
  return Math.min(latest, Math.max(earliest, plan.moment));
}

/** Whether a certificate may be used now. */
export function isValidAt({ notBefore, notAfter }: Lifetime, now: number): boolean {
  return now < notAfter && notBefore <= now + MAX_SKEW_MS;
}

/** Whether the authority may be asked for the window; true as well where the clock was set back. */
export function isWindowDue(askAt: number, now: number): boolean {
  return now >= askAt || askAt - now > MAX_WINDOW_PAUSE_MS;
}

/** The earliest moment of the next try. */
export function nextTryAt({ retryAt, failedAt, tries }: Attempts, now: number): number {
  const recent = recentTries(tries, now);
  const [first = 0] = recent.slice(-MAX_TRIES_AN_HOUR);
  const hourly = recent.length < MAX_TRIES_AN_HOUR ? 0 : first + HOUR_MS;
  // A failure far in the future: the clock was set back, and the pause is over or unknown.
  return Math.max(isPast(failedAt, now) ? retryAt : 0, hourly);
}

/** A try begins. */
export function withTry(attempts: Attempts, now: number): Attempts {
  const tries = [...recentTries(attempts.tries, now), now].slice(-MAX_TRIES_AN_HOUR);
  return { ...attempts, tries };
}

/** The issuer of the next try: each one gets some tries, then the next one, then the first one again. */
export function issuerOf({ failures }: Attempts, issuers: number): number {
  return Math.floor(failures / TRIES_OF_ISSUER) % issuers;
}

/** A try has failed: the pause before the next one, which may be with another issuer. */
export function withFailure(attempts: Attempts, failure: Failure): Attempts {
  const { now, random, issuers } = failure;
  const retryAfterMs = Math.min(failure.retryAfterMs, MAX_RETRY_AFTER_MS);
  const before = attempts.failures;
  const nextIssuers = (Math.floor(before / TRIES_OF_ISSUER) + 1) * TRIES_OF_ISSUER;
  const isLeft =
    retryAfterMs > LONG_RETRY_AFTER_MS &&
    issuerOf({ ...attempts, failures: nextIssuers }, issuers) > 0;
  const failures = isLeft ? nextIssuers : before + 1;
  const pause = pauseAfter(failures, random);
  // What one issuer asks to wait does not hold for the next one.
  const isNext = issuerOf({ ...attempts, failures }, issuers) > issuerOf(attempts, issuers);
  const retryAt = now + (isNext ? pause : Math.max(pause, retryAfterMs));
  return { ...attempts, failures, retryAt, failedAt: now };
}

/** A try has succeeded: the next renewal begins with the first issuer; the tries of the hour stay. */
export function withSuccess({ tries }: Attempts): Attempts {
  return { ...NO_ATTEMPTS, tries };
}

/** The tries of the last hour; none of a time that has not come, by a clock that was set back. */
function recentTries(tries: readonly number[], now: number): readonly number[] {
  return tries.filter((at) => isPast(at, now) && now - at < HOUR_MS);
}

/** Whether a moment that was written down is over, perhaps by the clock of another machine. */
function isPast(at: number, now: number): boolean {
  return at <= now + MAX_SKEW_MS;
}

function pauseAfter(failures: number, random: number): number {
  const pause = MIN_PAUSE_MS * 2 ** Math.min(failures - 1, MAX_DOUBLINGS);
  return Math.min(MAX_PAUSE_MS, Math.round(pause * (1 + JITTER_SHARE * random)));
}
