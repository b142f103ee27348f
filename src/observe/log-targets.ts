// Opens both logs and the output of applications on their targets. Problems of a target are written to the server's log: lines that were
// dropped because the target was too slow, and a target that cannot be written.

import { AccessLog, type AccessFormat } from "./access-log.ts";
import { Log, type LogOptions } from "./log.ts";
import { Sink, type SinkFailure } from "./sink.ts";

const FAILURES: Readonly<Record<SinkFailure, string>> = {
  write: "a log cannot be written; its lines wait",
  reopen: "a log's file cannot be opened again; its lines go on into the old file",
};

// Whatever goes to one standard stream shares one sink, so that no line is torn by another.
let standardOutput: Sink | null = null;
let standardError: Sink | null = null;

function standardSink(stream: "stdout" | "stderr"): Sink {
  if (stream === "stdout") return (standardOutput ??= new Sink(1));
  return (standardError ??= new Sink(2));
}

/** The server's log on standard error. */
export function openLog(options: LogOptions): Log {
  const log = new Log(standardSink("stderr"), options);
  for (const stream of ["stdout", "stderr"] as const) reportTroubles(standardSink(stream), log);
  return log;
}

/**
 * Writes whole lines of an application to the server's own standard streams, unchanged. False: the
 * application should wait a moment (`Sink.takesMore`).
 */
export function writeOutput(stream: "stdout" | "stderr", lines: Buffer): boolean {
  const sink = standardSink(stream);
  if (lines.length > 0) sink.writeBytes(lines);
  return sink.takesMore;
}

/** Resolves when all lines for the standard streams are written, at the latest after a second. */
export async function flushStandardStreams(): Promise<void> {
  await Promise.all([standardOutput?.flush(), standardError?.flush()]);
}

/**
 * The access log on standard output ("-") or in a file; null for "off". Throws the system's error if the
 * file cannot be opened.
 */
export function openAccessLog(target: string, format: AccessFormat, log: Log): AccessLog | null {
  if (target === "off") return null;
  const sink = target === "-" ? standardSink("stdout") : new Sink(target);
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
  sink.onFailure = (code, what): void => log.error("log.failed", FAILURES[what], { target, code });
}
