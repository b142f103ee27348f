// A CGI program (RFC 3875) as the handler and the launcher see it: what it is started with, what it does, and how it
// is ended. One run is one process group; its standard output goes to the client, its standard error to the log.

/** What a program reads from its standard input: the body of the request, received whole. */
export type ProgramInput =
  | { readonly kind: "none" }
  | { readonly kind: "memory"; readonly bytes: Buffer }
  /** A temporary file of `length` bytes, which stays until the run has ended. */
  | { readonly kind: "file"; readonly path: string; readonly length: number };

/** Its texts stand for bytes: latin-1, one character a byte; that goes for paths, too. */
export interface ProgramRequest {
  /** Absolute path of the program's file. */
  readonly program: string;
  /** "": the file is executed itself. Else it is a Python file that this interpreter runs. */
  readonly python: string;
  /** Arguments after the program's name (RFC 3875 §4.4). */
  readonly args: readonly string[];
  /** The working directory, absolute. */
  readonly folder: string;
  /** The whole environment. */
  readonly environment: Readonly<Record<string, string>>;
  readonly input: ProgramInput;
  /** Whether the program may run in a fork of a template (warm). */
  readonly mayBeWarm: boolean;
  /** Modules that such a template imports, beside those of the standard library that the program names. */
  readonly preload: readonly string[];
}

export interface ProgramEnd {
  /** Null: ended by a signal, or not started. */
  readonly code: number | null;
  readonly signal: number | null;
  /** Why the program could not be started, or read, or ended; "" = none of these. */
  readonly failure: string;
  /** Whether the program could not be started at this moment, and a later request may start it. */
  readonly isForNow?: boolean;
}

/** Hears of one run. `onEnd` comes last, and exactly once. */
export interface ProgramListener {
  onStarted(pid: number, isWarm: boolean): void;
  /** Bytes of the standard output, valid during the call only. */
  onOutput(bytes: Buffer): void;
  /** The standard output is closed by every process that had it; the program may go on. */
  onOutputEnd(): void;
  /** Text of the standard error; at most MAX_ERROR_BYTES of a run, then one "…". */
  onErrorText(text: string): void;
  onEnd(end: ProgramEnd): void;
}

export interface RunningProgram {
  /** Stops and restarts reading the standard output (backpressure). */
  pause(): void;
  resume(): void;
  /** Ends the process group: SIGTERM, SIGKILL a little later. Output is no longer read. */
  end(): void;
  /** Kills the process group at once. */
  kill(): void;
}

/** Runs programs. */
export interface ProgramRunner {
  run(request: ProgramRequest, listener: ProgramListener): RunningProgram;
}
