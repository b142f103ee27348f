// The protocol of the control socket (docs/signals.md): a request and a reply, each one line of JSON.
// Pure; used by both ends.
//
//   {"op":"reload"} → {"ok":true,"pid":4711,"ms":123,"restart":["bind"]}   the new code serves; options that hold after a restart
//                     {"ok":false,"text":"…traceback…","exitCode":3}   the new code does not load, the old code serves
//                     {"ok":false,"text":"site.toml:3: …","exitCode":2}   a mistake, which changes nothing
//   {"op":"ping"}   → {"ok":true,"pid":4711,"ms":0,"restart":[]}

/** Most bytes of a line, in either direction. */
export const MAX_LINE_BYTES = 65_536;
/** Longest wait for the other side's line, except for the reply to a reload, ms. */
export const LINE_MS = 10_000;

/** Most characters of a reply's text: JSON writes one character as at most six bytes. The log has the whole text. */
const MAX_TEXT = 10_000;

const OPERATIONS = ["reload", "ping"] as const;
export type Operation = (typeof OPERATIONS)[number];

export type ControlReply =
  | {
      readonly ok: true;
      readonly pid: number;
      readonly ms: number;
      /** Options whose new values hold only after a restart. */
      readonly restart: readonly string[];
    }
  | { readonly ok: false; readonly text: string; readonly exitCode: 2 | 3 };

/** The path of the control socket that belongs to a PID file. */
export function controlPath(pidFile: string): string {
  return `${pidFile}.sock`;
}

/** A request as a line, without the line end. */
export function writeRequest(op: Operation): string {
  return JSON.stringify({ op });
}

/** The operation that a line asks for; null for an unknown one. */
export function readRequest(line: string): Operation | null {
  const op = readMembers(line).get("op");
  return OPERATIONS.find((known) => known === op) ?? null;
}

/** A reply as a line, without the line end. A text that is too long keeps its end: a traceback ends with the error. */
export function writeReply(reply: ControlReply): string {
  if (reply.ok || reply.text.length <= MAX_TEXT) return JSON.stringify(reply);
  return JSON.stringify({ ...reply, text: `…${reply.text.slice(-MAX_TEXT)}` });
}

/** The reply in a line; null if the line holds none. */
export function readReply(line: string): ControlReply | null {
  const members = readMembers(line);
  const [ok, pid, ms, text] = ["ok", "pid", "ms", "text"].map((name) => members.get(name));
  if (ok === true && typeof pid === "number" && typeof ms === "number") {
    // An older server does not say it.
    const names: unknown = members.get("restart");
    const restart = Array.isArray(names) ? names.filter(isOption) : [];
    return { ok, pid, ms, restart };
  }
  const exitCode = members.get("exitCode") === 2 ? 2 : 3;
  return ok === false && typeof text === "string" ? { ok, text, exitCode } : null;
}

/** Whether a value of a reply names an option: it goes to a terminal. */
function isOption(value: unknown): value is string {
  return typeof value === "string" && /^[\w, -]+$/.test(value);
}

function readMembers(line: string): ReadonlyMap<string, unknown> {
  try {
    const parsed: unknown = JSON.parse(line);
    return new Map(typeof parsed === "object" && parsed !== null ? Object.entries(parsed) : []);
  } catch {
    // Not JSON: no members.
    return new Map();
  }
}
