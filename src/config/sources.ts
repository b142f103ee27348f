// Where an option's value comes from: a flag, else its TYPHON_… variable, else a table of the file, else the
// variable of other servers, else the table's default. The readers of the table turn texts into values; the error
// line of a bad value names the flag, the variable or the line of the file that gave it.

import type { Flags } from "./flags.ts";
import type { TranslatedText } from "./foreign-texts.ts";
import { checkKind, textsOf, type GivenText, type Table } from "./located.ts";
import { OperatorError, quote, type Mistakes } from "./operator-error.ts";
import { APP, OPTIONS, variableOf, type Option } from "./schema.ts";
import { BadValue, type Reader } from "./values.ts";

const FORWARDED = OPTIONS.forwardedAllowIps.otherVariable;

/** Variables of the process. */
export type Environment = Readonly<Record<string, string | undefined>>;

/** A given value. `by`: what gave it, such as "--port", "TYPHON_PORT" or "typhon.toml:3: port". */
export interface GivenValue<T> extends GivenText {
  readonly value: T;
}

/** All flags together, all variables together, or one table of the file. */
export interface Layer {
  readonly isFile: boolean;
  /** The texts for an option. Throws OperatorError. */
  readonly texts: (option: Option<unknown>) => readonly GivenText[];
}

/** The flags. `folder`: where relative paths start; `prefix`: of their names in error lines. */
export function flagLayer(flags: Flags, folder: string, prefix = ""): Layer {
  const texts: Layer["texts"] = (option) => {
    if (option === APP)
      return flags.app === null ? [] : [{ by: "application", text: flags.app, folder, kind: null }];
    const own = (option.isFlag && flags.texts.get(option.name)) || [];
    // The own name comes last, and wins.
    return [
      ...textsFor(flags.foreign.texts, option, folder),
      ...own.map((text) => ({ by: `--${option.name}`, text, folder, kind: null })),
    ].map((given) => ({ ...given, by: prefix + given.by }));
  };
  return { isFile: false, texts };
}

/** Texts of other servers' options. `folder`: where relative paths start. */
export function translatedLayer(texts: readonly TranslatedText[], folder: string): Layer {
  return { isFile: false, texts: (option) => textsFor(texts, option, folder) };
}

function textsFor(
  texts: readonly TranslatedText[],
  option: Option<unknown>,
  folder: string,
): readonly GivenText[] {
  if (!option.isFlag) return [];
  return texts.flatMap(({ option: name, by, text }) =>
    name === option.name ? [{ by, text, folder, kind: null }] : [],
  );
}

/** The TYPHON_… variables. */
export function variableLayer(environment: Environment, folder: string): Layer {
  const texts: Layer["texts"] = (option) =>
    option.isFlag ? variableTexts(option, variableOf(option.name), environment, folder) : [];
  return { isFile: false, texts };
}

/** The variables of other servers, such as WEB_CONCURRENCY. */
export function otherVariableLayer(environment: Environment, folder: string): Layer {
  const texts: Layer["texts"] = ({ otherVariable: by }) => {
    const text = by === null ? null : otherVariable(by, environment);
    return by === null || text === null ? [] : [{ by, text, folder, kind: null }];
  };
  return { isFile: false, texts };
}

/**
 * The variable of a platform, such as PORT, without the blanks around it, which Python's int() allows as well; null:
 * it is not set. An empty FORWARDED_ALLOW_IPS trusts no proxy, as with gunicorn and uvicorn.
 */
export function otherVariable(name: string, environment: Environment): string | null {
  const text = environment[name]?.trim() ?? "";
  const isSet = text !== "" || (name === FORWARDED && environment[name] !== undefined);
  return isSet ? text : null;
}

/** A table of the file. At its top level `static` is the option, not the key of a route. */
export function tableLayer(table: Table, folder: string, isTop = false): Layer {
  const texts: Layer["texts"] = (option) => {
    if (isTop && !option.isFlag) return [];
    const located = table.get(option.name) ?? table.get(option.alias ?? "");
    return located === undefined ? [] : textsOf(located, option, folder);
  };
  return { isFile: true, texts };
}

/** The layers of one start, the strongest first. A bad value counts as not given, and is one of the `mistakes`. */
export class Sources {
  readonly layers: readonly Layer[];
  readonly #mistakes: Mistakes;

