// Character classes of RFC 9110 and RFC 3986 as tables: one byte of class bits for each latin-1
// character, so that a check is one look-up. Pure.

/** tchar: a byte of a token. RFC 9110 §5.6.2. */
export const TOKEN = 1;
/** May be in a path as sent: pchar and "/", and characters that browsers do not encode there. */
export const PATH = 2;
/** May be in a query as sent: pchar, "/", "?", and characters that browsers do not encode there. */
export const QUERY = 4;
/** reg-name without percent-encoding: unreserved and sub-delims. RFC 3986 §3.2.2. */
export const REG_NAME = 8;
export const HEX = 16;
export const DIGIT = 32;
/** May be in a field value: VCHAR, SP, HTAB, obs-text. RFC 9110 §5.5. */
export const FIELD_VALUE = 64;

const ALPHANUMERIC = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
const UNRESERVED = `${ALPHANUMERIC}-._~`;
const SUB_DELIMS = "!$&'()*+,;=";
const PCHAR = `${UNRESERVED}${SUB_DELIMS}:@%`;
// Browsers send these characters unencoded (percent-encode sets of the WHATWG URL standard), and none of them
// is a separator here. A backslash in a path is refused, because some programs take it for a slash.
const BROWSER_PATH = "|[]^";
const BROWSER_QUERY = "|[]^{}`\\";

const TABLE = makeTable();

function makeTable(): Uint8Array {
  const table = new Uint8Array(256);
  const mark = (characters: string, bit: number): void => {
    for (let i = 0; i < characters.length; i += 1) {
      const code = characters.charCodeAt(i);
      table[code] = (table[code] ?? 0) | bit;
    }
  };
  mark(`${ALPHANUMERIC}!#$%&'*+-.^_\`|~`, TOKEN);
  mark(`${PCHAR}/${BROWSER_PATH}`, PATH);
  mark(`${PCHAR}/?${BROWSER_QUERY}`, QUERY);
  mark(`${UNRESERVED}${SUB_DELIMS}`, REG_NAME);
  mark("0123456789abcdefABCDEF", HEX);
  mark("0123456789", DIGIT);
  for (let code = 0; code < 256; code += 1) {
    if (code === 9 || (code >= 32 && code !== 127)) table[code] = (table[code] ?? 0) | FIELD_VALUE;
  }
  return table;
}

/** Whether the character with this code is of the class. */
export function isOf(code: number, characterClass: number): boolean {
  return ((TABLE[code] ?? 0) & characterClass) !== 0;
}

/** Index of the first character from `at` that is not of the class; the text's length if none. */
export function endOf(text: string, at: number, characterClass: number): number {
  let i = at;
  while (i < text.length && ((TABLE[text.charCodeAt(i)] ?? 0) & characterClass) !== 0) i += 1;
  return i;
}

/** Whether all of the text, and at least one character, is of the class. */
export function isAllOf(text: string, characterClass: number): boolean {
  return text.length > 0 && endOf(text, 0, characterClass) === text.length;
}

/** The text without SP and HTAB around it. Linear; a regular expression for the end is quadratic. */
export function trimBlanks(text: string): string {
  let start = 0;
  let end = text.length;
  while (start < end && isBlank(text.charCodeAt(start))) start += 1;
  while (end > start && isBlank(text.charCodeAt(end - 1))) end -= 1;
  return text.slice(start, end);
}

/** Whether the text begins or ends with SP or HTAB: a field value does not (RFC 9110 §5.5, RFC 9113 §8.2.1). */
export function hasOuterBlanks(text: string): boolean {
  return isBlank(text.charCodeAt(0)) || isBlank(text.charCodeAt(text.length - 1));
}

/** SP or HTAB. */
export function isBlank(code: number): boolean {
  return code === 32 || code === 9;
}

/**
 * Members of a list of tokens, without the whitespace around them; empty ones are ignored (RFC 9110 §5.6.1). Null:
 * there are more than `max`, empty ones counted; a list of a client must have one.
 */
export function listMembers(list: string): readonly string[];
export function listMembers(list: string, max: number): readonly string[] | null;
export function listMembers(list: string, max = Infinity): readonly string[] | null {
  const members: string[] = [];
  let parts = 0;
  for (let at = 0; at <= list.length; parts += 1) {
    if (parts === max) return null;
    const end = endOfMember(list, at);
    const member = trimBlanks(list.slice(at, end));
    if (member !== "") members.push(member);
    at = end + 1;
  }
  return members;
}

/** Whether a list of tokens has this member, given in lower case; case is ignored. Makes no list of its members. */
export function hasMember(list: string, member: string): boolean {
  if (list.length === member.length) return list.toLowerCase() === member;
  for (let at = 0; at <= list.length;) {
    const end = endOfMember(list, at);
    // Any other is shorter than the member.
    if (end - at >= member.length && trimBlanks(list.slice(at, end)).toLowerCase() === member)
      return true;
    at = end + 1;
  }
  return false;
}

function endOfMember(list: string, at: number): number {
  const comma = list.indexOf(",", at);
  return comma === -1 ? list.length : comma;
}
