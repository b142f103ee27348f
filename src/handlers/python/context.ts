// What all requests of one Python application share: the pool they go to, the places for large bodies,
// and who hears of faults.

import type { Exchange } from "../../http/exchange.ts";
import type { MemoryBudget } from "../../net/memory-budget.ts";
import type { OpenFiles } from "../../net/open-files.ts";
import type { TempFolder } from "../../net/temp-folder.ts";
import type { HandedFiles } from "./handed-files.ts";
import type { Pool } from "../../workers/pool.ts";

export interface ApplicationContext {
  readonly pool: Pick<Pool, "submit" | "cancel" | "halfClose" | "credit">;
  readonly folder: TempFolder;
  readonly openFiles: OpenFiles;
  readonly budget: MemoryBudget;
  /**
   * How long a request for this path may run, 0 = without limit: `timeoutMs` from taking to the head of the
   * response, `gapTimeoutMs` between two pieces of it.
   */
  readonly timesOf: (path: string) => { readonly timeoutMs: number; readonly gapTimeoutMs: number };
  /** How long a request may go on without its client; 0 = without limit, null = as long as with the client. */
  readonly abandonTimeoutMs: number | null;
  /** Whether safe requests are run once more when their worker has died. */
  readonly mayRetry: boolean;
  /** Bytes of one response that may lie in a temporary file. */
  readonly maxResponseSpill: number;
  /** Files that the application hands over. */
  readonly files: HandedFiles;
  /** The application raised, or sent a response that is not valid; the text is for the log. */
  readonly onFault: (exchange: Exchange, text: string) => void;
  /** A temporary file could not be written or read. */
  readonly onStoreFailure: (exchange: Exchange, error: Error) => void;
}
