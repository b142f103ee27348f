// Turns words of other servers (flags, GUNICORN_CMD_ARGS, UVICORN_… variables, settings of gunicorn.conf.py) into texts
// for options of ours, by the table of foreign-options.ts, and says in one line each what is called otherwise or has no
// meaning here. Pure.

import { FOREIGN_OPTIONS, type ForeignOption } from "./foreign-options.ts";
import { OperatorError, quote } from "./operator-error.ts";
import { APP, OPTION_LIST } from "./schema.ts";
import { BadValue } from "./values.ts";

/** One use of an option. `by`: what gave it, such as "--worker-connections". */
export interface ForeignWord {
  readonly row: ForeignOption;
  readonly by: string;
  readonly text: string;
}

/** A text for an option of ours; `option` "app" is the argument, "check" the command. */
export interface TranslatedText {
  readonly option: string;
  readonly by: string;
  readonly text: string;
}

export interface ForeignTexts {
  readonly texts: readonly TranslatedText[];
  /** A line for each word that is called otherwise or has no meaning. */
  readonly notices: readonly string[];
}

export const NO_FOREIGN_TEXTS: ForeignTexts = { texts: [], notices: [] };

/** Classes of -k whose --timeout is a heartbeat of the event loop. */
const ASGI_CLASS = /uvicorn|asgi|hypercorn/i;
const UVICORN_PREFIX = "UVICORN_";

const BY_FLAG = new Map(FOREIGN_OPTIONS.flatMap((row) => row.flags.map((flag) => [flag, row])));

/** The row of a flag without its dashes; null: no other server has it. */
export function foreignFlag(flag: string): ForeignOption | null {
  return BY_FLAG.get(flag) ?? null;
}

const OWN_NAMES = new Set([APP.name, "check", ...OPTION_LIST.map(({ name }) => name)]);

/** Whether a text of an option of ours is used as it is, because no other server means something else by it. */
export function isOwnText(row: ForeignOption, name: string, text: string): boolean {
  if (row.kind !== "same" || row.ours !== name || !OWN_NAMES.has(name)) return false;
  try {
    const [first, ...more] = row.read(text);
    return first?.[0] === name && first[1] === text && more.length === 0;
  } catch (error) {
    if (error instanceof BadValue) return false;
    throw error;
  }
}

/** `tells`: whether names that differ are told, as for flags. Throws OperatorError for what is refused. */
export function translate(words: readonly ForeignWord[], tells: boolean): ForeignTexts {
  const isAsgi = words.some(
    ({ row, text }) => row.setting === "worker_class" && ASGI_CLASS.test(text),
  );
  const texts: TranslatedText[] = [];
  const notices = new Set<string>();
  for (const word of words) {
    const { row, by } = word;
    const isHeartbeat = isAsgi && row.setting === "timeout" && /^\d+$/.test(word.text);
    const own = isHeartbeat ? [["loop-timeout", word.text] as const] : read(word);
    texts.push(...own.map(([option, text]) => ({ option, by, text })));
    const notice = isHeartbeat
      ? `${by} is --loop-timeout here: with such a worker class it limits the event loop, not a request`
      : noticeOf(word, own);
    const isTold = isHeartbeat || tells || own.length === 0;
    if (notice !== null && isTold) notices.add(notice);
  }
  return { texts, notices: [...notices] };
}

function read({ row, by, text }: ForeignWord): ReturnType<ForeignOption["read"]> {
  if (row.kind === "refused" && row.harmless?.test(text) === true) return [];
  try {
    return row.read(text);
  } catch (error) {
    if (!(error instanceof BadValue)) throw error;
    throw new OperatorError(`${by}${row.takesValue ? ` ${quote(text)}` : ""} ${error.message}`);
  }
}

function noticeOf(
  { row, by, text }: ForeignWord,
  own: ReturnType<ForeignOption["read"]>,
): string | null {
  const [first] = own;
  const note = row.note === "" || row.kind === "same" ? "" : `: ${row.note}`;
  if (first === undefined)
    return row.harmless?.test(text) === true ? null : `${by} has no meaning here${note}`;
  const [option, ownText] = first;
  if (option === APP.name) return `${by} is the argument APP here`;
  if (option === "check") return `${by} is the command typhon check here`;
  if (row.kind !== "same" || option !== row.ours) return `${by} is --${option} here${note}`;
  return ownText === text ? null : `${by} ${quote(text)} is ${quote(ownText)} here`;
}

/** The words of the UVICORN_… variables, which uvicorn reads for each of its flags. */
export function uvicornWords(
  environment: Readonly<Record<string, string | undefined>>,
): ForeignWord[] {
  return FOREIGN_OPTIONS.flatMap((row) => {
    const [flag = ""] = row.flags;
    const by = UVICORN_PREFIX + flag.toUpperCase().replaceAll("-", "_");
    const whole = environment[by] ?? "";
    if (!row.servers.includes("uvicorn") || flag.startsWith("no-") || whole === "") return [];
    // Kubernetes sets UVICORN_PORT=tcp://… in every container beside a service named uvicorn.
    if (/^(?:tcp|udp|sctp):\/\//.test(whole)) return [];
    const off = BY_FLAG.get(`no-${flag}`);
    if (off !== undefined && flag !== "access-log" && !isOn(whole))
      return [{ row: off, by, text: "true" }];
    if (row.takesValue) return listOf(flag, whole).map((text) => ({ row, by, text }));
    return [{ row, by, text: String(isOn(whole)) }];
  });
}

/** uvicorn's repeatable options: folders have ":" between them, fields blanks. */
function listOf(flag: string, whole: string): string[] {
  const separator = flag === "reload-dir" ? ":" : flag === "header" ? /\s+/ : null;
  return separator === null ? [whole] : whole.split(separator).filter((text) => text !== "");
}

function isOn(text: string): boolean {
  return ["1", "true", "t", "yes", "y", "on"].includes(text.toLowerCase());
}
