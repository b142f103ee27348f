// The time as HTTP writes it (IMF-fixdate, RFC 9110 §5.6.7), made once a second: formatting costs more
// than all the rest of a small head.

let second = 0;
let text = "";

/** The current time, such as "Sun, 06 Nov 1994 08:49:37 GMT". */
export function currentDate(): string {
  const now = Math.floor(Date.now() / 1000);
  if (now === second) return text;
  second = now;
  // toUTCString is IMF-fixdate by definition (ECMA-262 §21.4.4.43) for years of four digits.
  text = new Date(now * 1000).toUTCString();
  return text;
}