  constructor(layers: readonly Layer[], mistakes: Mistakes) {
    this.layers = layers;
    this.#mistakes = mistakes;
  }

  /** The text of an option as it was given, unread; null if it was not. */
  text(option: Option<unknown>): GivenText | null {
    return this.#strongest(option).at(-1) ?? null;
  }

  /** The last value given, or null. (Users expect the last of repeated flags to win.) */
  ask<T>(option: Option<T>): GivenValue<T> | null {
    return this.all(option).at(-1) ?? null;
  }

  /** The value given, else the table's default. */
  one<T>(option: Option<T>): T {
    return this.ask(option)?.value ?? option.read(option.fallback ?? "");
  }

  /** All values of an option that may be repeated, of the strongest layer that has one. */
  all<T>(option: Option<T>): readonly GivenValue<T>[] {
    return this.#read(option, this.#strongest(option));
  }

  /** The values of all tables of the file, and of the strongest layer: a later one wins over an earlier one. */
  merged<T>(option: Option<T>): readonly GivenValue<T>[] {
    const strongest = this.layers.find((layer) => this.#textsOf(layer, option).length > 0);
    const layers = this.layers.filter((layer) => layer.isFile || layer === strongest).toReversed();
    return layers.flatMap((layer) => this.from(layer, option));
  }

  /** The values of a layer alone. */
  from<T>(layer: Layer, option: Option<T>): readonly GivenValue<T>[] {
    return this.#read(option, this.#textsOf(layer, option));
  }

  #strongest(option: Option<unknown>): readonly GivenText[] {
    for (const layer of this.layers) {
      const texts = this.#textsOf(layer, option);
      if (texts.length > 0) return texts;
    }
    return [];
  }

  #textsOf(layer: Layer, option: Option<unknown>): readonly GivenText[] {
    return this.#mistakes.attempt(() => layer.texts(option), []);
  }

  #read<T>(option: Option<T>, texts: readonly GivenText[]): readonly GivenValue<T>[] {
    return texts.flatMap((given) =>
      this.#mistakes.attempt(() => [{ ...given, value: readGiven(given, option) }], []),
    );
  }
}

function variableTexts(
  option: Option<unknown>,
  by: string,
  environment: Environment,
  folder: string,
): readonly GivenText[] {
  const whole = variable(by, environment);
  if (whole === null) return [];
  return splitVariable(option, whole).map((text) => ({ by, text, folder, kind: null }));
}

// An empty variable counts as not set, because that is how a shell or a unit file removes a value. Only
// the list of trusted proxies may be empty on purpose.
function variable(name: string, environment: Environment): string | null {
  const text = environment[name];
  if (text === undefined) return null;
  if (text === "" && name !== variableOf(OPTIONS.forwardedAllowIps.name)) return null;
  // Kubernetes sets TYPHON_PORT=tcp://… in every container beside a service named typhon.
  if (name === variableOf(OPTIONS.port.name) && /^(tcp|udp|sctp):\/\//.test(text)) return null;
  return text;
}

const LINE_BY_LINE: ReadonlySet<Option<unknown>> = new Set<Option<unknown>>([
  OPTIONS.env,
  OPTIONS.cgiEnv,
  OPTIONS.mount,
  OPTIONS.header,
]);

// A variable holds all values of a repeatable option, separated by commas or spaces. Values of --env and --cgi-env,
// and the applications of --mount, may hold both, so there each line is one value.
function splitVariable(option: Option<unknown>, whole: string): string[] {
  if (!option.isRepeatable) return [whole];
  const hasLines = LINE_BY_LINE.has(option);
  return whole.split(hasLines ? /\r?\n/ : /[\s,]+/).filter((text) => text !== "");
}

/** The value of a given text. Throws OperatorError. */
export function readGiven<T>(given: GivenText, option: Option<T>): T {
  const value = readValue(given.by, given.text, option.read);
  checkKind(given, option);
  return value;
}

/** Reads a value; `by` names what gave it in the error line. Throws OperatorError. */
export function readValue<T>(by: string, text: string, read: Reader<T>): T {
  try {
    return read(text);
  } catch (error) {
    if (error instanceof BadValue) throw new OperatorError(`${by} ${quote(text)} ${error.message}`);
    throw error;
  }
}
