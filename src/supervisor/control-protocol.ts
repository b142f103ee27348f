// What is said over the control socket (docs/signals.md): one line of JSON there, one back. Pure; both
// ends use it.
//
//   {"op":"reload"} → {"ok":true,"pid":4711,"ms":123}     the new code serves
//                     {"ok":false,"text":"…traceback…"}   it does not load, the old goes on
//   {"op":"ping"}   → {"ok":true,"pid":4711,"ms":0}

/** Bytes of a line, in either direction. */
export const MAX_LINE_BYTES = 65_536;
/** For the other side to say its line, unless it is loading code, ms. */
export const LINE_MS = 10_000;

/** Characters of a text: JSON makes at most six bytes of one. The log has all of it. */
const MAX_TEXT = 10_000;

const OPERATIONS = ["reload", "ping"] as const;
export type Operation = (typeof OPERATIONS)[number];

export type ControlAnswer =
  | { readonly ok: true; readonly pid: number; readonly ms: number }
  | { readonly ok: false; readonly text: string };

/** Where the control socket of a PID file is. */
export function controlPath(pidFile: string): string {
  return `${pidFile}.sock`;
}

/** A request as a line, without its end. */
export function writeRequest(op: Operation): string {
  return JSON.stringify({ op });
}

/** What a line asks for; null: nothing that is known. */
export function readRequest(line: string): Operation | null {
  const op = readMembers(line).get("op");
  return OPERATIONS.find((known) => known === op) ?? null;
}

/** An answer as a line, without its end. Of a text that is too long the end stays: it tells most. */
export function writeAnswer(answer: ControlAnswer): string {
  if (answer.ok || answer.text.length <= MAX_TEXT) return JSON.stringify(answer);
  return JSON.stringify({ ok: false, text: `…${answer.text.slice(-MAX_TEXT)}` });
}

/** The answer in a line; null: none. */
export function readAnswer(line: string): ControlAnswer | null {
  const members = readMembers(line);
  const [ok, pid, ms, text] = ["ok", "pid", "ms", "text"].map((name) => members.get(name));
  if (ok === true && typeof pid === "number" && typeof ms === "number") return { ok, pid, ms };
  return ok === false && typeof text === "string" ? { ok, text } : null;
}

function readMembers(line: string): ReadonlyMap<string, unknown> {
  try {
    const parsed: unknown = JSON.parse(line);
    return new Map(typeof parsed === "object" && parsed !== null ? Object.entries(parsed) : []);
  } catch {
    // No JSON has no members.
    return new Map();
  }
}
