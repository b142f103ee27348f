// Opens both logs on their targets. Problems of a target are written to the server's log: lines that were
// dropped because the target was too slow, and a target that cannot be written.

import { AccessLog } from "./access-log.ts";
import { Log, type LogOptions } from "./log.ts";
import { Sink } from "./sink.ts";

/** The server's log on standard error. */
export function openLog(options: LogOptions): Log {
  const sink = new Sink(2);
  const log = new Log(sink, options);
  reportTroubles(sink, log);
  return log;
}

/**
 * The access log on standard output ("-") or in a file; null for "off". Throws the system's error if the
 * file cannot be opened.
 */
export function openAccessLog(target: string, format: "text" | "json", log: Log): AccessLog | null {
  if (target === "off") return null;
  const sink = new Sink(target === "-" ? 1 : target);
  reportTroubles(sink, log);
  return new AccessLog(sink, format);
}

function reportTroubles(sink: Sink, log: Log): void {
  const target = sink.name;
  sink.onDropped = (lines): void =>
    log.warning("log.dropped", "log lines were dropped because their target was too slow", {
      target,
      lines,
    });
  // If the server's log itself fails, this line waits with its other lines until they can be written.
  sink.onFailure = (code): void =>
    log.error("log.failed", "a log cannot be written; its lines wait", { target, code });
}
