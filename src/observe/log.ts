// The server's log: typed events (events.ts), written as text for people or as JSON for programs. This file
// decides how a line looks and escapes all values, so that no client and no application can forge a line.
// Lines go to a Sink: writing one never blocks.
//
//   text:  2026-11-21 09:30:01 INFO  text  key=value key="two words"
//   json:  {"time":"2026-11-21T09:30:01.123Z","level":"info","event":"…","message":"…","key":…}

import { isoTime, plainTime } from "./clock-text.ts";
import { escapeLines, escapeText, escapeValue, jsonText } from "./escape.ts";
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
  /** The application that the lines are about; "" if there is only one. */
  readonly application: string;
  readonly #sink: Sink;
  readonly #options: LogOptions;
  readonly #least: number;

  constructor(sink: Sink, options: LogOptions, application = "") {
    this.#sink = sink;
    this.#options = options;
    this.#least = LOG_LEVELS.indexOf(options.level);
    this.application = application;
  }

  /** Returns a log on the same sink whose lines name the application; "" names none. */
  of(application: string): Log {
    return new Log(this.#sink, this.#options, application);
  }

  /** Writes one event. `text` may have several lines (a traceback); none of them looks like a record. */
  write<E extends EventName>(
    level: LogLevel,
    event: E,
    text: string,
    fields: EventFields[E],
  ): void {
    if (LOG_LEVELS.indexOf(level) < this.#least) return;
    this.#sink.write(this.#format(level, event, text, { ...fields }));
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

  /** Whether an application may print more, or should wait a moment (`Sink.takesMore`). */
  get takesMore(): boolean {
    return this.#sink.takesMore;
  }

  /** Writes a line that the application printed, whatever --log-level is: the line has no level. */
  output(worker: number, stream: "stdout" | "stderr", line: string): void {
    if (this.#options.format === "json") {
      this.#sink.write(this.#format("info", "application.output", line, { worker, stream }));
      return;
    }
    const application = this.application === "" ? "" : ` of ${this.application}`;
    const source = `worker ${worker}${application}${stream === "stdout" ? "" : " stderr"}`;
    this.#sink.write(`${plainTime(Date.now())} INFO  [${source}] ${escapeText(line)}\n`);
  }

  /** Opens the log file again by its path (log rotation); does nothing if the log is no file. */
  reopen(): void {
    this.#sink.reopen();
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
    if (this.#options.format === "json") {
      // Our members come first. No field has one of their names (events.ts).
      const record = { time: isoTime(now), level, event, message: text, ...all };
      return `${jsonText(record)}\n`;
    }
    let line = `${plainTime(now)} ${LABELS[level]} ${escapeLines(text)}`;
    let separator = "  ";
    for (const [name, value] of Object.entries(all)) {
      if (value === undefined || value === null) continue;
      // On the traceback's last line the fields would look like a part of the traceback.
      if (separator === "  " && text.includes("\n")) separator = "\n    ";
      line += `${separator}${name}=${typeof value === "string" ? escapeValue(value) : String(value)}`;
      separator = " ";
    }
    return `${line}\n`;
  }
}
