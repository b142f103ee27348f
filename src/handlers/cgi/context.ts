// What all CGI routes of a server share: who runs programs and how many, the places for large bodies, and who hears
// of faults.

import type { ProgramQueue } from "../../cgi/program-queue.ts";
import type { ProgramRunner } from "../../cgi/program.ts";
import type { Exchange } from "../../http/exchange.ts";
import type { FileCount } from "../../net/file-tree.ts";
import type { MemoryBudget } from "../../net/memory-budget.ts";
import type { TempFolder } from "../../net/temp-folder.ts";

export interface CgiContext {
  readonly runner: ProgramRunner;
  readonly queue: ProgramQueue;
  readonly folder: TempFolder;
  readonly openFiles: FileCount;
  readonly budget: MemoryBudget;
  /** Bytes of one response that may lie in a temporary file. */
  readonly maxResponseSpill: number;
  /** Name and version of the server: SERVER_SOFTWARE. */
  readonly software: string;
  /** Whether a peer gets the fields by which a program orders it to send something else (X-Accel-Redirect …). */
  readonly isTrustedProxy: (address: string) => boolean;
  /** Routes an exchange anew: a local redirect has changed its path. Never throws. */
  readonly reroute: (exchange: Exchange) => void;
  /** A program failed, or sent a response that is not valid; the text is for the log. `program`: latin-1. */
  readonly onFault: (exchange: Exchange, program: string, text: string) => void;
  /** What a program has written to its standard error. */
  readonly onErrorText: (exchange: Exchange, program: string, text: string) => void;
  /** A temporary file could not be written or read. */
  readonly onStoreFailure: (exchange: Exchange, error: Error) => void;
  /** What a path leads to cannot be looked at. `path`: latin-1; `code`: the system's. */
  readonly onUnreadable: (path: string, code: string) => void;
  /** A path leads to a file that may not be run. `path`: latin-1. */
  readonly onNoProgram: (path: string) => void;
}

/** One CGI route. */
export interface CgiOptions {
  /** The route's canonical path, below which the programs are: "" or "/prefix". */
  readonly prefix: string;
  /** Absolute: a folder of programs, or one program that gets every path. */
  readonly place: string;
  /** The interpreter for `.py` files without the executable bit; "" = such files are not run. */
  readonly python: string;
  /** Whether Python programs may run in forks of a template. */
  readonly isWarm: boolean;
  /** Modules that a template imports. */
  readonly preload: readonly string[];
  /** Whether programs get the request's Authorization field. */
  readonly passesAuthorization: boolean;
  /** Variables of every program, in place of the request's of that name. */
  readonly env: Readonly<Record<string, string>>;
  /** Time until the head of the response, and between pieces of its body while the client reads; 0 = no limit. */
  readonly timeoutMs: number;
  readonly context: CgiContext;
}
