// The server's log: typed events as lines for people or as JSON for programs. Whoever writes here says
// what happened; how a line looks, and that nobody's bytes can forge one, is decided here. Lines go to
// a Sink, so writing costs no system call at once and never blocks.
//
//   text:  2026-11-21 09:30:01 INFO  text  key=value key="two words"
//   json:  {"time":"2026-11-21T09:30:01.123Z","level":"info","event":"…","message":"…","key":…}

import { isoTime, plainTime } from "./clock-text.ts";
import { escapeLines, escapeText, escapeValue } from "./escape.ts";
import type { EventFields, EventName, FieldValue } from "./events.ts";
import type { Sink } from "./sink.ts";

/** From the least to the most urgent. */
const LOG_LEVELS = ["debug", "info", "warning", "error"] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

const LABELS: Readonly<Record<LogLevel, string>> = {
  debug: "DEBUG",
  info: "INFO ",
  warning: "WARN ",
  error: "ERROR",
};

export interface LogOptions {
  /** Lines below this level are not written. */
  readonly level: LogLevel;
  readonly format: "text" | "json";
}

/** Writes events to one sink. */
export class Log {
  readonly level: LogLevel;
  readonly format: "text" | "json";
  readonly #sink: Sink;
  /** The application that each line is about; "" where there is only one. */
  readonly application: string;
  readonly #least: number;

  constructor(sink: Sink, options: LogOptions, application = "") {
    this.#sink = sink;
    this.level = options.level;
    this.format = options.format;
    this.#least = LOG_LEVELS.indexOf(options.level);
    this.application = application;
  }

  /** The same log for one application: each line names the application. "" names none. */
  of(application: string): Log {
    return new Log(this.#sink, this, application);
  }

  /** Whether a line of this level would be written; for texts that are dear to make. */
  isWritten(level: LogLevel): boolean {
    return LOG_LEVELS.indexOf(level) >= this.#least;
  }

  /** Writes one event. `text` may have several lines (a traceback); no line of it passes for a record. */
  write<E extends EventName>(
    level: LogLevel,
    event: E,
    text: string,
    fields: EventFields[E],
  ): void {
    if (this.isWritten(level)) this.#sink.write(this.#format(level, event, text, { ...fields }));
  }

  debug<E extends EventName>(event: E, text: string, fields: EventFields[E]): void {
    this.write("debug", event, text, fields);
  }

  info<E extends EventName>(event: E, text: string, fields: EventFields[E]): void {
    this.write("info", event, text, fields);
  }

  warning<E extends EventName>(event: E, text: string, fields: EventFields[E]): void {
    this.write("warning", event, text, fields);
  }

  error<E extends EventName>(event: E, text: string, fields: EventFields[E]): void {
    this.write("error", event, text, fields);
  }

  /** A line that the application printed. Always written: its level is the application's affair. */
  output(worker: number, stream: "stdout" | "stderr", line: string): void {
    if (this.format === "json") {
      this.#sink.write(this.#format("info", "application.output", line, { worker, stream }));
      return;
    }
    const application = this.application === "" ? "" : ` of ${this.application}`;
    const source = `worker ${worker}${application}${stream === "stdout" ? "" : " stderr"}`;
    this.#sink.write(`${plainTime(Date.now())} INFO  [${source}] ${escapeText(line)}\n`);
  }

  /** Opens the log's file anew; nothing where it is no file. */
  reopen(): void {
    this.#sink.reopen();
  }

  /** Resolves when everything is written, or when the target does not take it in a second. */
  flush(): Promise<void> {
    return this.#sink.flush();
  }

  #format(
    level: LogLevel,
    event: EventName,
    text: string,
    fields: Readonly<Record<string, FieldValue>>,
  ): string {
    const now = Date.now();
    const application = this.application === "" ? {} : { application: this.application };
    const all = { ...application, ...fields };
    if (this.format === "json") {
      // Ours stand first; a field can not take their names, see EventFields.
      const record = { time: isoTime(now), level, event, message: text, ...all };
      return `${JSON.stringify(record)}\n`;
    }
    let line = `${plainTime(now)} ${LABELS[level]} ${escapeLines(text)}`;
    let separator = "  ";
    for (const [name, value] of Object.entries(all)) {
      if (value === undefined || value === null) continue;
      // After a traceback the fields would look like a part of it.
      if (separator === "  " && text.includes("\n")) separator = "\n    ";
      line += `${separator}${name}=${typeof value === "string" ? escapeValue(value) : String(value)}`;
      separator = " ";
    }
    return `${line}\n`;
  }
}
