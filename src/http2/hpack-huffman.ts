// The Huffman code of HPACK (RFC 7541 §5.2, Appendix B). The code is canonical: codes of equal length count up in
// the order of their symbols, and a longer code continues from the shorter ones. So the lengths are the whole
// table, and the codes and the decoder are made from the lengths at load. Pure.
//
// The decoder is a state machine that takes one byte at a time. A state is an inner node of the code's tree; the
// shortest code has 5 bits, so that a byte completes at most two symbols.

/** The symbol that may not be in a string; its first bits pad the last byte. */
const EOS = 256;
/** Most bits of padding. */
const MAX_PADDING_BITS = 7;

/** Bits of the code of each symbol, 0 … 255 and EOS. RFC 7541 Appendix B. */
const CODE_LENGTHS = [
  13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 30, 28,
  28, 28, 28, 28, 28, 28, 28, 28, 6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6, 5, 5, 5,
  6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12, 10, 13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7,
  7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6, 15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5, 6,
  7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13, 28, 20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23,
  23, 23, 24, 23, 24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24, 22, 21, 20, 22,
  22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23, 21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22,
  23, 22, 22, 23, 26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25, 19, 21, 26, 27,
  27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27, 20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25,
  24, 24, 26, 23, 26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26, 30,
] as const;

const LENGTHS = Uint8Array.from(CODE_LENGTHS);
const CODES = makeCodes();

// An entry of the table: the two symbols, the next state, how many symbols are complete, and whether EOS was met.
const SECOND_SHIFT = 8;
const STATE_SHIFT = 16;
const COUNT_SHIFT = 24;
const IS_INVALID = 1 << 26;

interface Decoder {
  readonly transitions: Uint32Array;
  /** The states in which a string may end: no bits of a symbol, or up to seven ones, the begin of EOS. */
  readonly isPadding: Uint8Array;
}

/** Made for the first string: it takes 5 ms, for which a start does not wait. */
let decoder: Decoder | null = null;

/** Decoded bytes; grows to twice the longest string, which the limit of a field block bounds. */
let scratch = Buffer.allocUnsafeSlow(4096);

function makeCodes(): Uint32Array {
  const codes = new Uint32Array(LENGTHS.length);
  let code = 0;
  for (let bits = 1; bits <= 30; bits += 1) {
    for (let symbol = 0; symbol < LENGTHS.length; symbol += 1)
      if (LENGTHS[symbol] === bits) codes[symbol] = code++;
    code *= 2;
  }
  return codes;
}

/** Children of each node: 2 × node + bit → the child node, or ~symbol. Node 0 is the root. */
function makeTree(): Int16Array {
  const children = new Int16Array(2 * EOS);
  let nodes = 1;
  for (let symbol = 0; symbol <= EOS; symbol += 1) {
    let node = 0;
    for (let bit = (LENGTHS[symbol] ?? 0) - 1; bit > 0; bit -= 1) {
      const branch = 2 * node + (((CODES[symbol] ?? 0) >>> bit) & 1);
      if (children[branch] === 0) children[branch] = nodes++;
      node = children[branch] ?? 0;
    }
    children[2 * node + ((CODES[symbol] ?? 0) & 1)] = ~symbol;
  }
  return children;
}

function makeDecoder(): Decoder {
  const children = makeTree();
  const transitions = new Uint32Array(EOS * 256);
  for (let index = 0; index < transitions.length; index += 1)
    transitions[index] = transition(children, index >>> 8, index & 255);
  const isPadding = new Uint8Array(EOS);
  for (let node = 0, bits = 0; bits <= MAX_PADDING_BITS; bits += 1) {
    isPadding[node] = 1;
    node = children[2 * node + 1] ?? 0;
  }
  return { transitions, isPadding };
}

function transition(children: Int16Array, state: number, byte: number): number {
  let node = state;
  let symbols = 0;
  let count = 0;
  for (let bit = 7; bit >= 0; bit -= 1) {
    const next = children[2 * node + ((byte >>> bit) & 1)] ?? 0;
    node = Math.max(next, 0);
    if (next >= 0) continue;
    if (~next === EOS) return IS_INVALID;
    symbols |= ~next << (count * SECOND_SHIFT);
    count += 1;
  }
  return symbols | (node << STATE_SHIFT) | (count << COUNT_SHIFT);
}

/**
 * Decodes the bytes from `start` to `end` to a latin-1 string. Null: the string has EOS in it, or its padding is
 * not the begin of EOS or longer than 7 bits. RFC 7541 §5.2.
 */
export function huffmanDecode(bytes: Buffer, start: number, end: number): string | null {
  const { transitions, isPadding } = (decoder ??= makeDecoder());
  const most = 2 * (end - start);
  if (scratch.length < most) scratch = Buffer.allocUnsafeSlow(2 * most);
  const target = scratch;
  let length = 0;
  let state = 0;
  for (let i = start; i < end; i += 1) {
    const entry = transitions[(state << 8) | (bytes[i] ?? 0)] ?? IS_INVALID;
    if (entry === IS_INVALID) return null;
    // Both are written always, without a branch; the count says how many stay.
    target[length] = entry;
    target[length + 1] = entry >>> SECOND_SHIFT;
    length += entry >>> COUNT_SHIFT;
    state = (entry >>> STATE_SHIFT) & 255;
  }
  return isPadding[state] === 1 ? target.toString("latin1", 0, length) : null;
}

/** Bytes of the coded text. */
export function huffmanLength(text: string): number {
  let bits = 0;
  for (let i = 0; i < text.length; i += 1) bits += LENGTHS[text.charCodeAt(i)] ?? 0;
  return (bits + 7) >>> 3;
}

/** Writes the coded latin-1 text, `huffmanLength` bytes, at `at`; returns the index after it. */
export function huffmanEncode(text: string, target: Buffer, at: number): number {
  let end = at;
  // Up to 7 bits wait for the rest of their byte.
  let waiting = 0;
  let bits = 0;
  for (let i = 0; i < text.length; i += 1) {
    const symbol = text.charCodeAt(i);
    const code = CODES[symbol] ?? 0;
    let left = LENGTHS[symbol] ?? 0;
    // 7 bits and a code of 30 are more than an integer has.
    if (left > 24) {
      left -= 8;
      waiting = (waiting << 8) | (code >>> left);
      target[end] = waiting >>> bits;
      end += 1;
    }
    waiting = (waiting << left) | (code & ((1 << left) - 1));
    bits += left;
    for (; bits >= 8; end += 1) {
      bits -= 8;
      target[end] = waiting >>> bits;
    }
  }
  if (bits === 0) return end;
  target[end] = (waiting << (8 - bits)) | (255 >>> bits);
  return end + 1;
}
