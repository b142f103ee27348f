// What the operator has to mend: a bad option, a port in use, an application that does not load.
// Always one clear line (or, for an application that raises, its own traceback) without a stack of
// ours. Whoever finds the mistake throws it; only cli/ prints it and ends the process.

/** 2: the command was not used rightly; 3: the application does not load. */
type OperatorExitCode = 2 | 3;

/** A mistake that only the operator can mend. `text` names the option, what is wrong and the remedy. */
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

/** Characters of a bad value that an error line repeats; more says nothing. */
const MAX_QUOTED_CHARACTERS = 80;

/** A value as an error line shows it: control characters escaped, never longer than a line. */
export function quote(value: string): string {
  const short =
    value.length > MAX_QUOTED_CHARACTERS ? `${value.slice(0, MAX_QUOTED_CHARACTERS)}…` : value;
  return `'${short.replaceAll(/\p{Cc}/gu, (character) => {
    const code = character.codePointAt(0) ?? 0;
    return `\\x${code.toString(16).padStart(2, "0")}`;
  })}'`;
}
