// The servers and how each is started: the best settings that its own documentation gives, no access
// log anywhere, the same number of workers, and the same threads a worker where threads matter.
// Only arguments are made here; server-process.ts starts them. Servers of ASGI pages: asgi-servers.ts.
//
//   granian       4 blocking threads a worker, as many as the others have
//   granian-1     1 blocking thread: cheapest where the application never waits
//   gunicorn-fast sync workers and the parser in C (gunicorn_h1c); the others use the parser in Python
//   nginx         one process of nginx, kept-alive Unix socket to gunicorn with threads
//   uvicorn       not a WSGI server: the same page as ASGI (Flask through a2wsgi), for orientation

import { writeFileSync } from "node:fs";
import { delimiter, join } from "node:path";
import type { Case } from "./cases.ts";
import { CASES_FOLDER, TYPHON, VENV_BIN } from "./places.ts";
import type { Suite } from "./results.ts";

/** Threads a worker for every server that has them: Typhon's default. */
const THREADS = 4;
/** Longer than any run, so that no server closes a connection that a client is about to use. */
export const KEEP_ALIVE_SECONDS = 75;
/** More than the idle connections of the memory benchmark. */
export const MAX_CONNECTIONS = 20_000;

/** What to start: the application, and where it is served. */
export interface Start {
  readonly app: Pick<Case, "wsgi" | "asgi" | "path">;
  readonly workers: number;
  readonly port: number;
  /** A private folder for sockets and configuration, removed after the run. */
  readonly folder: string;
}

/** One program of a server. `clients`: which of its processes hold the connections of clients. */
export interface Program {
  readonly command: string;
  readonly args: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
  readonly clients: "first process" | "all processes" | "none";
}

export interface Server {
  readonly name: string;
  readonly title: string;
  /** A goal compares Typhon with the best server of a family. */
  readonly family:
    | "typhon"
    | "granian"
    | "gunicorn"
    | "nginx"
    | "uvicorn"
    | "hypercorn"
    | "caddy"
    | "peregrine"
    | "apache"
    | "lighttpd";
  /** The suites that the server takes part in. */
  readonly suites: readonly Suite[];
  /** Names of pages on which the server cannot be measured; a comment beside them says why. */
  readonly leavesOut?: readonly string[];
  /** Whether a control group counts the processor time (cpu-group.ts): not all of it is in accounts of processes. */
  readonly isGrouped?: boolean;
  /** The programs in the order of their start; the last one listens on the port. */
  programs(start: Start): readonly Program[];
}

export type Flags = Readonly<Record<string, string | number>>;

export const TYPHON_WSGI: Flags = { "--threads": THREADS };
export const TYPHON_ASGI: Flags = { "--loop": "uvloop" };

const EVERYWHERE = ["throughput", "memory", "connections", "startup", "mixed"] as const;
export const PEER_ENVIRONMENT = { PYTHONPATH: CASES_FOLDER };

/** In the order in which they are shown. */
export const SERVERS: readonly Server[] = [
  {
    name: "typhon",
    title: "Typhon",
    family: "typhon",
    suites: EVERYWHERE,
    programs: (start) => [typhon(start, start.app.wsgi, TYPHON_WSGI)],
  },
  {
    name: "granian",
    title: "Granian, 4 threads",
    family: "granian",
    suites: EVERYWHERE,
    programs: (start) => [granian(start, THREADS)],
  },
  {
    name: "granian-1",
    title: "Granian, 1 thread",
    family: "granian",
    suites: ["throughput"],
    programs: (start) => [granian(start, 1)],
  },
  {
    name: "gunicorn-sync",
    title: "gunicorn sync",
    family: "gunicorn",
    suites: ["throughput", "memory", "startup"],
    programs: (start) => [gunicorn(start, tcp(start), { "--worker-class": "sync" })],
  },
  {
    name: "gunicorn-fast",
    title: "gunicorn sync, parser in C",
    family: "gunicorn",
    suites: ["throughput"],
    programs: (start) => [
      gunicorn(start, tcp(start), { "--worker-class": "sync", "--http-parser": "fast" }),
    ],
  },
  {
    name: "gunicorn-gthread",
    title: "gunicorn gthread, 4 threads",
    family: "gunicorn",
    suites: EVERYWHERE,
    programs: (start) => [gunicorn(start, tcp(start), GTHREAD)],
  },
  {
    name: "nginx-gunicorn",
    title: "nginx before gunicorn gthread",
    family: "nginx",
    suites: EVERYWHERE,
    programs: (start) => [
      { ...gunicorn(start, `unix:${start.folder}/gunicorn.sock`, GTHREAD), clients: "none" },
      nginx(start, PROXY_SERVER),
    ],
  },
  {
    name: "uvicorn",
    title: "uvicorn (ASGI)",
    family: "uvicorn",
    suites: ["throughput", "memory", "connections"],
    programs: (start) => [uvicorn(start)],
  },
];

