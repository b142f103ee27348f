// The servers of the suite "edge" and how each is started: static files below /static, and for the page of
// JSON an application whose responses are compressed by the server. No server caches in the application's
// place; none has an access log.
//
//   typhon     --static; JSON with --compress all
//   nginx      one worker process, sendfile; JSON from gunicorn with threads, gzip at its default level
//   caddy      file_server; JSON as nginx; only where it is installed
//   granian    --static-path-mount; it does not compress
//   peregrine  --static-dir (sendfile); JSON with --compress

import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { FILES_FOLDER, VENV_BIN } from "./places.ts";
import {
  flags,
  GTHREAD,
  gunicorn,
  KEEP_ALIVE_SECONDS,
  MAX_CONNECTIONS,
  nginx,
  PEER_ENVIRONMENT,
  PROXY_SERVER,
  typhon,
  TYPHON_WSGI,
  type Flags,
  type Program,
  type Server,
  type Start,
} from "./servers.ts";

/** Where the folder of files is mounted. */
const MOUNT = "/static";
const SUITES = ["edge"] as const;

/** Options of Typhon for a page of files, and for a page that is compressed. */
export const TYPHON_FILES: Flags = { ...TYPHON_WSGI, "--static": `${MOUNT}=${FILES_FOLDER}` };
const TYPHON_COMPRESSING: Flags = { ...TYPHON_FILES, "--compress": "all" };

/** In the order in which they are shown. */
export const EDGE_SERVERS: readonly Server[] = [
  {
    name: "typhon",
    title: "Typhon",
    family: "typhon",
    suites: SUITES,
    programs: (start) => [
      typhon(start, start.app.wsgi, isFile(start) ? TYPHON_FILES : TYPHON_COMPRESSING),
    ],
  },
  {
    name: "nginx",
    title: "nginx (JSON: before gunicorn gthread)",
    family: "nginx",
    suites: SUITES,
    programs: (start) =>
      isFile(start)
        ? [nginx(start, NGINX_FILES)]
        : [upstream(start), nginx(start, `${NGINX_GZIP}${PROXY_SERVER}`)],
  },
  {
    name: "caddy",
    title: "Caddy (JSON: before gunicorn gthread)",
    family: "caddy",
    suites: SUITES,
    programs: (start) => (isFile(start) ? [caddy(start)] : [upstream(start), caddy(start)]),
  },
  {
    name: "granian",
    title: "Granian",
    family: "granian",
    suites: SUITES,
    // Granian 2.8 sends the whole file without validators, and compresses nothing.
    leavesOut: ["static-304", "json-gzip"],
    programs: (start) => [granian(start)],
  },
  {
    name: "peregrine",
    title: "peregrine",
    family: "peregrine",
    suites: SUITES,
    programs: (start) => [peregrine(start)],
  },
];

/** The commands without which a server cannot be measured, by the server's name. */
export const NEEDED_COMMANDS: Readonly<Record<string, string>> = {
  caddy: "caddy",
  peregrine: join(VENV_BIN, "peregrine"),
};

const NGINX_FILES = `
    sendfile on;
    tcp_nopush on;
    location ${MOUNT}/ { alias ${FILES_FOLDER}/; }`;

const NGINX_GZIP = `
    gzip on;
    gzip_types application/json;`;

/** Whether the page is a file. */
export function isFile({ app }: Start): boolean {
  return app.path.startsWith(MOUNT);
}

function upstream(start: Start): Program {
  return { ...gunicorn(start, `unix:${start.folder}/gunicorn.sock`, GTHREAD), clients: "none" };
}

function caddy({ port, folder }: Start): Program {
  const configuration = join(folder, "Caddyfile");
  writeFileSync(
    configuration,
    `{
  admin off
  auto_https off
  log {
    level ERROR
  }
}
http://127.0.0.1:${port} {
  handle_path ${MOUNT}/* {
    root * ${FILES_FOLDER}
    file_server
  }
  handle {
    encode gzip
    reverse_proxy unix/${folder}/gunicorn.sock
  }
}
`,
  );
  return {
    command: "caddy",
    args: ["run", "--config", configuration, "--adapter", "caddyfile"],
    environment: { HOME: folder, XDG_DATA_HOME: folder, XDG_CONFIG_HOME: folder },
    clients: "all processes",
  };
}

function granian({ app, workers, port }: Start): Program {
  const given = {
    "--interface": "wsgi",
    "--host": "127.0.0.1",
    "--port": port,
    "--http": 1,
    "--workers": workers,
    "--backlog": 2048,
    "--backpressure": MAX_CONNECTIONS,
    "--log-level": "warning",
    "--static-path-route": MOUNT,
    "--static-path-mount": FILES_FOLDER,
  };
  return {
    command: join(VENV_BIN, "granian"),
    args: [...flags(given), "--no-ws", app.wsgi],
    environment: PEER_ENVIRONMENT,
    clients: "all processes",
  };
}

function peregrine(start: Start): Program {
  const { app, workers, port } = start;
  const given = {
    "--host": "127.0.0.1",
    "--port": port,
    "--workers": workers,
    "--protocol": "wsgi",
    "--wsgi-threads": 4,
    "--keep-alive": KEEP_ALIVE_SECONDS * 1000,
    "--log-level": "warning",
    "--static-dir": `${MOUNT}=${FILES_FOLDER}`,
  };
  return {
    command: join(VENV_BIN, "peregrine"),
    args: [...flags(given), ...(isFile(start) ? [] : ["--compress"]), app.wsgi],
    environment: PEER_ENVIRONMENT,
    clients: "all processes",
  };
}
