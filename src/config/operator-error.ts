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

/** Most characters of a bad value that an error line repeats. */
const MAX_QUOTED_CHARACTERS = 80;

/** A value for an error line: quoted, shortened, control characters escaped. */
export function quote(value: string): string {
  const short =
    value.length > MAX_QUOTED_CHARACTERS ? `${value.slice(0, MAX_QUOTED_CHARACTERS)}…` : value;
  return `'${short.replaceAll(/\p{Cc}/gu, (character) => {
    const code = character.codePointAt(0) ?? 0;
    return `\\x${code.toString(16).padStart(2, "0")}`;
  })}'`;
}
