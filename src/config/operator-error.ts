// A mistake that the operator has to correct: a bad option, a port in use, an application that does not
// load. Its text is one line (or the traceback of an application that raises) without a stack of ours. The
// code that finds the mistake throws this error; only cli/ prints it and ends the process.

/** 2: the command or its surroundings are wrong; 3: the application does not load. */
type OperatorExitCode = 2 | 3;

/** A mistake of the operator. `text` names the option, the mistake and the remedy. */
export class OperatorError extends Error {
  readonly text: string;
  readonly exitCode: OperatorExitCode;

  constructor(text: string, exitCode: OperatorExitCode = 2) {
    super(text);
    this.name = "OperatorError";
    this.text = text;
    this.exitCode = exitCode;
  }
}

/** Gathers mistakes, so that one look at a configuration shows all of them. */
export class Mistakes {
  // A value may be read for several applications: each mistake is told once.
  readonly #texts = new Set<string>();

  add(text: string): void {
    this.#texts.add(text);
  }

  /** The result of `make`; if it throws OperatorError, that is a mistake, and the result is `instead`. */
  attempt<T>(make: () => T, instead: T): T {
    try {
      return make();
    } catch (error) {
      if (!(error instanceof OperatorError)) throw error;
      this.add(error.text);
      return instead;
    }
  }

  /** Throws an OperatorError with a line for each mistake, if there is one. */
  end(): void {
    if (this.#texts.size > 0) throw new OperatorError([...this.#texts].join("\n"));
  }
}

/** Most characters of a bad value that an error line repeats. */
const MAX_QUOTED_CHARACTERS = 80;

/** A value for an error line: quoted, shortened, control characters escaped. */
export function quote(value: string): string {
  const short =
    value.length > MAX_QUOTED_CHARACTERS ? `${value.slice(0, MAX_QUOTED_CHARACTERS)}…` : value;
  return `'${escapeControls(short)}'`;
}

/** Names of files and texts of sources, for one line: control characters, line ends among them, escaped. */
export function escapeControls(text: string): string {
  return text.replaceAll(/\p{Cc}/gu, (character) => {
    const code = character.codePointAt(0) ?? 0;
    return `\\x${code.toString(16).padStart(2, "0")}`;
  });
}
