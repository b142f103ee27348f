// A socket that can read more at a time than usual: fewer calls, and fewer turns of whoever gets it.

export interface WideReader {
  /** Whether reads may bring up to WIDE_READ_BYTES from here on. */
  readWide(isWide: boolean): void;
}

/** Bytes that a read brings at most, and while a large body comes. */
export const READ_BYTES = 65_536;
export const WIDE_READ_BYTES = 262_144;

export function isWideReader<T extends object>(socket: T): socket is T & WideReader {
  return "readWide" in socket;
}
