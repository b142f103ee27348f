// Opens the logs on their targets and joins what the targets have to tell to the server's log: lines
// that were dropped because a target was too slow, and a target that refuses.

import { AccessLog } from "./access-log.ts";
import { Log, type LogOptions } from "./log.ts";
import { Sink } from "./sink.ts";

/** The server's log on standard error. */
export function openLog(options: LogOptions): Log {
  const sink = new Sink(2);
  const log = new Log(sink, options);
  tellTroubles(sink, log);
  return log;
}

/**
 * The access log on standard output ("-") or a file, null for "off". Throws the system's error where
 * the file cannot be opened.
 */
export function openAccessLog(target: string, format: "text" | "json", log: Log): AccessLog | null {
  if (target === "off") return null;
  const sink = new Sink(target === "-" ? 1 : target);
  tellTroubles(sink, log);
  return new AccessLog(sink, format);
}

function tellTroubles(sink: Sink, log: Log): void {
  const target = sink.name;
  sink.listener = {
    onDropped: (lines) =>
      log.warning("log.dropped", "log lines were dropped, the target was too slow", {
        target,
        lines,
      }),
    // Where the log itself fails, this line waits with the others until it can be written.
    onFailure: (code) =>
      log.error("log.failed", "a log cannot be written, its lines wait", { target, code }),
  };
}
