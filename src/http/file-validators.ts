// The validators of a file, by what the file system says of it (RFC 9110 §8.8). Pure.

import type { Validators } from "./conditions.ts";

/** What a file system says of a file. */
export interface FileTimes {
  /** Of the last change of the content, ms since 1970. */
  readonly mtimeMs: number;
  readonly size: number;
}

/** `coding`: of the bytes, "identity" = none. `now`: ms since 1970, when the file system said `times`. */
export function fileValidators(times: FileTimes, coding: string, now: number): Validators {
  return {
    etag: entityTag(times, coding, now),
    // A date in the future would be no Last-Modified. RFC 9110 §8.8.2.1.
    lastModified: Math.max(0, Math.floor(Math.min(times.mtimeMs, now) / 1000)),
  };
}

/**
 * nginx's form, the time in seconds and the size, once a further change cannot have the same second; before, the
 * fraction of the second as well.
 */
function entityTag({ mtimeMs, size }: FileTimes, coding: string, now: number): string {
  const micros = Math.floor(mtimeMs * 1000);
  const seconds = Math.floor(mtimeMs / 1000);
  const fraction = isOver(mtimeMs, now) ? "" : `-${hex(micros - seconds * 1_000_000)}`;
  const suffix = coding === "identity" ? "" : `-${coding}`;
  return `"${hex(seconds)}-${hex(size)}${fraction}${suffix}"`;
}

/** Whether the second of a time is over. */
export function isOver(time: number, now: number): boolean {
  return now >= (Math.floor(time / 1000) + 1) * 1000;
}

function hex(value: number): string {
  return value.toString(16);
}
