// Who says what an option is: a flag, else its TYPHON_… variable, else the variable that other servers
// know, else the table's default. Turns texts into values by the table's readers and tells a bad one
// as one line that names who gave it.

import type { Flags } from "./flags.ts";
import { OperatorError, quote } from "./operator-error.ts";
import { APP, OPTIONS, variableOf, type Option } from "./schema.ts";
import { BadValue, type Reader } from "./values.ts";

/** Variables of the process. */
export type Environment = Readonly<Record<string, string | undefined>>;

/** A value that somebody gave, and by what: "--port" or "TYPHON_PORT". */
interface GivenValue<T> {
  readonly by: string;
  readonly text: string;
  readonly value: T;
}

/** A source of its own: what the flags say together, or what the variables say. */
type SourceName = "flag" | "variable";

/** Where the texts of options come from, the strongest source first. Its readers throw OperatorError. */
export class Sources {
  readonly #flags: Flags;
  readonly #environment: Environment;

  constructor(flags: Flags, environment: Environment) {
    this.#flags = flags;
    this.#environment = environment;
  }

  /** The application, or null if none was named. */
  app(): GivenValue<string> | null {
    const variable = variableOf(APP.name);
    const text = this.#flags.app ?? this.#variable(variable);
    if (text === null) return null;
    const by = this.#flags.app === null ? variable : "application";
    return { by, text, value: readValue(by, text, APP.read) };
  }

  /** The last value given (as a shell's user expects of a repeated flag), or null. */
  ask<T>(option: Option<T>): GivenValue<T> | null {
    return this.all(option).at(-1) ?? null;
  }

  /** The value given or the table's default. */
  one<T>(option: Option<T>): T {
    return this.ask(option)?.value ?? option.read(option.fallback ?? "");
  }

  /** All values of an option that may be repeated. */
  all<T>(option: Option<T>): GivenValue<T>[] {
    const fromFlags = this.from("flag", option);
    return fromFlags.length > 0 ? fromFlags : this.from("variable", option);
  }

  /** What one source alone says of an option. */
  from<T>(source: SourceName, option: Option<T>): GivenValue<T>[] {
    if (source === "flag") {
      const by = `--${option.name}`;
      const texts = this.#flags.texts.get(option.name) ?? [];
      return texts.map((text) => ({ by, text, value: readValue(by, text, option.read) }));
    }
    const names = [variableOf(option.name), option.otherVariable ?? ""];
    const by = names.find((name) => name !== "" && this.#variable(name) !== null);
    if (by === undefined) return [];
    const whole = this.#variable(by) ?? "";
    return splitVariable(option, whole).map((text) => ({
      by,
      text,
      value: readValue(by, text, option.read),
    }));
  }

  // An empty variable counts as none: that is how a shell or a unit file takes one away. Only the list
  // of trusted proxies may be empty on purpose.
  #variable(name: string): string | null {
    const text = this.#environment[name];
    if (text === undefined) return null;
    if (text === "" && name !== variableOf(OPTIONS.forwardedAllowIps.name)) return null;
    // Kubernetes gives every container of a service named typhon such a variable.
    if (name === variableOf(OPTIONS.port.name) && /^(tcp|udp|sctp):\/\//.test(text)) return null;
    return text;
  }
}

// A variable holds all values of an option: assignments one a line, since they may hold anything else;
// addresses between commas or spaces.
function splitVariable(option: Option<unknown>, whole: string): string[] {
  if (!option.isRepeatable) return [whole];
  const separator = option.name === OPTIONS.env.name ? /\r?\n/ : /[\s,]+/;
  return whole.split(separator).filter((text) => text !== "");
}

/** The value of a text; what is wrong with it is told with `by`, who gave it. Throws OperatorError. */
export function readValue<T>(by: string, text: string, read: Reader<T>): T {
  try {
    return read(text);
  } catch (error) {
    if (error instanceof BadValue) throw new OperatorError(`${by} ${quote(text)} ${error.message}`);
    throw error;
  }
}
