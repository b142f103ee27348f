// DER, the encoding of certificates and their requests (X.690): writes elements, and reads what
// node:crypto's X509Certificate does not show. Pure. Tags are single bytes: certificates have no others.

const TAG = {
  boolean: 0x01,
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  null: 0x05,
  oid: 0x06,
  utf8String: 0x0c,
  utcTime: 0x17,
  generalizedTime: 0x18,
  sequence: 0x30,
  set: 0x31,
} as const;

/** One element: its tag, and its content joined from parts. */
export function element(tag: number, ...parts: readonly Buffer[]): Buffer {
  const content = Buffer.concat(parts);
  return Buffer.concat([Buffer.from([tag, ...lengthBytes(content.length)]), content]);
}

function lengthBytes(length: number): readonly number[] {
  if (length < 0x80) return [length];
  const bytes: number[] = [];
  for (let rest = length; rest > 0; rest = Math.floor(rest / 256)) bytes.unshift(rest % 256);
  return [0x80 | bytes.length, ...bytes];
}

export function sequence(...members: readonly Buffer[]): Buffer {
  return element(TAG.sequence, ...members);
}

/** A set; two or more members must be in the order of their bytes already. */
export function setOf(...members: readonly Buffer[]): Buffer {
  return element(TAG.set, ...members);
}

export function boolean(value: boolean): Buffer {
  return element(TAG.boolean, Buffer.from([value ? 0xff : 0]));
}

/** A number that is not negative, in big-endian bytes of any length. */
export function unsigned(bytes: Buffer): Buffer {
  const first = bytes.findIndex((byte) => byte !== 0);
  const digits = first === -1 ? Buffer.from([0]) : bytes.subarray(first);
  const isHigh = (digits[0] ?? 0) >= 0x80;
  return element(TAG.integer, isHigh ? Buffer.from([0]) : Buffer.alloc(0), digits);
}

export function octetString(content: Buffer): Buffer {
  return element(TAG.octetString, content);
}

/** A bit string whose last `unusedBits` bits do not count. */
export function bitString(content: Buffer, unusedBits = 0): Buffer {
  return element(TAG.bitString, Buffer.from([unusedBits]), content);
}

export function utf8String(text: string): Buffer {
  return element(TAG.utf8String, Buffer.from(text));
}

export function nothing(): Buffer {
  return element(TAG.null);
}

/** An object identifier, "2.5.29.17". */
export function oid(dotted: string): Buffer {
  const [first = 0, second = 0, ...rest] = dotted.split(".").map(Number);
  const bytes = [40 * first + second, ...rest].flatMap((arc) => {
    const groups = [arc % 128];
    for (let more = Math.floor(arc / 128); more > 0; more = Math.floor(more / 128))
      groups.unshift(0x80 | (more % 128));
    return groups;
  });
  return element(TAG.oid, Buffer.from(bytes));
}

/** A time in whole seconds: UTCTime to 2049, GeneralizedTime from 2050 (RFC 5280 §4.1.2.5). */
export function time(ms: number): Buffer {
  const digits = new Date(ms).toISOString().replaceAll(/\.\d+|[-:T]/g, "");
  if (digits < "2050") return element(TAG.utcTime, Buffer.from(digits.slice(2)));
  return element(TAG.generalizedTime, Buffer.from(digits));
}

/** An element read from bytes. */
export interface Element {
  readonly tag: number;
  readonly content: Buffer;
  /** Tag, length and content. */
  readonly whole: Buffer;
}

/** The elements that bytes consist of; throws RangeError where bytes are no DER. */
export function readElements(bytes: Buffer): readonly Element[] {
  const elements: Element[] = [];
  for (let at = 0; at < bytes.length;) {
    const { start, end } = readBounds(bytes, at);
    elements.push({
      tag: bytes.readUInt8(at),
      content: bytes.subarray(start, end),
      whole: bytes.subarray(at, end),
    });
    at = end;
  }
  return elements;
}

function readBounds(bytes: Buffer, at: number): { readonly start: number; readonly end: number } {
  const first = bytes.readUInt8(at + 1);
  const extra = first < 0x80 ? 0 : first & 0x7f;
  // An indefinite length (0x80) is BER; more than four bytes of length are no certificate.
  if (first >= 0x80 && (extra === 0 || extra > 4)) throw new RangeError("not DER: its length");
  const start = at + 2 + extra;
  const end = start + (extra === 0 ? first : bytes.readUIntBE(at + 2, extra));
  if (end > bytes.length) throw new RangeError("not DER: it ends early");
  return { start, end };
}
