// Release lines of CPython: which ones Typhon serves, until when they are mended, and their last security release that
// this build knows. Newer ones may exist. Pure.

interface Line {
  readonly minor: number;
  /** The first release with the mended tarfile (CVE-2025-4517 and others of June 2025). */
  readonly safeMicro: number;
  /** The first day without any further release. */
  readonly end: string;
}

/** The oldest line that the worker runs on. */
export const LEAST_MINOR = 10;

const LINES: readonly Line[] = [
  { minor: 10, safeMicro: 18, end: "2026-11-01" },
  { minor: 11, safeMicro: 13, end: "2027-11-01" },
  { minor: 12, safeMicro: 11, end: "2028-11-01" },
  { minor: 13, safeMicro: 4, end: "2029-11-01" },
  { minor: 14, safeMicro: 0, end: "2030-11-01" },
];

/** The release with the security fixes that this build knows, such as "3.11.13"; null: that one has them, or is newer. */
export function saferRelease([major, minor, micro]: readonly [number, number, number]):
  | string
  | null {
  const line = LINES.find((one) => major === 3 && one.minor === minor);
  return line === undefined || micro >= line.safeMicro ? null : `3.${minor}.${line.safeMicro}`;
}

/** Whether a line gets no release any more. `now`: ms since 1970. */
export function hasEnded(minor: number, now: number): boolean {
  const line = LINES.find((one) => one.minor === minor);
  return line !== undefined && now >= Date.parse(line.end);
}

/** Whether Typhon was tried with the line. */
export function isKnown(minor: number): boolean {
  return LINES.some((line) => line.minor === minor);
}
