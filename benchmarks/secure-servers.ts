// The servers of the pages over TLS and how each is started, by the rules of servers.ts; all of them have the same
// certificate, P-256, and offer HTTP/2 and HTTP/1.1 by ALPN. A page of WSGI is asked of each server by WSGI, but
// of Hypercorn by ASGI, its own interface.
//
//   nginx      one worker process, TLS and HTTP/2 there; before gunicorn with threads on a Unix socket
//   granian    4 blocking threads a worker, TLS 1.2 allowed as everywhere
//   peregrine  BoringSSL

import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { certificate } from "./certificate.ts";
import { VENV_BIN } from "./places.ts";
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
  TYPHON_ASGI,
  TYPHON_WSGI,
  type Program,
  type Server,
  type Start,
} from "./servers.ts";

const SUITES = ["edge"] as const;
/** No server refuses an upload of 100 MB. */
const MAX_BODY = 2 ** 28;

/** In the order in which they are shown. */
export const SECURE_SERVERS: readonly Server[] = [
  {
    name: "typhon",
    title: "Typhon",
    family: "typhon",
    suites: SUITES,
    programs: (start) => [secureTyphon(start)],
  },
  {
    name: "nginx",
    title: "nginx before gunicorn gthread",
    family: "nginx",
    suites: SUITES,
    // gunicorn with threads is WSGI.
    leavesOut: ["h2-fastapi"],
    programs: (start) => [
      { ...gunicorn(start, `unix:${start.folder}/gunicorn.sock`, GTHREAD), clients: "none" },
      nginx(start, `${nginxTls()}${PROXY_SERVER}`, " ssl http2"),
    ],
  },
  {
    name: "granian",
    title: "Granian",
    family: "granian",
    suites: SUITES,
    // Granian 2.8 with WSGI finishes none of the posts of 1 MB on streams that share a connection.
    leavesOut: ["h2-up-1m"],
    programs: (start) => [granian(start)],
  },
  {
    name: "peregrine",
    title: "peregrine",
    family: "peregrine",
    suites: SUITES,
    // peregrine 1.2 stops in the middle of responses of 1 MB to h2load.
    leavesOut: ["h2-down-1m", "h2-down-100m"],
    programs: (start) => [peregrine(start)],
  },
  {
    name: "hypercorn",
    title: "Hypercorn (ASGI)",
    family: "hypercorn",
    suites: SUITES,
    programs: (start) => [hypercorn(start)],
  },
];

function isWsgi({ app }: Start): boolean {
  return app.wsgi !== "";
}

function secureTyphon(start: Start): Program {
  const { certfile, keyfile } = certificate();
  const common = { "--certfile": certfile, "--keyfile": keyfile, "--max-body": MAX_BODY };
  return isWsgi(start)
    ? typhon(start, start.app.wsgi, { ...TYPHON_WSGI, ...common })
    : typhon(start, start.app.asgi, { ...TYPHON_ASGI, ...common });
}

function nginxTls(): string {
  const { certfile, keyfile } = certificate();
  return `
    ssl_certificate ${certfile};
    ssl_certificate_key ${keyfile};
    ssl_protocols TLSv1.2 TLSv1.3;
    client_max_body_size 0;`;
}

function granian(start: Start): Program {
  const { app, workers, port } = start;
  const { certfile, keyfile } = certificate();
  const given = {
    "--interface": isWsgi(start) ? "wsgi" : "asgi",
    "--host": "127.0.0.1",
    "--port": port,
    "--workers": workers,
    "--backlog": 2048,
    "--backpressure": MAX_CONNECTIONS,
    "--log-level": "warning",
    "--ssl-certificate": certfile,
    "--ssl-keyfile": keyfile,
    "--ssl-protocol-min": "tls1.2",
    ...(isWsgi(start) ? { "--blocking-threads": 4 } : { "--loop": "uvloop" }),
  };
  return {
    command: join(VENV_BIN, "granian"),
    args: [...flags(given), "--no-ws", isWsgi(start) ? app.wsgi : app.asgi],
    environment: PEER_ENVIRONMENT,
    clients: "all processes",
  };
}

function peregrine(start: Start): Program {
  const { app, workers, port } = start;
  const { certfile, keyfile } = certificate();
  const given = {
    "--host": "127.0.0.1",
    "--port": port,
    "--workers": workers,
    "--protocol": isWsgi(start) ? "wsgi" : "asgi",
    "--keep-alive": KEEP_ALIVE_SECONDS * 1000,
    "--log-level": "warning",
    "--max-body": MAX_BODY,
    "--tls-cert": certfile,
    "--tls-key": keyfile,
    ...(isWsgi(start) ? { "--wsgi-threads": 4 } : {}),
  };
  return {
    command: join(VENV_BIN, "peregrine"),
    args: [...flags(given), isWsgi(start) ? app.wsgi : app.asgi],
    environment: PEER_ENVIRONMENT,
    clients: "all processes",
  };
}

function hypercorn({ app, workers, port, folder }: Start): Program {
  const { certfile, keyfile } = certificate();
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
    "--certfile": certfile,
    "--keyfile": keyfile,
  };
  return {
    command: join(VENV_BIN, "hypercorn"),
    args: [...flags(given), app.asgi],
    environment: PEER_ENVIRONMENT,
    clients: "all processes",
  };
}
