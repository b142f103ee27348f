// Every event of the server's log: its name and its fields. The names are stable, for whoever reads
// the log by a program (--log-format json); texts may change. An event that is not here cannot be
// written. Names are "what.happened"; times end in Ms, sizes in Bytes.

interface RequestFields {
  readonly requestId: string;
  readonly method: string;
  readonly path: string;
  readonly worker: number;
}

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
  /** The application's code is loaded anew. */
  "server.reloading": { readonly reason: string };
  /** New code serves. */
  "server.reloaded": { readonly ms: number; readonly changed?: string };
  /** The new code does not load and the old goes on; the text holds the traceback. */
  "server.reload-failed": { readonly ms: number; readonly changed?: string };
  /** The control socket cannot be had; signals do what it would. */
  "control.failed": { readonly path: string; readonly code: string };
  /** Changes in a folder, or in all that are not watched yet, go unseen. */
  "watch.failed": { readonly folder: string; readonly code: string };
  "server.stopping": { readonly signal: string };
  /** What was ended by force has not ended: it is left to the kernel. */
  "server.stuck": Record<string, never>;
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
  "application.failed": { readonly kind: string; readonly worker?: number };

  "worker.ready": { readonly worker: number; readonly pid: number };
  "worker.ended": {
    readonly worker: number;
    readonly pid: number;
    readonly code: number | null;
    readonly signal: number | null;
    readonly lost: number;
    readonly retried: number;
    readonly peakRssBytes: number;
    /** The last lines of its standard error. */
    readonly lastWords?: string;
  };
  /** It is to be replaced, though nothing is wrong with it. */
  "worker.recycled": { readonly worker: number; readonly pid: number };
  /** A worker's own message. */
  "worker.message": { readonly worker: number; readonly requestId?: string };
  "launcher.ended": { readonly pid?: number };
  "launcher.output": { readonly pid?: number };

  /** It ran past its deadline; the text holds the stacks of its worker's threads. */
  "request.overdue": RequestFields & { readonly ms: number };
  /** Its worker ended. */
  "request.lost": RequestFields;
  /** Its worker ended, and another runs it once more. */
  "request.retried": RequestFields;
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
