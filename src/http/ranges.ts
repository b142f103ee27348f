// Byte ranges of a representation (RFC 9110 §14): which parts a Range field asks for, and the body with several
// parts (multipart/byteranges). Pure. A field that asks for too much work is ignored, as the RFC allows: the
// whole representation is always a right response.

/** Most parts of one response; players and downloaders ask for one, PDF viewers for a few. */
export const MAX_RANGES = 16;
/** Parts with a smaller gap between them are joined: the head of a part is larger than the gap. RFC 9110 §15.3.7.2. */
const JOINED_GAP_BYTES = 80;

/** Bytes from `start` up to, not including, `end`. */
export interface ByteRange {
  readonly start: number;
  readonly end: number;
}

/**
 * What a Range field selects of `length` bytes: "whole" if the field is to be ignored (another unit, a wrong
 * syntax, more than MAX_RANGES, more bytes than there are), "unsatisfiable" (416), or at least one range.
 */
export function selectRanges(
  value: string,
  length: number,
): "whole" | "unsatisfiable" | readonly ByteRange[] {
  if (!/^bytes=/i.test(value)) return "whole";
  const specs = value.slice("bytes=".length).split(",", MAX_RANGES + 1);
  if (specs.length > MAX_RANGES) return "whole";
  const ranges: ByteRange[] = [];
  for (const spec of specs) {
    // An empty member of a list is allowed. RFC 9110 §5.6.1.
    if (/^[ \t]*$/.test(spec)) continue;
    const range = readRange(spec, length);
    if (range === null) return "whole";
    if (range.start < range.end) ranges.push(range);
  }
  // Of no bytes there is no part that could be named.
  if (length === 0) return "whole";
  if (ranges.length === 0) return "unsatisfiable";
  const joined = join(ranges);
  const total = joined.reduce((sum, { start, end }) => sum + end - start, 0);
  const isWhole = joined.length > 1 && total >= length;
  return isWhole ? "whole" : joined;
}

/** "0-99", "100-" or "-500" (the last 500 bytes), cut at `length`; empty if it begins behind it. Null: wrong syntax. */
function readRange(spec: string, length: number): ByteRange | null {
  const [, first = "", last = ""] = /^[ \t]*(\d*)-(\d*)[ \t]*$/.exec(spec) ?? [];
  if (first === "" && last === "") return null;
  if (first === "") return { start: Math.max(0, length - Number(last)), end: length };
  if (last !== "" && Number(first) > Number(last)) return null;
  return { start: Number(first), end: last === "" ? length : Math.min(length, Number(last) + 1) };
}

/** Ranges that overlap, or nearly touch, become one; the order of the request stays. */
function join(ranges: readonly ByteRange[]): readonly ByteRange[] {
  const joined: ByteRange[] = [];
  for (const range of ranges) {
    let { start, end } = range;
    for (let at = 0; at < joined.length;) {
      const other = joined[at];
      const isNear =
        other !== undefined &&
        start <= other.end + JOINED_GAP_BYTES &&
        other.start <= end + JOINED_GAP_BYTES;
      if (!isNear || ranges.length === 1) {
        at += 1;
        continue;
      }
      start = Math.min(start, other.start);
      end = Math.max(end, other.end);
      joined.splice(at, 1);
      at = 0;
    }
    joined.push({ start, end });
  }
  return joined;
}

/** The value of Content-Range for a part, or for 416 without one. RFC 9110 §14.4. */
export function contentRange(range: ByteRange | null, length: number): string {
  return range === null ? `bytes */${length}` : `bytes ${range.start}-${range.end - 1}/${length}`;
}

/** A multipart/byteranges body: the text before each range, the text after the last, and the length of all. */
export interface Multipart {
  readonly contentType: string;
  /** The same index as in `ranges`. */
  readonly heads: readonly string[];
  readonly tail: string;
  readonly length: number;
}

/**
 * Frames ranges of a representation of `length` bytes. `boundary`: unguessable, so that no file can hold it.
 * `contentType`: of the representation, "" = none. RFC 9110 §14.6.
 */
export function multipart(
  ranges: readonly ByteRange[],
  length: number,
  contentType: string,
  boundary: string,
): Multipart {
  const type = contentType === "" ? "" : `Content-Type: ${contentType}\r\n`;
  const heads = ranges.map(
    (range, index) =>
      `${index === 0 ? "" : "\r\n"}--${boundary}\r\n${type}Content-Range: ${contentRange(range, length)}\r\n\r\n`,
  );
  const tail = `\r\n--${boundary}--\r\n`;
  const bytes = ranges.reduce((sum, { start, end }) => sum + end - start, 0);
  const texts = heads.reduce((sum, text) => sum + text.length, tail.length);
  return {
    contentType: `multipart/byteranges; boundary=${boundary}`,
    heads,
    tail,
    length: bytes + texts,
  };
}
