// The servers of the ASGI and WebSocket pages and how each is started, by the rules of servers.ts: the
// settings of its own documentation, no access log, the same workers, and uvloop everywhere.
//
//   typhon              finds the interface by itself
//   uvicorn             httptools and uvloop
//   granian             --interface asgi, its default threads
//   gunicorn-asgi       gunicorn's ASGI worker with the parser in Python; no WebSocket pages
//   gunicorn-asgi-fast  the same worker with the parser in C (gunicorn_h1c)
//   hypercorn           the worker class uvloop

import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { VENV_BIN } from "./places.ts";
import {
  flags,
  KEEP_ALIVE_SECONDS,
  MAX_CONNECTIONS,
  PEER_ENVIRONMENT,
  typhon,
  TYPHON_ASGI,
  uvicorn,
  type Program,
  type Server,
  type Start,
} from "./servers.ts";

const ALL = ["asgi", "websocket", "asgi-mixed"] as const;

/** In the order in which they are shown. */
export const ASGI_SERVERS: readonly Server[] = [
  {
    name: "typhon",
    title: "Typhon",
    family: "typhon",
    suites: ALL,
    programs: (start) => [typhon(start, start.app.asgi, TYPHON_ASGI)],
  },
  {
    name: "uvicorn",
    title: "uvicorn",
    family: "uvicorn",
    suites: ALL,
    programs: (start) => [uvicorn(start)],
  },
  {
    name: "granian",
    title: "Granian",
    family: "granian",
    suites: ALL,
    programs: (start) => [granian(start)],
  },
  {
    name: "gunicorn-asgi",
    title: "gunicorn asgi",
    family: "gunicorn",
    suites: ["asgi", "asgi-mixed"],
    programs: (start) => [gunicorn(start, "python")],
  },
  {
    name: "gunicorn-asgi-fast",
    title: "gunicorn asgi, parser in C",
    family: "gunicorn",
    suites: ["asgi", "asgi-mixed"],
    // gunicorn 27.0 with gunicorn_h1c 0.6.9 closes the connection without a response in about two of
    // five posts of 1 MB.
    leavesOut: ["asgi-upload"],
    programs: (start) => [gunicorn(start, "fast")],
  },
  {
    name: "hypercorn",
    title: "Hypercorn",
    family: "hypercorn",
    suites: ALL,
    programs: (start) => [hypercorn(start)],
  },
];

/** The Python module without which a server cannot be measured, by the server's name. */
export const NEEDED_MODULES: Readonly<Record<string, string>> = {
  // The ASGI worker is part of gunicorn from version 24 on.
  "gunicorn-asgi": "gunicorn.workers.gasgi",
  "gunicorn-asgi-fast": "gunicorn.workers.gasgi",
  hypercorn: "hypercorn",
};

function granian({ app, workers, port }: Start): Program {
  const given = {
    "--interface": "asgi",
    "--loop": "uvloop",
    "--host": "127.0.0.1",
    "--port": port,
    "--http": 1,
    "--workers": workers,
    "--backlog": 2048,
    "--backpressure": MAX_CONNECTIONS,
    "--log-level": "warning",
  };
  return {
    command: join(VENV_BIN, "granian"),
    args: [...flags(given), app.asgi],
    environment: PEER_ENVIRONMENT,
    clients: "all processes",
  };
}

function gunicorn({ app, workers, port }: Start, parser: "python" | "fast"): Program {
  const given = {
    "--worker-class": "asgi",
    "--asgi-loop": "uvloop",
    "--http-parser": parser,
    "--bind": `127.0.0.1:${port}`,
    "--workers": workers,
    "--keep-alive": KEEP_ALIVE_SECONDS,
    "--worker-connections": MAX_CONNECTIONS,
    "--log-level": "warning",
  };
  return {
    command: join(VENV_BIN, "gunicorn"),
    args: [...flags(given), "--no-control-socket", app.asgi],
    environment: PEER_ENVIRONMENT,
    clients: "all processes",
  };
}

function hypercorn({ app, workers, port, folder }: Start): Program {
  // By default every connection is closed after 1,000 requests, and no command-line option changes this.
  const configuration = join(folder, "hypercorn.toml");
  writeFileSync(configuration, "keep_alive_max_requests = 1000000000\n");
  const given = {
    "--config": configuration,
    "--worker-class": "uvloop",
    "--bind": `127.0.0.1:${port}`,
    "--workers": workers,
    "--keep-alive": KEEP_ALIVE_SECONDS,
    "--log-level": "warning",
  };
  return {
    command: join(VENV_BIN, "hypercorn"),
    args: [...flags(given), app.asgi],
    environment: PEER_ENVIRONMENT,
    clients: "all processes",
  };
}
