// The time as logs write it. The text of a second is formatted once and then reused, so that a log line
// costs no date arithmetic. Local time for people, UTC for programs.

const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/** Formats a time and keeps the text for the rest of that second. */
class SecondText {
  readonly #format: (date: Date) => string;
  #second = -1;
  #text = "";

  constructor(format: (date: Date) => string) {
    this.#format = format;
  }

  /** `now`: milliseconds since 1970. */
  at(now: number): string {
    const second = Math.floor(now / 1000);
    if (second !== this.#second) {
      this.#second = second;
      this.#text = this.#format(new Date(now));
    }
    return this.#text;
  }
}

const plain = new SecondText(
  (date) =>
    `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())} ${timeOf(date)}`,
);
const common = new SecondText(
  (date) =>
    `${two(date.getDate())}/${MONTHS[date.getMonth()] ?? ""}/${date.getFullYear()}:${timeOf(date)} ${offsetOf(date)}`,
);
const iso = new SecondText((date) => date.toISOString().slice(0, 20));

/** "2026-11-21 09:30:01", local time. */
export function plainTime(now: number): string {
  return plain.at(now);
}

/** "21/Nov/2026:09:30:01 +0000", local time, as in the combined log of web servers. */
export function commonTime(now: number): string {
  return common.at(now);
}

/** "2026-11-21T09:30:01.123Z" (RFC 3339). */
export function isoTime(now: number): string {
  return `${iso.at(now)}${String(Math.floor(now) % 1000).padStart(3, "0")}Z`;
}

function timeOf(date: Date): string {
  return `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
}

function offsetOf(date: Date): string {
  const minutes = -date.getTimezoneOffset();
  const size = Math.abs(minutes);
  return `${minutes < 0 ? "-" : "+"}${two(Math.floor(size / 60))}${two(size % 60)}`;
}

function two(value: number): string {
  return String(value).padStart(2, "0");
}
