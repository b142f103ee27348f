// Dates of HTTP (RFC 9110 §5.6.7): the three formats that a recipient must read, and the one that is sent. Pure.

const MONTHS = "JanFebMarAprMayJunJulAugSepOctNovDec";
const TIME = String.raw`(\d\d):(\d\d):(\d\d)`;
/** "Sun, 06 Nov 1994 08:49:37 GMT" */
const IMF = new RegExp(String.raw`^[A-Z][a-z]{2}, (\d\d) ([A-Z][a-z]{2}) (\d{4}) ${TIME} GMT$`);
/** "Sunday, 06-Nov-94 08:49:37 GMT" */
const RFC_850 = new RegExp(String.raw`^[A-Z][a-z]+day, (\d\d)-([A-Z][a-z]{2})-(\d\d) ${TIME} GMT$`);
/** "Sun Nov  6 08:49:37 1994" */
const ASCTIME = new RegExp(String.raw`^[A-Z][a-z]{2} ([A-Z][a-z]{2}) ([ \d]\d) ${TIME} (\d{4})$`);

/** Seconds since 1970; null for a text that is no date. `now`: ms since 1970, for years of two digits. */
export function parseHttpDate(text: string, now = Date.now()): number | null {
  const imf = IMF.exec(text);
  if (imf !== null) {
    const [, day, month, year, ...time] = imf;
    return seconds(Number(year), month, day, time);
  }
  const old = RFC_850.exec(text);
  if (old !== null) {
    const [, day, month, year, ...time] = old;
    return seconds(fullYear(Number(year), now), month, day, time);
  }
  const [, month, day, hour = "", minute = "", second = "", year] = ASCTIME.exec(text) ?? [];
  return month === undefined ? null : seconds(Number(year), month, day, [hour, minute, second]);
}

/** A time in seconds since 1970 as IMF-fixdate. */
export function formatHttpDate(time: number): string {
  // toUTCString is IMF-fixdate by definition (ECMA-262 §21.4.4.43) for years of four digits.
  return new Date(time * 1000).toUTCString();
}

/** A year that looks more than 50 years in the future is the most recent past year with these digits. */
function fullYear(digits: number, now: number): number {
  const current = new Date(now).getUTCFullYear();
  const year = current - (current % 100) + digits;
  return year > current + 50 ? year - 100 : year;
}

function seconds(
  year: number,
  month: string | undefined,
  day: string | undefined,
  time: readonly string[],
): number | null {
  const index = MONTHS.indexOf(month ?? "?");
  const [hour = 99, minute = 99, second = 99] = time.map(Number);
  // 60 is a leap second.
  if (index % 3 !== 0 || hour > 23 || minute > 59 || second > 60) return null;
  const date = new Date(Date.UTC(year, index / 3, Number(day), hour, minute, second));
  // A day that the month does not have would run over into the next month.
  return date.getUTCDate() === Number(day) || second === 60 ? date.getTime() / 1000 : null;
}
