// What all requests of one Python application share: the pool they go to, the places for large bodies,
// and who hears of faults.

import type { Exchange } from "../../http/exchange.ts";
import type { MemoryBudget } from "../../net/memory-budget.ts";
import type { TempFolder } from "../../net/temp-folder.ts";
import type { Pool } from "../../workers/pool.ts";

/** Seconds; 0 = without end. */
interface RequestTimes {
  /** From taking to the head of the answer. */
  readonly timeout: number;
  /** Between two chunks of it. */
  readonly gapTimeout: number;
}

export interface ApplicationContext {
  readonly pool: Pool;
  readonly folder: TempFolder;
  readonly budget: MemoryBudget;
  /** How long a request for this path may run. */
  readonly timesOf: (path: string) => RequestTimes;
  /** Whether safe requests are run once more when their worker has died. */
  readonly mayRetry: boolean;
  /** Bytes of one answer that may lie in a temporary file. */
  readonly maxResponseSpill: number;
  /** The application raised, or answered what cannot be sent; the text is for the log. */
  readonly onFault: (exchange: Exchange, text: string) => void;
  /** A temporary file could not be written or read. */
  readonly onStoreFailure: (exchange: Exchange, error: Error) => void;
}
