// Which stream sends next (RFC 9218). Pure. Urgency comes first. Among streams of one urgency, those that are not
// incremental are sent one after the other in the order of their requests; this sequence, and each incremental
// stream, take turns, so that neither waits for the other's end.

export interface Priority {
  /** 0 … 7; 0 is sent first. */
  readonly urgency: number;
  /** Whether the client can use parts of the response. */
  readonly isIncremental: boolean;
}

export const DEFAULT_PRIORITY: Priority = { urgency: 3, isIncremental: false };

/** Every priority that can be asked for; an index is twice the urgency, and one more if incremental. */
const PRIORITIES: readonly Priority[] = Array.from({ length: 16 }, (_, index) => ({
  urgency: index >> 1,
  isIncremental: (index & 1) === 1,
}));
/** Longer values are ignored, whatever they say. */
const MAX_VALUE_LENGTH = 64;

/**
 * Reads a Priority field, a dictionary of structured fields: "u=1, i". Unknown members, and values of a wrong type
 * or range, are ignored (RFC 9218 §4).
 */
export function readPriority(value: string): Priority {
  let { urgency, isIncremental } = DEFAULT_PRIORITY;
  if (value.length > MAX_VALUE_LENGTH) return DEFAULT_PRIORITY;
  for (const member of value.split(",")) {
    const [item = ""] = member.split(";", 1);
    const text = item.trim();
    if (/^u=[0-7]$/.test(text)) urgency = Number(text[2]);
    else if (text === "i" || text === "i=?1") isIncremental = true;
    else if (text === "i=?0") isIncremental = false;
  }
  return PRIORITIES[2 * urgency + (isIncremental ? 1 : 0)] ?? DEFAULT_PRIORITY;
}

/** A stream of the schedule. */
export interface Scheduled {
  readonly id: number;
  readonly priority: Priority;
  /** Whether bytes of it wait that its window allows. */
  readonly isReady: boolean;
}

/** Returns the stream that sends next; null: none is ready. `streams`: by ascending id; `last`: id of the last one. */
export function nextStream<S extends Scheduled>(streams: readonly S[], last: number): S | null {
  let urgency = Infinity;
  let first: S | null = null;
  /** The first whose turn comes after the last one's. */
  let after: S | null = null;
  let hasSequence = false;
  for (const stream of streams) {
    const { priority } = stream;
    if (priority.urgency > urgency || !stream.isReady) continue;
    if (priority.urgency < urgency) {
      urgency = priority.urgency;
      first = null;
      after = null;
      hasSequence = false;
    }
    if (!priority.isIncremental) {
      if (hasSequence) continue;
      hasSequence = true;
    }
    first ??= stream;
    if (stream.id > last) after ??= stream;
  }
  return after ?? first;
}
