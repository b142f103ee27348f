// What is written, where, and how.

import { inGroup } from "../option.ts";
import { oneOf, readText } from "../values.ts";

const option = inGroup("Logs");

export const LOGS = {
  accessLog: option({
    name: "access-log",
    placeholder: "-|FILE|off",
    fallback: "off",
    help: "a line for each request; - = standard output",
    doc: "One line for each request, with its id, the time in the queue, the time in the application, the bytes and the worker: to standard output (`-`), to a file, or `off`. docs/guide/deploying.md explains the fields.",
    read: readText,
  }),
  logLevel: option<"debug" | "info" | "warning" | "error">({
    name: "log-level",
    placeholder: "LEVEL",
    fallback: "info",
    help: "debug, info, warning or error",
    doc: "The least level that is written to the server's log (standard error): `debug`, `info`, `warning` or `error`. What the application itself prints is always written.",
    read: oneOf(["debug", "info", "warning", "error"]),
  }),
  logFormat: option<"text" | "json">({
    name: "log-format",
    placeholder: "FORMAT",
    fallback: "text",
    help: "text or json",
    doc: "`text` for people, `json` for programs: one object a line. Holds for both logs.",
    read: oneOf(["text", "json"]),
  }),
} as const;
