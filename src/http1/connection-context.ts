// What all connections of a front share: the parser, limits, the time, and who hears of exchanges.

import type { HttpError } from "../http/error.ts";
import type { Exchange } from "../http/exchange.ts";
import type { HeadParser } from "./head-parser.ts";

export interface ConnectionContext<Connection> {
  readonly parser: HeadParser;
  readonly maxBodyBytes: number;
  /** How long an idle connection stays; a new one has had no request yet. */
  readonly idleLimitMs: (isNew: boolean) => number;
  /** Time of the last tick, ms. */
  readonly now: number;
  readonly isDraining: boolean;
  readonly onExchange: (exchange: Exchange) => void;
  readonly onFinish: (exchange: Exchange) => void;
  readonly onRefused: (error: HttpError, remoteAddress: string) => void;
  /** The connection will take no further request and has no descriptor soon. */
  readonly onClosed: (connection: Connection) => void;
}
