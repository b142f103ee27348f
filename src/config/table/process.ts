// The server as a process: its files, its own answers, its reloads.

import { inGroup, SWITCH } from "../option.ts";
import { readText } from "../values.ts";

const option = inGroup("Process");

export const PROCESS = {
  pid: option({
    name: "pid",
    placeholder: "FILE",
    fallbackWords: "none",
    help: "where the process id is written; typhon reload finds it there",
    doc: "A file that holds the process id while the server runs. Beside it, at FILE.sock, lies the socket that `typhon reload --pid FILE` talks to; only this user may use it.",
    read: readText,
  }),
  health: option({
    ...SWITCH,
    name: "health",
    help: "answer /livez and /readyz here, before the queue",
    doc: "The server itself answers GET and HEAD of `/livez` (200 while it runs) and `/readyz` (200 while a worker takes requests and the server is not stopping, else 503). They never wait in the queue, and the application never sees them.",
  }),
  reload: option({
    ...SWITCH,
    name: "reload",
    help: "for development: load the code anew when a file changes",
    doc: "For development: when a file below the watched folders changes, new workers load the code; requests made meanwhile wait for it. An error in the code is shown as a page with its traceback until it is mended. One worker by default.",
  }),
  reloadDir: option({
    name: "reload-dir",
    placeholder: "DIR",
    isRepeatable: true,
    fallbackWords: "--app-dir",
    help: "a folder that --reload watches; may be repeated",
    doc: "A folder whose files `--reload` watches, with all folders below it. May be given several times. Default: the folder of `--app-dir`.",
    read: readText,
  }),
} as const;
