// Where an option's value comes from: a flag, else its TYPHON_… variable, else the variable of other servers,
// else the table's default. The readers of the table turn texts into values; the error line of a bad value
// names the flag or variable that gave it.

import type { Flags } from "./flags.ts";
import { OperatorError, quote } from "./operator-error.ts";
import { APP, OPTIONS, variableOf, type Option } from "./schema.ts";
import { BadValue, type Reader } from "./values.ts";

/** Variables of the process. */
export type Environment = Readonly<Record<string, string | undefined>>;

/** A given value. `by`: the flag or variable that gave it, such as "--port" or "TYPHON_PORT". */
export interface GivenValue<T> {
  readonly by: string;
  readonly text: string;
  readonly value: T;
}

/** All flags together, or all variables together. */
type SourceName = "flag" | "variable";

/** The flags and variables of one start. All methods throw OperatorError for a bad value. */
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

  /** The last value given, or null. (Users expect the last of repeated flags to win.) */
  ask<T>(option: Option<T>): GivenValue<T> | null {
    return this.all(option).at(-1) ?? null;
  }

  /** The value given, else the table's default. */
  one<T>(option: Option<T>): T {
    return this.ask(option)?.value ?? option.read(option.fallback ?? "");
  }

  /** All values of an option that may be repeated. */
  all<T>(option: Option<T>): GivenValue<T>[] {
    const fromFlags = this.from("flag", option);
    return fromFlags.length > 0 ? fromFlags : this.from("variable", option);
  }

  /** The values that one source alone gives to an option. */
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

  // An empty variable counts as not set, because that is how a shell or a unit file removes a value. Only
  // the list of trusted proxies may be empty on purpose.
  #variable(name: string): string | null {
    const text = this.#environment[name];
    if (text === undefined) return null;
    if (text === "" && name !== variableOf(OPTIONS.forwardedAllowIps.name)) return null;
    // Kubernetes sets TYPHON_PORT=tcp://… in every container beside a service named typhon.
    if (name === variableOf(OPTIONS.port.name) && /^(tcp|udp|sctp):\/\//.test(text)) return null;
    return text;
  }
}

// A variable holds all values of a repeatable option, separated by commas or spaces. Values of --env may hold
// both, so there each line is one value.
function splitVariable(option: Option<unknown>, whole: string): string[] {
  if (!option.isRepeatable) return [whole];
  const separator = option.name === OPTIONS.env.name ? /\r?\n/ : /[\s,]+/;
  return whole.split(separator).filter((text) => text !== "");
}

/** Reads a value; `by` names the flag or variable in the error line. Throws OperatorError. */
export function readValue<T>(by: string, text: string, read: Reader<T>): T {
  try {
    return read(text);
  } catch (error) {
    if (error instanceof BadValue) throw new OperatorError(`${by} ${quote(text)} ${error.message}`);
    throw error;
  }
}
