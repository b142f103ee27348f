// Sockets whose reads can be made larger: while a large body arrives, one read replaces four.

export interface WideReader {
  /** Chooses the size of the next reads: up to WIDE_READ_BYTES, or up to READ_BYTES. */
  readWide(isWide: boolean): void;
}

/** Largest read of a socket, as in Node. */
export const READ_BYTES = 65_536;
/** Largest read of a socket while a large body comes. */
export const WIDE_READ_BYTES = 262_144;

export function isWideReader<T extends object>(socket: T): socket is T & WideReader {
  return "readWide" in socket;
}