export const GTHREAD: Flags = {
  "--worker-class": "gthread",
  "--threads": THREADS,
  "--keep-alive": KEEP_ALIVE_SECONDS,
  "--worker-connections": MAX_CONNECTIONS,
};

/** Options as a command line has them, each name before its value. */
export function flags(given: Flags): string[] {
  return Object.entries(given).flatMap(([name, value]) => [name, String(value)]);
}

/** Typhon of this checkout; `more`: options of one interface, or in place of the ones here. */
export function typhon({ workers, port }: Start, application: string, more: Flags): Program {
  const given = {
    "--bind": `127.0.0.1:${port}`,
    "--workers": workers,
    "--app-dir": CASES_FOLDER,
    "--python": join(VENV_BIN, "python"),
    "--access-log": "off",
    ...more,
  };
  return {
    command: TYPHON,
    args: [application, ...flags(given)],
    environment: {},
    clients: "first process",
  };
}

function tcp(start: Start): string {
  return `127.0.0.1:${start.port}`;
}

function granian({ app, workers, port }: Start, threads: number): Program {
  const given = {
    "--interface": "wsgi",
    "--host": "127.0.0.1",
    "--port": port,
    "--http": 1,
    "--workers": workers,
    "--blocking-threads": threads,
    // The backpressure counts connections too: its default would not accept 10,000 idle ones.
    "--backlog": 2048,
    "--backpressure": MAX_CONNECTIONS,
    "--log-level": "warning",
  };
  return {
    command: join(VENV_BIN, "granian"),
    args: [...flags(given), "--no-ws", app.wsgi],
    environment: PEER_ENVIRONMENT,
    clients: "all processes",
  };
}

/** uvicorn at its fastest; with WebSockets by its default library. */
export function uvicorn({ app, workers, port }: Start): Program {
  const given = {
    "--host": "127.0.0.1",
    "--port": port,
    "--workers": workers,
    "--log-level": "warning",
    "--loop": "uvloop",
    "--http": "httptools",
    "--timeout-keep-alive": KEEP_ALIVE_SECONDS,
  };
  return {
    command: join(VENV_BIN, "uvicorn"),
    args: [app.asgi, "--no-access-log", ...flags(given)],
    environment: PEER_ENVIRONMENT,
    clients: "all processes",
  };
}

/** gunicorn with settings of one worker class. */
export function gunicorn({ app, workers }: Start, bind: string, more: Flags): Program {
  const common = { "--bind": bind, "--workers": workers, "--log-level": "warning" };
  return {
    command: join(VENV_BIN, "gunicorn"),
    args: [
      ...flags({ ...common, "--http-parser": "python", ...more }),
      "--no-control-socket",
      app.wsgi,
    ],
    environment: PEER_ENVIRONMENT,
    clients: "all processes",
  };
}

/** One process of nginx; `server`: what its server block says beyond the address; `listen`: more words of that. */
export function nginx({ port, folder }: Start, server: string, listen = ""): Program {
  const configuration = join(folder, "nginx.conf");
  writeFileSync(configuration, nginxConfiguration(`${port}${listen}`, folder, server));
  const path = [process.env["PATH"], "/usr/sbin"].join(delimiter);
  return {
    command: "nginx",
    args: ["-c", configuration, "-e", join(folder, "nginx.log"), "-p", folder],
    environment: { PATH: path },
    clients: "all processes",
  };
}

/** The proxy settings of gunicorn's own documentation. */
export const PROXY_SERVER = `
    location / {
      proxy_pass http://application;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_set_header Host $http_host;
      proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
      proxy_set_header X-Forwarded-Proto $scheme;
      proxy_redirect off;
    }`;

/** Has an upstream that is kept alive, for a server that passes requests on. */
function nginxConfiguration(listen: string, folder: string, server: string): string {
  // As root nginx would become www-data, which may not enter the private folder.
  const user = process.getuid?.() === 0 ? "user root root;\n" : "";
  return `${user}daemon off;
worker_processes 1;
worker_rlimit_nofile ${MAX_CONNECTIONS};
pid ${folder}/nginx.pid;
error_log ${folder}/nginx.log;
events { worker_connections ${MAX_CONNECTIONS}; }
http {
  access_log off;
  client_body_temp_path ${folder}/body;
  proxy_temp_path ${folder}/proxy;
  fastcgi_temp_path ${folder}/fastcgi;
  uwsgi_temp_path ${folder}/uwsgi;
  scgi_temp_path ${folder}/scgi;
  keepalive_timeout ${KEEP_ALIVE_SECONDS};
  keepalive_requests 1000000;
  upstream application {
    server unix:${folder}/gunicorn.sock fail_timeout=0;
    keepalive 64;
    keepalive_requests 1000000;
  }
  server {
    listen 127.0.0.1:${listen} backlog=2048;${server}
  }
}
`;
}
