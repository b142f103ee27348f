// What is served, and what it finds around it.

import { inGroup } from "../option.ts";
import { oneOf, readAssignment, readPath, readPrefix, readText } from "../values.ts";

const option = inGroup("Application");

export const APPLICATION = {
  interface: option<"auto" | "wsgi" | "asgi">({
    name: "interface",
    placeholder: "KIND",
    fallback: "auto",
    help: "auto, wsgi or asgi",
    doc: "What the application speaks: `wsgi` (Flask, Django), `asgi` (FastAPI, Starlette, Django's asgi module), or `auto` to find out by looking at the callable.",
    read: oneOf(["auto", "wsgi", "asgi"]),
  }),
  python: option({
    name: "python",
    placeholder: "PATH",
    fallbackWords: "virtual environment, else python3",
    help: "the interpreter, or its virtual environment",
    doc: "The Python interpreter that runs the application: a path, a name to look for on `PATH`, or the folder of a virtual environment. Default: the active virtual environment (`VIRTUAL_ENV`), then `.venv/` beside the application (in `--app-dir`, or in the folder of the file), then `python3` on `PATH`.",
    read: readText,
  }),
  appDir: option({
    name: "app-dir",
    placeholder: "DIR",
    fallback: ".",
    fallbackWords: "here",
    help: "the folder put on sys.path",
    doc: "The folder that is put first on `sys.path`. The working directory of the application stays the one that Typhon was started in.",
    read: readText,
  }),
  env: option({
    name: "env",
    short: "e",
    placeholder: "NAME=VALUE",
    isRepeatable: true,
    help: "a variable for the application; may be repeated",
    doc: "A variable for the environment of the application. May be given several times; in `TYPHON_ENV` one stands on each line.",
    read: readAssignment,
  }),
  rootPath: option({
    name: "root-path",
    placeholder: "PREFIX",
    fallback: "",
    fallbackWords: "none",
    help: "the path under which it is mounted (SCRIPT_NAME)",
    doc: "The path prefix under which the application is mounted, `SCRIPT_NAME` in WSGI, such as `/shop`.",
    read: readPrefix,
  }),
  warmup: option({
    name: "warmup",
    placeholder: "PATH",
    isRepeatable: true,
    help: "asked of each new worker before it takes requests; may be repeated",
    doc: "A path, such as `/`, that each new worker is asked for by GET before it takes requests, so that no client waits for what the application does only once. May be given several times. An answer of 400 or more, or an exception, is a warning in the log; the worker takes requests all the same.",
    read: readPath,
  }),
  loop: option<"auto" | "asyncio" | "uvloop">({
    name: "loop",
    placeholder: "KIND",
    fallback: "auto",
    help: "ASGI: auto, asyncio or uvloop",
    doc: "The event loop of an ASGI application: `asyncio`, `uvloop`, or `auto` for uvloop where the application's environment has it.",
    read: oneOf(["auto", "asyncio", "uvloop"]),
  }),
  lifespan: option<"auto" | "on" | "off">({
    name: "lifespan",
    placeholder: "KIND",
    fallback: "auto",
    help: "ASGI: auto, on or off",
    doc: "Whether an ASGI application is told of its start and its end: `on` (an application that does not take part does not start), `off`, or `auto` to go on without it.",
    read: oneOf(["auto", "on", "off"]),
  }),
} as const;
