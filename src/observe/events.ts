// Every event of the server's log: its name and its fields. The names are stable, for whoever reads
// the log by a program (--log-format json); texts may change. An event that is not here cannot be
// written. Names are "what.happened"; times end in Ms, sizes in Bytes.

/** The fields of each event by its name. */
export interface EventFields {
  /** Addresses are open and the application is loaded. */
  "server.started": {
    readonly interface: string;
    readonly python: string;
    readonly workers: number;
    readonly threads: number;
    readonly startMs: number;
  };
  /** Something about the start that the operator should know, such as why it is not port 80. */
  "server.notice": { readonly address?: string };
  "server.stopping": { readonly signal: string };
  "server.stopped": { readonly exitCode: number };
  /** The server cannot start or go on. */
  "server.failed": { readonly code?: string };
  /** A fault of ours. */
  "server.fault": { readonly code?: string };
  "signal.received": { readonly signal: string };

  "application.output": { readonly worker: number; readonly stream: "stdout" | "stderr" };
  /** The application raised, or its answer cannot be sent; the text holds the traceback. */
  "application.fault": {
    readonly requestId: string;
    readonly worker?: number;
    readonly method?: string;
    readonly path?: string;
  };
  "application.failed": { readonly kind: string };

  "worker.ready": { readonly worker: number; readonly pid: number };
  "worker.ended": {
    readonly worker: number;
    readonly pid: number;
    readonly code: number | null;
    readonly signal: number | null;
    readonly lost: number;
    readonly peakRssBytes: number;
  };
  /** A worker's own message, such as the stacks of a late request. */
  "worker.message": { readonly worker: number; readonly requestId?: string };
  "launcher.ended": { readonly pid?: number };
  "launcher.output": { readonly pid?: number };

  "request.overdue": { readonly requestId: string; readonly worker: number; readonly ms?: number };
  "request.lost": { readonly requestId: string; readonly worker: number };
  /** A temporary file could not be written or read. */
  "request.spill-failed": { readonly requestId: string; readonly code?: string };
  /** A client's message was refused before it was a request. */
  "connection.refused": { readonly address: string; readonly code: string };
  "queue.full": { readonly waiting: number };
  "queue.free": { readonly refused: number };
  "descriptors.low": { readonly open: number; readonly limit: number };

  "log.dropped": { readonly target: string; readonly lines: number };
  "log.failed": { readonly target: string; readonly code: string };
  "log.reopened": { readonly target: string };
}

export type EventName = keyof EventFields;

/** What a field may hold. */
export type FieldValue = string | number | boolean | null | undefined;
