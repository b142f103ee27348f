// Every event of the server's log: its name and its fields. Names and fields are stable, because programs
// read the log (--log-format json); texts may change. Only events of this table can be written. A name is
// "subject.event"; names of times end in Ms, names of sizes in Bytes.

interface RequestFields {
  readonly requestId: string;
  readonly method: string;
  readonly path: string;
  readonly worker: number;
}

interface ProgramFields {
  readonly requestId: string;
  readonly method: string;
  readonly path: string;
}

interface HookFields {
  /** Functions, between spaces. */
  readonly hooks: string;
  /** The worker that has ended and its process; both 0 for hooks that are about none. */
  readonly worker: number;
  readonly pid: number;
}

/** The fields of each event by its name. */
export interface EventFields {
  /** The application is loaded and the server listens. */
  "server.started": {
    readonly interface: string;
    readonly python: string;
    readonly workers: number;
    readonly threads: number;
    readonly startMs: number;
  };
  /** A server without applications listens. */
  "server.files": { readonly startMs: number };
  /** The configuration file asks for what holds only after a restart. */
  "server.restart-needed": Record<string, never>;
  /** A certificate is in use; `names`: the hosts between spaces; missing for files, whose paths the text has. */
  "certificate.loaded": { readonly names?: string };
  /** There is no certificate yet, and an authority is asked for one. */
  "certificate.ordering": { readonly names: string };
  /** An authority has issued a certificate. */
  "certificate.issued": { readonly names: string };
  /** A certificate cannot be had or used; the one in use stays. */
  "certificate.failed": { readonly names?: string };
  /** Another process orders the certificate. */
  "certificate.waiting": { readonly names: string };
  /** The authority wants another time for the renewal (RFC 9773). */
  "certificate.moved": { readonly names: string };
  /** A file of the state folder is damaged, cannot be written, or was left behind. */
  "certificate.state": { readonly path?: string };
  /** Something of a certificate in use that some clients may refuse. */
  "certificate.warning": Record<string, never>;
  /** A certificate in use expires soon, or has expired. */
  "certificate.expiring": Record<string, never>;
  /** A client's connection ended before its first request, such as by a failed handshake. */
  "connection.failed": { readonly client: string; readonly reason: string };
  /** A file that a route uses has changed and cannot be used; the earlier content stays. */
  "route.failed": Record<string, never>;
  /** What was found to be served where nobody has named an application; the text says why. */
  "server.found": Record<string, never>;
  /** What the operator should know about the start, such as why the port is not 80. */
  "server.notice": { readonly address?: string };
  /** A reload begins: new workers load the application's code. */
  "server.reloading": { readonly reason: string };
  /** The workers with the new code take requests. */
  "server.reloaded": { readonly ms: number; readonly changed?: string };
  /** The new code did not load and the old code keeps serving; the text holds the traceback. */
  "server.reload-failed": { readonly ms: number; readonly changed?: string };
  /** The control socket could not be opened; SIGHUP still reloads. */
  "control.failed": { readonly path: string; readonly code: string };
  /** A folder cannot be watched: changes in it, and in folders not yet watched, are not seen. */
  "watch.failed": { readonly folder: string; readonly code: string };
  /** No message reaches the service manager (sd_notify(3)). */
  "manager.unreachable": Record<string, never>;
  "server.stopping": { readonly signal: string };
  /** --drain-delay: the server serves on for a while before it stops, and /readyz responds with 503. */
  "server.draining": { readonly signal: string; readonly delayMs: number };
  /** Workers that were killed have not ended; the main process exits without them. */
  "server.stuck": Record<string, never>;
  /** A file below a served folder cannot be read; at most one line a second for each route. */
  "files.unreadable": { readonly folder: string; readonly name: string; readonly code: string };
  /** A bug in Typhon. */
  "server.fault": { readonly code?: string };

  /** A line that the application has printed (--capture-output). */
  "application.output": { readonly worker: number; readonly stream: "stdout" | "stderr" };
  /** The application raised, or its response cannot be sent; the text holds the traceback. */
  "application.fault": {
    readonly requestId: string;
    readonly worker?: number;
    readonly method?: string;
    readonly path?: string;
  };
  /** The application does not load; the text holds the traceback. */
  "application.failed": { readonly kind: string; readonly worker?: number };

  /** The application needs a single process, because of `reason`. */
  "application.single": {
    readonly worker: number;
    readonly workers: number;
    readonly reason: string;
  };
  /** The application is loading, at a start or a reload. `workers`: how many it is to have. */
  "application.loading": { readonly workers: number };
  /**
   * A start or a reload takes long. `cpuMs`: CPU time of the process that loads the application; `place`: the module
   * that is being imported, and the line.
   */
  "application.waiting": {
    readonly place?: string;
    readonly worker?: number;
    readonly pid?: number;
    readonly cpuMs?: number;
  };

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
  /** The worker will be replaced because it reached a limit such as --max-requests. */
  "worker.recycled": { readonly worker: number; readonly pid: number };
  /** A worker's own message. */
  "worker.message": { readonly worker: number; readonly requestId?: string };
  /** The event loop did not come back within --loop-timeout; the text holds the worker's stacks. */
  "worker.loop-blocked": { readonly worker: number; readonly ms: number };
  /** A template (--preload) ended; its workers go on. */
  "template.ended": {
    readonly pid: number;
    readonly code: number | null;
    readonly signal: number | null;
  };
  /** Functions of an application have run outside of its workers (typhon_server.hooks, gunicorn.conf.py). */
  "hook.ended": HookFields;
  /** One of them has failed, or was killed because it took too long; the text has the traceback. */
  "hook.failed": HookFields;
  /** They could not run: no launcher was there, or the application stopped. */
  "hook.lost": HookFields;
  /** A hook of gunicorn.conf.py that is never called. */
  "hook.unused": Record<string, never>;
  "launcher.ended": { readonly pid?: number };
  "launcher.output": { readonly pid?: number };

  /** What a CGI program has written to its standard error. */
  "program.output": ProgramFields;
  /** A CGI program failed, or its response cannot be sent; the text has the reason. */
  "program.failed": ProgramFields;
  /** A Python program cannot run in a fork of a template, for the reason that the text has; told once. */
  "program.cold": { readonly program: string };
  /** The path of a request leads to a file that is not executable. */
  "program.denied": { readonly path: string };
  /** A file or folder on the way to a CGI program cannot be looked at. */
  "program.unreadable": { readonly path: string; readonly code: string };

  /** The request ran past its deadline; the text holds the stacks of its worker's threads. */
  "request.overdue": RequestFields & { readonly ms: number };
  /** The worker that ran the request ended. */
  "request.lost": RequestFields;
  /** The worker that ran the request ended, and another worker runs the request once more. */
  "request.retried": RequestFields;
  /** A temporary file could not be written or read. */
  "request.spill-failed": { readonly requestId: string; readonly code?: string };

  /** Lines were dropped because the log's target was too slow. */
  "log.dropped": { readonly target: string; readonly lines: number };
  /** The log's target cannot be written. */
  "log.failed": { readonly target: string; readonly code: string };
}

export type EventName = keyof EventFields;

/** The value of a field. */
export type FieldValue = string | number | boolean | null | undefined;
