// The one table of options. Flags, TYPHON_… variables, keys of typhon.toml, checks, `typhon --help`,
// docs/options.md and docs/typhon.schema.json all come from here; no other file knows the name of an option or the
// form of its value. What depends on the machine (cores, interpreter, folders) or on two options at once is decided
// in load-application.ts, server-options.ts and routes.ts.

import { readAccessFormat } from "./access-format.ts";
import { readBindAddress, readHost, readPort } from "./bind-address.ts";
import { inGroup, SWITCH, type Option } from "./option.ts";
import {
  mappedFolder,
  readFieldValue,
  readHeader,
  readHeaderLine,
  readHostPattern,
  readIndex,
  readInnerFile,
  readMount,
  readRedirect,
  readResponse,
  readRoutePath,
} from "./route-values.ts";
import {
  readCertReqs,
  readCiphers,
  readDomain,
  readIssuer,
  readMail,
  readToken,
} from "./tls-values.ts";
import {
  listOf,
  oneOf,
  readApp,
  readAssignment,
  readBoolean,
  readDescriptor,
  readMask,
  readMode,
  readModule,
  readNetwork,
  readOwner,
  readPath,
  readPattern,
  readPrefix,
  readSize,
  readText,
  readTimeout,
  seconds,
  sizeWithin,
  wholeNumber,
} from "./values.ts";

export { GROUPS, type Option } from "./option.ts";

/** More workers or threads than this is a typing error, not a plan. */
const MAX_WORKERS = 1024;
const MAX_THREADS = 256;
const MAX_CONCURRENCY = 16_384;
const MAX_WEB_SOCKETS = 1_048_576;
const MAX_REQUESTS = 1_000_000_000;
const MAX_QUEUE = 1_000_000;
const MAX_PROGRAMS = 4096;
/** Ten years; browsers keep two. */
const MAX_HSTS_SECONDS = 315_360_000;
/** A head travels to a worker in one frame (docs/limits.md). */
const MAX_HEAD_BYTES = 262_144;
/** The memory limit of all unfinished WebSocket messages together (docs/limits.md). */
const MAX_MESSAGE_BYTES = 268_435_456;

/** The one argument without a flag; TYPHON_APP, or `app` in the file, may give it. */
export const APP: Option<string> = inGroup("Application", "application", {
  app: {
    placeholder: "APP",
    help: "the application: module:callable, module, path/to/file.py[:callable] or module:factory(); or ./DIR, a folder of files",
    doc: "The application: `module:callable`, `module` (then its `app`, else its `application`), `path/to/file.py[:callable]`, or `module:factory()`, a function that returns the application. The function's arguments may be literals of Python: `module:create_app('prod', debug=False)`. The name after the colon may have dots: `shop:site.app`. A path with a slash that is a folder, such as `./public`, or `.`, is a site of files; a folder with Python files in it is refused, because their source would be served: if that is meant, write `--static /=DIR`. Without APP the file `typhon.toml` of the working folder is read, if there is one; where nothing names an application, [the folder is looked at](guide/discovery.md).",
    read: readApp,
  },
}).app;

const SITE = inGroup("Site", "server", {
  config: {
    short: "c",
    placeholder: "FILE",
    fallbackWords: "typhon.toml, if no APP is given",
    help: "a file of options, applications and routes",
    doc: "A file in the syntax of TOML with options, applications and routes: see [the file](#the-file-typhontoml). Of a `pyproject.toml` the table `[tool.typhon]` is read; without the option, that of the working folder where there is no `typhon.toml`.",
    read: readText,
  },
  static: {
    placeholder: "[/PREFIX=]DIR",
    isRepeatable: true,
    fallbackWords: "none",
    help: "serve the files of a folder; may be repeated",
    doc: "Serves the files of a folder: `/assets=DIR` at that path and below it, `DIR` alone at `/static`, `/=DIR` at every path that no application has. The path is not a part of the files' names: `/assets/app.js` is `DIR/app.js`. May be given several times. `[[routes]]` of the file have more to choose.",
    read: mappedFolder("/static"),
  },
  mount: {
    placeholder: "/PREFIX=APP",
    isRepeatable: true,
    fallbackWords: "none",
    help: "serve one more application below a path; may be repeated",
    doc: "Serves one more application at a path and below it, such as `/api=api:app`. The path is its `SCRIPT_NAME` (WSGI) or `root_path` (ASGI). All options of applications hold for it too; for other options of its own it needs the file. May be given several times; `TYPHON_MOUNT` has one on each line.",
    read: readMount,
  },
  cgi: {
    placeholder: "[/PREFIX=]DIR",
    isRepeatable: true,
    fallbackWords: "none",
    help: "run the CGI programs of a folder, or one program; may be repeated",
    doc: "Runs CGI programs (RFC 3875): `/cgi-bin=DIR` runs the programs of a folder below that path, `DIR` alone at `/cgi-bin`, and `/git=PROGRAM` one program for that path and every path below it. A program is a file that the server's user may execute, in any language; other files are never run and never sent. Which part of a path is the program, and which is `PATH_INFO`, the folder decides. May be given several times. [The guide](guide/cgi.md) has the whole of it.",
    read: mappedFolder("/cgi-bin"),
  },
  listing: {
    ...SWITCH,
    scope: "route",
    help: "list the files of a folder without index.html",
    doc: "Shows a folder without its index file (`index`) as a list of its files. Without this option it is 404.",
  },
  header: {
    scope: "route",
    placeholder: "'NAME: VALUE'",
    isRepeatable: true,
    fallbackWords: "none",
    help: "a field of each response; a NAME alone removes it; may be repeated",
    doc: "A field that is set on each response, in place of the application's own: `--header 'X-Frame-Options: DENY'`. A name alone removes the field: `--header Server`. May be given several times; `TYPHON_HEADER` has one field on each line. `headers` of a route wins over it.",
    read: readHeaderLine,
  },
  compress: {
    scope: "route",
    placeholder: "off|files|all",
    fallback: "files",
    help: "which responses are compressed",
    doc: "Which responses are compressed, if the client accepts it: `files` (of `static` routes), `all` (those of applications too), or `off`. With `all` a page that holds a secret and repeats what a client sent can be guessed byte by byte (BREACH): docs/guide/compression.md explains it.",
    read: oneOf(["off", "files", "all"]),
  },
});

const ADDRESS = inGroup("Address", "server", {
  bind: {
    short: "b",
    placeholder: "ADDRESS",
    isRepeatable: true,
    fallbackWords: "port 80, else 127.0.0.1:8000",
    help: "HOST:PORT, [::1]:PORT, :PORT or unix:PATH; http:// or https:// may stand before; may be repeated",
    doc: "An address to listen on: `HOST:PORT`, `[::1]:PORT` (IPv6 in brackets), `:PORT` (all IPv4 addresses) or `unix:PATH`. `https://` before `HOST:PORT` means TLS, `http://` means none: `--bind https://[::]:443 --bind http://127.0.0.1:8000`. An address without a scheme speaks TLS if there are certificates (`--certfile`, `--domain`, `--tls internal`) and its port is not 80; a Unix socket never does. May be given several times. Port 0 takes any free port. Cannot be combined with `--host` and `--port`. Without any address Typhon listens on `0.0.0.0:$PORT` if the variable `PORT` is set, else on port 80 of all addresses if it has the right to, else on 127.0.0.1:8000; with `--reload` always on 127.0.0.1, at `$PORT` or 8000. With TLS and without any address: with `--domain` on ports 443 and 80 of all addresses, or the start fails; with `--certfile` on port 443, and on port 80 for the redirect if that can be had, else on https://127.0.0.1:8443; with `--tls internal` on https://127.0.0.1:8443.",
    read: readBindAddress,
  },
  host: {
    placeholder: "HOST",
    fallbackWords: "127.0.0.1",
    help: "host name or address, instead of --bind",
    doc: "The host name or address to listen on, if `--bind` is not used. With `--port` but without `--host` it is 127.0.0.1; with a port from the variable `PORT` it is 0.0.0.0, but 127.0.0.1 with `--reload`.",
    read: readHost,
  },
  port: {
    short: "p",
    placeholder: "PORT",
    fallbackWords: "$PORT, else 8000; with TLS 8443",
    help: "port, instead of --bind",
    doc: "The port to listen on, if `--bind` is not used. With `--host` but without `--port` it is the variable `PORT`, else 8000, or 8443 with certificates. The scheme is that of `--bind` without a scheme. A `TYPHON_PORT` that begins with `tcp://` or `udp://` is ignored: Kubernetes sets such a variable for a service named typhon.",
    read: readPort,
  },
  fd: {
    placeholder: "N",
    isRepeatable: true,
    fallbackWords: "those of LISTEN_FDS, else none",
    help: "a listening socket of the parent process, by its number",
    doc: "A socket that the parent process has opened, by the number of its descriptor: of supervisord (`fcgi-program`: 0), circus and others. No other address is used then. A socket speaks TLS if there are certificates and its port is not 80. May be given several times. Sockets of systemd need no option: docs/guide/systemd.md.",
    read: readDescriptor,
  },
  socketMode: {
    placeholder: "MODE",
    fallback: "0666",
    help: "rights of the file of a Unix socket",
    doc: "The rights of the file of a Unix socket, in octal digits, such as `0660`. The umask has no effect on it. A client needs the right to write to the file, and to enter its folder. With the default every local user may connect, as with uvicorn (gunicorn: 0777). Sockets of systemd have the rights of their unit.",
    read: readMode,
  },
  socketOwner: {
    placeholder: "USER:GROUP",
    fallbackWords: "the user and group of the server",
    help: "owner of the file of a Unix socket: USER, USER:GROUP or :GROUP",
    doc: "The owner of the file of a Unix socket: `USER`, `USER:GROUP` or `:GROUP`, each a name or a number. Another user needs root (CAP_CHOWN); a group needs that the server's user is a member. For example `--socket-owner :www-data --socket-mode 0660` lets nginx connect on Debian, and nobody else.",
    read: readOwner,
  },
  forwardedAllowIps: {
    placeholder: "CIDR,…",
    fallback: "127.0.0.1,::1",
    otherVariable: "FORWARDED_ALLOW_IPS",
    help: "proxies whose X-Forwarded-… and Forwarded fields are trusted",
    doc: "Addresses and CIDR ranges, separated by commas, of the proxies whose `X-Forwarded-For`, `-Proto`, `-Host`, `Forwarded` and `X-Request-ID` fields are trusted. The lists in these fields are read from right to left. From all other peers these fields are removed, and so are the other fields of proxies that applications read, such as `X-Forwarded-Port` and `X-Real-IP` (docs/behavior.md has the list). `unix` trusts every peer on a Unix socket (whoever may connect to it, see `--socket-mode`); `*` trusts every peer. An empty value trusts no peer, and so does an empty `FORWARDED_ALLOW_IPS`.",
    read: listOf(readNetwork),
  },
  proxyProtocol: {
    ...SWITCH,
    help: "trusted proxies begin connections with a PROXY header (v1, v2)",
    doc: "Proxies in `--forwarded-allow-ips` begin each connection with a header of the PROXY protocol, version 1 or 2, which names the client's address: HAProxy's `send-proxy` and `send-proxy-v2`, nginx's `proxy_protocol on` of `stream`, load balancers of clouds. A connection from such a peer that does not begin with a header is closed, because its first bytes would be a client's, who could write a header too; so a health check of the proxy needs the header as well (HAProxy: `check-send-proxy`). From every other peer no header is read: bytes that look like one are a bad request. The addresses of the header count for logs and rules, and forwarded fields are trusted if they in turn come from a trusted address.",
  },
  headerMap: {
    placeholder: "KIND",
    fallback: "drop",
    help: "field names with _: drop, refuse or dangerous",
    doc: "What becomes of a request's field names with `_`. An application that names fields as CGI does, and every WSGI application does, reads `X_User` and `X-User` as the same `HTTP_X_USER`, so that a client could forge a field that a proxy sets. `drop` removes such fields, under ASGI too; `refuse` responds with 400; `dangerous` passes them on, except those that would become a field that Typhon or a proxy decides by (`Content_Length`, `X_Forwarded_For` and the like). gunicorn has the same option; nginx drops such fields unless `underscores_in_headers` is on. Rename the field in the client or the proxy where you can.",
    read: oneOf(["drop", "refuse", "dangerous"]),
  },
});

const TLS = inGroup("TLS", "server", {
  certfile: {
    placeholder: "FILE",
    isRepeatable: true,
    fallbackWords: "none",
    help: "a certificate and its chain (PEM); may be repeated",
    doc: "A certificate in PEM, followed by the certificates of its chain. May be given several times, for several hosts: a client gets the certificate whose names fit the host that it asks for (SNI), else the first one. Each file is watched, and a renewed certificate is used without a restart. In the file also as `[[certificates]]`, a table for each with `certfile`, `keyfile` and `keyfile-password-file`.",
    read: readText,
  },
  keyfile: {
    placeholder: "FILE",
    isRepeatable: true,
    fallbackWords: "the key is in --certfile",
    help: "the key of the certificate (PEM); one for each --certfile, in order",
    doc: "The private key of the certificate, in PEM: one for each `--certfile`, in the same order. Without any `--keyfile` each key is in the file of its certificate. The user that the server runs as must be able to read it, also after it was renewed.",
    read: readText,
  },
  keyfilePasswordFile: {
    placeholder: "FILE",
    fallbackWords: "none",
    help: "a file whose first line is the password of the keys",
    doc: "A file whose first line is the password of encrypted keys. Keys with different passwords need `[[certificates]]` of the file.",
    read: readText,
  },
  tls: {
    placeholder: "internal",
    fallbackWords: "none",
    help: "internal: certificates of a local authority, for development",
    doc: "`internal`: for development. `localhost`, the loopback addresses, the name of this machine and the hosts of routes get certificates of a local authority, which Typhon makes once and keeps in `--acme-dir`; those of `--certfile` and `--domain` come first. `typhon trust` says how browsers and programs of this machine trust it.",
    read: oneOf(["internal"]),
  },
  caCerts: {
    placeholder: "FILE",
    fallbackWords: "none",
    help: "the authorities of client certificates (PEM)",
    doc: "Certificates of the authorities whose client certificates are accepted (PEM), with `--cert-reqs`. In the file also for single hosts: `[[client-certificates]]`, a table with `host`, `ca-certs` and `cert-reqs`.",
    read: readText,
  },
  certReqs: {
    placeholder: "KIND",
    fallback: "none",
    help: "client certificates: none, optional or required",
    doc: "Whether clients are asked for a certificate: `none`, `optional` (one that is given must be valid) or `required`. Needs `--ca-certs`. The numbers of gunicorn and uvicorn are understood: 0, 1 and 2.",
    read: readCertReqs,
  },
  ciphers: {
    placeholder: "LIST",
    fallbackWords: "those with forward secrecy and AEAD",
    help: "OpenSSL's list of ciphers for TLS 1.2",
    doc: "Ciphers for TLS 1.2, in the syntax of OpenSSL. Those of TLS 1.3 are not chosen by this list. Older versions of TLS are not spoken.",
    read: readCiphers,
  },
  httpRedirect: {
    placeholder: null,
    fallback: "true",
    fallbackWords: "on, but not with http://",
    help: "redirect requests without TLS to https (308)",
    doc: "With certificates: requests that come without TLS are redirected to `https://` (308). On by default, unless an address is written with `http://`, or is a Unix socket: then it is served without TLS, and `--http-redirect` turns the redirect on. Challenges of ACME and requests whose trusted proxy says https are not redirected.",
    read: readBoolean,
  },
  hsts: {
    placeholder: "SECONDS",
    fallback: "0",
    help: "Strict-Transport-Security for so long; 0 = none",
    doc: "Responses over TLS have the field `Strict-Transport-Security: max-age=SECONDS`: a browser then uses only TLS for this host for so long, and accepts no invalid certificate. It cannot be taken back, so begin with a short time (300); a year is 31536000. 0: no field.",
    read: wholeNumber(0, MAX_HSTS_SECONDS),
  },
  http2: {
    placeholder: null,
    fallback: "true",
    fallbackWords: "on",
    help: "offer HTTP/2 over TLS",
    doc: "Offers HTTP/2 to clients over TLS (ALPN). `--no-http2`: only HTTP/1.1.",
    read: readBoolean,
  },
  h2c: {
    ...SWITCH,
    help: "HTTP/2 without TLS, for proxies with prior knowledge",
    doc: "Addresses without TLS speak HTTP/2 with clients that begin with its preface (prior knowledge), such as a proxy; HTTP/1.1 with others. Browsers never do so.",
  },
});

const ACME = inGroup("ACME", "server", {
  domain: {
    placeholder: "NAME",
    isRepeatable: true,
    fallbackWords: "none",
    help: "a name that gets a certificate by itself; may be repeated",
    doc: "A host name, wildcard (`*.example.com`, needs `--acme-dns-hook`) or IP address for which Typhon orders a certificate, and renews it, from the authority of `--acme-ca` (ACME, RFC 8555). The name must lead to this machine: the authority connects to its port 80 or 443. May be given several times. By this option you agree to the authority's terms of service.",
    read: readDomain,
  },
  acmeEmail: {
    placeholder: "ADDRESS",
    fallbackWords: "none",
    help: "the mail address of the account at the authority",
    doc: "The mail address of the account, to which some authorities write before a certificate expires.",
    read: readMail,
  },
  acmeCa: {
    placeholder: "CA",
    fallback: "letsencrypt",
    help: "the authority: letsencrypt, letsencrypt-staging, zerossl or a URL",
    doc: "The authority: `letsencrypt`, `letsencrypt-staging` (for trials; browsers do not trust it), `zerossl` (needs `--acme-eab-kid` and `--acme-eab-key-file`), or the `https://` URL of an ACME directory.",
    read: readIssuer,
  },
  acmeCaRoot: {
    placeholder: "FILE",
    fallbackWords: "those that Node trusts",
    help: "root certificate of a private authority (PEM)",
    doc: "The root certificate by which the connection to a private authority is verified (PEM).",
    read: readText,
  },
  acmeFallbackCa: {
    placeholder: "CA",
    fallbackWords: "none",
    help: "another authority, asked when the first one fails",
    doc: "Another authority, as in `--acme-ca`, that is asked when the first one fails. It cannot be one with external account binding or a private root.",
    read: readIssuer,
  },
  acmeDir: {
    placeholder: "DIR",
    fallbackWords: "~/.local/share/typhon",
    help: "folder for accounts, keys and certificates",
    doc: "The folder for accounts, keys and certificates, also those of `--tls internal`; it is made with mode 0700. Machines that serve the same names may share it. Without this option it is `$STATE_DIRECTORY` (systemd: `StateDirectory=`), else `$XDG_DATA_HOME/typhon`, else `~/.local/share/typhon` of the user that the server runs as.",
    read: readText,
  },
  acmeEabKid: {
    placeholder: "ID",
    fallbackWords: "none",
    help: "external account binding: the key's id",
    doc: "External account binding: the id of the key that the authority has given to you. Needs `--acme-eab-key-file`.",
    read: readToken,
  },
  acmeEabKeyFile: {
    placeholder: "FILE",
    fallbackWords: "none",
    help: "external account binding: a file with the key (base64url)",
    doc: "External account binding: a file with the key (HMAC) that belongs to `--acme-eab-kid`, in base64url as the authority gives it.",
    read: readText,
  },
  acmeProfile: {
    placeholder: "NAME",
    fallbackWords: "the authority's default",
    help: "kind of certificate, such as shortlived",
    doc: "The profile of certificates, if the authority has several: Let's Encrypt has `classic`, `tlsserver` and `shortlived` (six days, the one for IP addresses).",
    read: readToken,
  },
  acmeDnsHook: {
    placeholder: "PROGRAM",
    fallbackWords: "none",
    help: "program that sets DNS records, for wildcards (dns-01)",
    doc: "A program that sets and removes the TXT record of the challenge dns-01, which wildcards need. docs/guide/https.md says how it is called.",
    read: readText,
  },
});

const APPLICATION = inGroup("Application", "application", {
  interface: {
    placeholder: "KIND",
    fallback: "auto",
    help: "auto, wsgi or asgi",
    doc: "The interface of the application: `wsgi` (Flask, Django), `asgi` (FastAPI, Starlette, Django's asgi module), or `auto`: Typhon finds out from the callable and from what it wraps. Where neither shows the interface, the application is served as WSGI and the log says so at the start.",
    read: oneOf(["auto", "wsgi", "asgi"]),
  },
  python: {
    placeholder: "PATH",
    fallbackWords: "virtual environment, else python3",
    help: "the interpreter, or its virtual environment",
    doc: "The Python interpreter that runs the application: a path, the name of a program on `PATH`, or the folder of a virtual environment. Without this option Typhon uses the active virtual environment (`VIRTUAL_ENV`, `CONDA_PREFIX`), else the one that Typhon is installed in, else that of the project (`.venv`, `venv` or `env` beside the application or above it, or the one of uv, Poetry, Pipenv or PDM), else `python3` on `PATH`: [which Python](guide/discovery.md#which-python) has the whole order. `typhon check` says which it is, and why. A virtual environment that is there but cannot be used, because this user may not enter it or its Python is gone, is an error; no other Python replaces it. For CGI programs it is the interpreter of `--cgi-run-py`, and `.venv/` is looked for beside the folder of the programs.",
    read: readText,
  },
  appDir: {
    alias: "dir",
    placeholder: "DIR",
    fallback: ".",
    fallbackWords: "the current folder",
    help: "the folder put first on sys.path",
    doc: "The folder that is put first on `sys.path`. A symbolic link is followed at the start and at each reload. It does not change the working directory of the application, which is the one that Typhon was started in. Where no application is named, it is the folder in which one is looked for. An application that the file names has the file's folder, if nothing else is given. In the file the key may also be `dir`.",
    read: readText,
  },
  factory: {
    ...SWITCH,
    help: "APP is a function that returns the application",
    doc: "APP names a function without arguments that returns the application, as with uvicorn: `--factory shop:create_app` is `shop:create_app()`.",
  },
  chdir: {
    scope: "server",
    placeholder: "DIR",
    fallbackWords: "the current folder",
    help: "the working directory of applications, where relative paths start",
    doc: "The working directory of applications, and the folder at which relative paths of flags and variables start, but not those of `--config`, `--gunicorn-conf` and `--env-file`. It is also the folder with the code, unless `--app-dir` names another.",
    read: readText,
  },
  env: {
    short: "e",
    placeholder: "NAME=VALUE",
    isRepeatable: true,
    entry: (name, value) => `${name}=${value}`,
    help: "a variable for the application; may be repeated",
    doc: 'A variable for the environment of the application. May be given several times; `TYPHON_ENV` has one variable on each line. Every user of the machine can read the arguments of a command; for secrets use the environment or `--env-file`. In the file `env` is a table: `env = { NAME = "value" }`; an application has the variables of the top level too.',
    read: readAssignment,
  },
  envFile: {
    placeholder: "FILE",
    isRepeatable: true,
    help: "a file of variables, NAME=VALUE; may be repeated",
    doc: "A file with variables for the application, and with `TYPHON_…` variables for Typhon itself. The syntax is that of `.env` files: one `NAME=VALUE` on a line, `#` begins a comment, a value may be in quotes and then have several lines, `export` before a name is ignored; python-dotenv reads the same from it. `${NAME}` in a value is replaced by that variable of the process, else by one that stands before it, else by nothing; `${NAME:-default}` has a default, and `$NAME` stays as it is. A variable of the process's own environment wins over the file, `--env` wins over both, and of several files the last one that has the variable. The files of the flag and of `TYPHON_ENV_FILE` are read at the start, and not again by a reload; files that typhon.toml names are read anew. `TYPHON_…` variables in the `env-file` of one `[apps.NAME]` do not count. An application has the variables of the files of the top level too.",
    read: readText,
  },
  rootPath: {
    placeholder: "PREFIX",
    fallback: "",
    fallbackWords: "none",
    help: "path prefix of the application (SCRIPT_NAME)",
    doc: "The path prefix under which the application is mounted, such as `/shop`: `SCRIPT_NAME` in WSGI, `root_path` in ASGI. Without this option it is the path of the application's route, unless that has `strip-prefix = false` or the application has routes with several paths.",
    read: readPrefix,
  },
  sendfile: {
    placeholder: "[/PREFIX=]DIR",
    isRepeatable: true,
    fallbackWords: "none",
    help: "a folder of files that the application may name in X-Sendfile or X-Accel-Redirect; may be repeated",
    doc: "A folder whose files the application may hand over by the field `X-Sendfile` (the file's absolute path) or `X-Accel-Redirect` (a path below `/PREFIX`, which stands for the folder): Typhon sends the file, and the worker is free. May be given several times.",
    read: mappedFolder(""),
  },
  warmup: {
    placeholder: "PATH",
    isRepeatable: true,
    help: "a path that each new worker runs once before it takes requests; may be repeated",
    doc: "A path, such as `/`. Each new worker runs a GET request for it before it takes requests of clients, so that no client waits for work that the application does only once. May be given several times. A status of 400 or more, or an exception, is a warning in the log; the worker still takes requests.",
    read: readPath,
  },
  logConfig: {
    placeholder: "FILE",
    help: "a file that sets up the application's logging, by logging.config",
    doc: "A file that sets up Python's `logging` in each worker, before the application is imported: `.json`, `.toml` (Python 3.11, or tomli in the application's environment), `.yaml` and `.yml` (PyYAML in the application's environment) hold what `logging.config.dictConfig` takes; any other file is one of `logging.config.fileConfig`, whose existing loggers stay. A mistake in it is a failed start. The file is read again by a reload.",
    read: readText,
  },
  loop: {
    placeholder: "KIND",
    fallback: "auto",
    help: "ASGI: auto, asyncio or uvloop",
    doc: "The event loop of an ASGI application: `asyncio`, `uvloop`, or `auto`: uvloop if it is installed in the application's environment, else asyncio.",
    read: oneOf(["auto", "asyncio", "uvloop"]),
  },
  lifespan: {
    placeholder: "KIND",
    fallback: "auto",
    help: "ASGI: auto, on or off",
    doc: "The lifespan protocol, which tells an ASGI application of its start and its end. `on`: the start fails if the application does not support the protocol. `auto`: the application runs without the protocol then. `off`: the protocol is not used.",
    read: oneOf(["auto", "on", "off"]),
  },
  pathsend: {
    ...SWITCH,
    help: "ASGI: offer http.response.pathsend (files by path)",
    doc: "Offers the ASGI extension `http.response.pathsend`, by which an application sends a file by naming its path. It is off by default: Starlette's FileResponse and StaticFiles use the extension wherever it is offered, and middleware that reads, compresses or changes bodies (GZipMiddleware, brotli-asgi, `BaseHTTPMiddleware` that reads the body) does not understand it.",
  },
});

const CGI = inGroup("CGI", "route", {
  cgiRunPy: {
    ...SWITCH,
    help: "run .py files that are not executable, by --python",
    doc: "Runs a `.py` file without the executable bit by the interpreter of `--python`. Without this option such a file is taken for a module of a program: it is not run, and its source is not sent.",
  },
  cgiEnv: {
    placeholder: "NAME=VALUE",
    isRepeatable: true,
    entry: (name, value) => `${name}=${value}`,
    fallbackWords: "none",
    help: "a variable for CGI programs; may be repeated",
    doc: 'A variable for the environment of CGI programs, such as `GIT_PROJECT_ROOT=/srv/git`. Programs get the variables of the request, a `PATH`, and these, but no variable of the server. One of these stands in place of a variable of the request that has its name. May be given several times; `TYPHON_CGI_ENV` has one variable on each line. In the file it is a table: `cgi-env = { NAME = "value" }`; a route has the variables of the top level too.',
    read: readAssignment,
  },
  cgiPassAuthorization: {
    ...SWITCH,
    help: "CGI programs get the Authorization field",
    doc: "Gives programs the request's `Authorization` field as `HTTP_AUTHORIZATION`, for programs that check passwords or tokens themselves (Apache: `CGIPassAuth On`). Without this option no program sees a password.",
  },
  cgiConcurrency: {
    scope: "server",
    placeholder: "N",
    fallbackWords: "4 for each usable core",
    help: "CGI programs that run at once",
    doc: "The number of CGI programs that run at the same time, of all routes together; further requests wait.",
    read: wholeNumber(1, MAX_PROGRAMS),
  },
  cgiQueue: {
    scope: "server",
    placeholder: "N",
    fallback: "1000",
    help: "requests that may wait for a CGI program; further ones get 503",
    doc: "The number of requests that may wait until a CGI program may run; further requests get 503 with Retry-After at once. `--queue-timeout` is the longest time that a request waits.",
    read: wholeNumber(1, MAX_QUEUE),
  },
  cgiWarm: {
    placeholder: "auto|off",
    fallback: "auto",
    help: "run Python programs in forks of a process that has loaded them",
    doc: "`auto`: a CGI program in Python runs in a fork of a template, a process that has started the interpreter, compiled the program and loaded the modules of the standard library that it imports. Each request still gets a process of its own. A program that cannot be run so is started anew for each request, like a program in another language, and the log says why once. `off`: every program is started anew.",
    read: oneOf(["auto", "off"]),
  },
  cgiPreload: {
    placeholder: "MODULE",
    isRepeatable: true,
    fallbackWords: "none",
    help: "a further module that templates load; may be repeated",
    doc: "A module that the template of each Python program imports before the first request, such as `numpy`. It must be one that does not look at the request when it is imported: it is imported once, without the variables of a request. May be given several times.",
    read: readModule,
  },
  cgiTemplateIdle: {
    scope: "server",
    placeholder: "SECONDS",
    fallback: "300",
    help: "how long a template stays without a request",
    doc: "How long the template of a CGI program stays without a request; the next request makes a new one.",
    read: seconds(1),
  },
});

const WORKERS = inGroup("Workers", "application", {
  workers: {
    short: "w",
    placeholder: "N",
    fallbackWords: "the usable cores, or 1",
    otherVariable: "WEB_CONCURRENCY",
    help: "Python processes",
    doc: "The number of Python processes that run the application. Without this option it is the number of processor cores that Typhon may use, within the limits of its control group (containers) and its CPU affinity; it is 1 for an application that needs a single process (Gradio, NiceGUI, Socket.IO, MCP sessions and others: docs/guide/application-processes.md), and the log says why.",
    read: wholeNumber(1, MAX_WORKERS),
  },
  preload: {
    ...SWITCH,
    help: "load the application once, in a process that forks the workers",
    doc: 'Loads the application once, in a process of its own (the template), which then forks the workers: they share its memory, and a further worker starts in milliseconds. Each reload loads the new code in a new template. What a fork does not copy, such as threads, has to start in the workers; the log names what it finds. gunicorn has the same option (docs/guide/application-processes.md, "Loading once").',
  },
  threads: {
    placeholder: "N",
    fallback: "4",
    help: "threads of each worker (WSGI)",
    doc: "The number of requests that one worker may run at the same time under WSGI, each in its own thread. A second thread takes a request only when the first has been busy for some milliseconds, so that idle processes get requests first. Use 1 for an application that is not thread-safe.",
    read: wholeNumber(1, MAX_THREADS),
  },
  concurrency: {
    placeholder: "N",
    fallback: "1024",
    help: "ASGI: requests that a worker runs at once",
    doc: "The number of requests that one worker runs at the same time under ASGI; further requests wait in the queue. An event stream is a request, and counts as long as it lasts. A WebSocket counts until the application has accepted it; then `--ws-concurrency` limits it.",
    read: wholeNumber(1, MAX_CONCURRENCY),
  },
  retry: {
    placeholder: "KIND",
    fallback: "safe",
    help: "safe: GET, HEAD, OPTIONS run once more if their worker died",
    doc: "What happens to the requests of a worker that dies. `safe`: a GET, HEAD or OPTIONS request without a body, whose response had not begun, is run once more by another worker. A request that was alone in the worker is not run again, because it may have killed the worker; it gets 502. `off`: every such request gets 502. A request past its deadline is never run again.",
    read: oneOf(["safe", "off"]),
  },
  maxRequests: {
    placeholder: "N",
    fallback: "0",
    help: "replace a worker after so many requests; 0 = never",
    doc: "The number of requests after which a worker is replaced. The new worker is ready before the old one stops taking requests. 0: never.",
    read: wholeNumber(0, MAX_REQUESTS),
  },
  maxRequestsJitter: {
    placeholder: "N",
    fallback: "0",
    help: "up to so many more requests, at random for each worker",
    doc: "A random number of requests, from 0 to N, that is added to `--max-requests` for each worker, so that not all workers are replaced at the same time.",
    read: wholeNumber(0, MAX_REQUESTS),
  },
  maxRss: {
    placeholder: "SIZE",
    fallback: "0",
    help: "replace a worker that uses more memory; 0 = never",
    doc: "The resident memory, such as `512M`, above which a worker is replaced, in the same way as with `--max-requests`. Checked every second. With `--preload` the memory that a worker shares with its template counts in full for each worker. 0: never.",
    read: readSize,
  },
  maxAge: {
    placeholder: "SECONDS",
    fallback: "0",
    help: "replace a worker that is older; 0 = never",
    doc: "The age at which a worker is replaced, in the same way as with `--max-requests`. 0: never.",
    read: seconds(0),
  },
});

const TIMES = inGroup("Times", "application", {
  timeout: {
    short: "t",
    placeholder: "SECONDS",
    isRepeatable: true,
    fallback: "30",
    fallbackWords: "30; ASGI: no limit",
    help: "how long until a response begins; 0 = no limit; /path=SECONDS for a path and all below it",
    doc: "How long a request may run: from the moment a worker takes it until its response begins, then between two chunks while the client reads (under ASGI only if the path has a limit of its own). Without this option a request under ASGI may wait as long as it likes, as with uvicorn; code that keeps the event loop is limited by `--loop-timeout`. After that the client gets 504 (or its connection is closed, if the response had begun), the log gets the stacks of the worker's threads, and the request is interrupted. A worker that cannot be interrupted is replaced. 0: no limit. May be given several times: `/reports=300` is the limit of that path and of all paths below it; if several limits match, the one with the longest path counts. For a CGI program it is the time from its start until its response begins; after that the program and its process group are killed.",
    read: readTimeout,
  },
  loopTimeout: {
    placeholder: "SECONDS",
    fallback: "30",
    help: "ASGI: how long code may keep the event loop; 0 = no limit",
    doc: "How long the code of an ASGI application may keep the event loop of its worker without awaiting. After that (up to a quarter later, at most 5 s) the log gets the stacks of the worker, and the code is interrupted. If the loop does not come back within a second, the worker is replaced and its requests get 502. 0: no limit.",
    read: seconds(0),
  },
  gracefulTimeout: {
    placeholder: "SECONDS",
    fallback: "25",
    help: "how long requests may run on when the server stops",
    doc: "How long running requests may take to finish when the server stops, or when their worker is replaced (a reload, `--max-requests` and the like). The default is below the 30 s that containers commonly get.",
    read: seconds(0),
  },
  drainDelay: {
    scope: "server",
    placeholder: "SECONDS",
    fallback: "0",
    help: "how long the server serves on after SIGTERM, with /readyz failing",
    doc: "How long the server serves on as before after SIGTERM or SIGINT, while `/readyz` (`--health`) already responds with 503. Load balancers learn only some seconds later that a server will be gone, and send it new connections until then. A second signal ends the delay. Then the stop begins: no new connections, and `--graceful-timeout` for running requests. Kubernetes gives a pod 30 s for both, so with `--drain-delay 5` write `--graceful-timeout 20`. 0: the stop begins at once.",
    read: seconds(0),
  },
  keepAlive: {
    scope: "server",
    placeholder: "SECONDS",
    fallback: "75",
    help: "how long an idle connection stays open",
    doc: "How long a connection without a request stays open. Behind a proxy this should be longer than the proxy keeps its own idle connections.",
    read: seconds(0),
  },
  bodyTimeout: {
    scope: "server",
    placeholder: "SECONDS",
    fallback: "60",
    help: "how long a request's body may bring nothing; 0 = no limit",
    doc: "How long no byte of a request's body may come while the body is read; after that the client gets 408. The time in which an ASGI application does not read is not counted. Under WSGI, where the body is received whole before a worker runs the request, a body must also bring 500 bytes a second in every 10 s. Under ASGI the application takes the bytes as they come, and a body may be as slow as its client likes. 0: no limit.",
    read: seconds(0),
  },
  abandonTimeout: {
    placeholder: "SECONDS",
    fallback: "120",
    help: "ASGI: how long a handler may go on after its client has left; 0 = no limit",
    doc: "How long the handler of a request or of a WebSocket may go on when nobody waits for its response any more: its client has left, or the response was complete with its head (HEAD, 204, 304). Such a handler is not interrupted. `receive()` returns the disconnect, `send()` drops what would end the response, so that the handler gets to its end and its background tasks run, and raises OSError for a piece with `more_body` true, so that an endless stream ends. Such handlers do not count for `--concurrency`; a worker has as many of them as `--concurrency` says. After this time the handler is cancelled. 0: no limit. Only under ASGI.",
    read: seconds(0),
  },
  cancelOnDisconnect: {
    ...SWITCH,
    help: "ASGI: cancel a handler as soon as its client has left",
    doc: "Cancels the handler of a request as soon as nobody waits for its response any more, without waiting for `--abandon-timeout`. For applications whose work is lost without its client, and costs much. Only under ASGI.",
  },
  queueTimeout: {
    placeholder: "SECONDS",
    fallback: "5",
    help: "how long a request may wait for a worker",
    doc: "How long a request may wait until a worker takes it; after that it gets 503 with Retry-After.",
    read: seconds(0.001),
  },
  startTimeout: {
    placeholder: "SECONDS",
    fallback: "120",
    help: "how long a worker may take to load the application",
    doc: "How long a new worker may take to load the application and to warm up. After that the worker is killed, and the start or the reload has failed; the message has the stack of what was being imported. With `--preload` it is the time for the template, and for the workers that wait for it.",
    read: seconds(0.1),
  },
});

const LIMITS = inGroup("Limits", "server", {
  queue: {
    scope: "application",
    placeholder: "N",
    fallback: "1000",
    help: "requests that may wait; further ones get 503",
    doc: "The number of requests that may wait for a worker; further requests get 503 with Retry-After at once.",
    read: wholeNumber(1, MAX_QUEUE),
  },
  maxBody: {
    placeholder: "SIZE",
    fallback: "1G",
    help: "the largest request body; a larger one gets 413",
    doc: "The largest body of a request, such as `512k`, `10M`, `1G` (powers of 1,024); a larger one gets 413.",
    read: readSize,
  },
  limitRequestLine: {
    placeholder: "SIZE",
    fallback: "8k",
    help: "the longest request line; a longer one gets 414",
    doc: "The largest number of bytes of a request line (method, target and version), from 256 to `256k`; a longer one gets 414. gunicorn has the same option; its default is 4094.",
    read: sizeWithin(256, MAX_HEAD_BYTES, "256 to 256k"),
  },
  limitRequestHead: {
    placeholder: "SIZE",
    fallback: "32k",
    help: "the largest head of a request; a larger one gets 431",
    doc: "The largest number of bytes of the head of a request (request line and all fields together), from `1k` to `256k`; a larger one gets 431. Large cookies and tokens may need more than the default.",
    read: sizeWithin(1024, MAX_HEAD_BYTES, "1k to 256k"),
  },
  maxResponseSpill: {
    scope: "application",
    placeholder: "SIZE",
    fallback: "1G",
    help: "bytes of a response kept on disk for a slow client",
    doc: "How much of one response is kept in a temporary file for a client that reads slowly, so that the worker is free. If the file is full, the worker waits for the client. Only under WSGI: under ASGI `send()` waits for the client.",
    read: readSize,
  },
  maxTempSize: {
    placeholder: "SIZE",
    fallbackWords: "4G, at most half of what is free",
    help: "bytes of all temporary files together",
    doc: "How much all temporary files of large bodies may hold together, such as `500M` or `20G`. Responses may hold half of it. When it is full, a response makes its worker wait for its client, and a request's body takes the place of the slowest other one if that comes at less than 16 KiB/s (that one gets 408), else it gets 507. Without this option it is 4 GiB, or half of what is free in `--temp-dir` at the start if that is less, and at least 256 MiB.",
    read: readSize,
  },
  tempDir: {
    placeholder: "DIR",
    fallbackWords: "$TMPDIR, else /tmp",
    help: "folder for temporary files of large bodies",
    doc: "The folder for the temporary files of large bodies. Each file is deleted at the end of its request or earlier. Without this option it is the first of `$TMPDIR`, `/tmp`, `/var/tmp` and `/dev/shm` that this user may write to; `/dev/shm` is memory.",
    read: readText,
  },
});

const WEB_SOCKETS = inGroup("WebSockets", "application", {
  wsConcurrency: {
    placeholder: "N",
    fallback: "16384",
    help: "WebSockets that an application has at once; further ones get 503",
    doc: "The number of WebSockets that an application has at the same time, in all of its workers together. A handshake counts from its beginning; a WebSocket counts until the application has ended it. A further handshake gets 503 with Retry-After. WebSockets do not count for `--concurrency`. An idle WebSocket takes about 27 kB in the front, 6 kB and what the application keeps in its worker, and one open file of the front (`ulimit -n`). Under WSGI each WebSocket holds a thread, so that `--workers` × `--threads` is the limit.",
    read: wholeNumber(1, MAX_WEB_SOCKETS),
  },
  wsMaxSize: {
    placeholder: "SIZE",
    fallback: "16M",
    help: "the largest message; a larger one closes with 1009",
    doc: "The largest WebSocket message that a client may send, measured after decompression, such as `512k` or `16M`, at most `256M`; a larger one closes the connection with 1009. Only under ASGI: a WSGI application reads the frames itself.",
    read: sizeWithin(1, MAX_MESSAGE_BYTES, "1 to 256M"),
  },
  wsPingInterval: {
    placeholder: "SECONDS",
    fallback: "20",
    help: "time between two pings to a client; 0 = none",
    doc: "The time between two pings to the client of a WebSocket. 0: no pings. Only under ASGI.",
    read: seconds(0),
  },
  wsPingTimeout: {
    placeholder: "SECONDS",
    fallback: "20",
    help: "how long a client may be silent after a ping; 0 = no limit",
    doc: "How long a client may send nothing after a ping. After that its connection is closed, and the application gets `websocket.disconnect` with 1006. 0: no limit. Only under ASGI.",
    read: seconds(0),
  },
  wsPerMessageDeflate: {
    placeholder: "BOOLEAN",
    fallback: "true",
    help: "compress messages if the client offers it",
    doc: "Whether Typhon accepts a client's offer to compress messages (permessage-deflate): `true` or `false`. Only under ASGI.",
    read: readBoolean,
  },
});

const LOGS = inGroup("Logs", "server", {
  accessLog: {
    placeholder: "-|FILE|off",
    fallback: "off",
    help: "a line for each request; - = standard output",
    doc: "One line for each request, with its id, the time in the queue, the time in the application, the bytes and the worker: to standard output (`-`), to a file, or `off`. docs/guide/deploying.md explains the fields.",
    read: readText,
  },
  logLevel: {
    placeholder: "LEVEL",
    fallback: "info",
    help: "debug, info, warning or error",
    doc: "The lowest level that is written to the server's log (standard error): `debug`, `info`, `warning` or `error`. Output of the application has no level and is always written.",
    read: oneOf(["debug", "info", "warning", "error"]),
  },
  logFormat: {
    placeholder: "FORMAT",
    fallback: "text",
    help: "text or json",
    doc: "The format of both logs: `text` for people, `json` for programs (one object a line).",
    read: oneOf(["text", "json"]),
  },
  accessLogFormat: {
    placeholder: "FORMAT",
    fallbackWords: "that of --log-format",
    help: "text, json, common, combined, or gunicorn's atoms",
    doc: "The format of the access log: `text` (Typhon's own, the combined log and more), `json`, `common` or `combined`, as web servers have them, or a text with gunicorn's atoms, such as `%(h)s \"%(r)s\" %(s)s %({x-tenant}i)s`. docs/guide/logging.md has all atoms. An unknown atom is a mistake at the start.",
    read: readAccessFormat,
  },
  captureOutput: {
    ...SWITCH,
    help: "write the application's output into the server's log",
    doc: "What the application prints is written into the server's log: each line with the worker's number, in the format of the log. In a JSON log it is the text of an `application.output` event, so that no application can forge a line of the server's. Without this option the application's standard output goes to the server's standard output and its standard error to the server's standard error, unchanged.",
  },
});

const PROCESS = inGroup("Process", "server", {
  pid: {
    placeholder: "FILE",
    fallbackWords: "none",
    help: "file for the process id; typhon reload needs it",
    doc: "A file that holds the process id while the server runs. Beside it, at FILE.sock, is the socket for `typhon reload --pid FILE`; only the server's user, and root, may open it. With `--user` that user makes both, and must be able to write to the folder.",
    read: readText,
  },
  gunicornConf: {
    placeholder: "FILE",
    fallbackWords: "none",
    help: "a gunicorn.conf.py, or python:MODULE, whose settings are used",
    doc: "A configuration file of gunicorn, or `python:MODULE`. It is a program: the application's interpreter runs it in a process of its own, as the user of `--user`, at the start and at each reload, for at most 10 seconds. Settings that have an option here are used; the log names the others once. A flag or a variable wins over the file, and the file over `typhon.toml`. [Options of other servers](guide/options-of-others.md) lists all settings.",
    read: readText,
  },
  umask: {
    placeholder: "MODE",
    fallbackWords: "that of the process which starts it",
    help: "rights that new files do not get, such as 0027",
    doc: "The rights that files of the application and of the server do not get, in octal digits (umask(2)). A Unix socket has `--socket-mode` all the same.",
    read: readMask,
  },
  user: {
    placeholder: "USER",
    fallbackWords: "the user who starts it",
    help: "become this user when the ports are bound (root only)",
    doc: "The user, by name or number, that the server becomes. Addresses are bound as root; then front, launcher and workers run as this user, and nothing of root stays: the configuration, certificates, keys and logs are read and written as this user. `HOME`, `USER` and `LOGNAME` are those of the user. Only root may use it; under systemd write `User=` into the unit instead. docs/guide/deploying.md explains it.",
    read: readText,
  },
  group: {
    placeholder: "GROUP",
    fallbackWords: "the group of --user",
    help: "become this group; needs --user",
    doc: "The group, by name or number, that the server has with `--user`, beside the other groups of the user.",
    read: readText,
  },
  health: {
    ...SWITCH,
    help: "respond to /livez and /readyz without the application",
    doc: "Typhon itself responds to GET and HEAD requests for `/livez` (200 while the server runs) and `/readyz` (200 while a worker takes requests and the server is not stopping, else 503). With several applications `/readyz` tells of the one that serves every host and path, else of the first, and `/readyz/NAME` of each. These requests never wait in the queue, and the application never sees them.",
  },
  reload: {
    ...SWITCH,
    help: "for development: load new code when a file changes",
    doc: "For development: when a file in the watched folders changes, new workers load the code, and requests wait until it is loaded. Code that does not load is shown as a page with its traceback until the code is fixed. The default number of workers is 1 then, and without an address (`--bind`, `--host`) Typhon listens on this machine only, whatever its user may do and whether `PORT` is set or not.",
  },
  reloadDir: {
    placeholder: "DIR",
    isRepeatable: true,
    fallbackWords: "--app-dir",
    help: "a folder that --reload watches; may be repeated",
    doc: "A folder whose files `--reload` watches, with all folders below it. May be given several times. Without this option it is the folder of `--app-dir`, or the folder of the application if that is a file elsewhere.",
    read: readText,
  },
  reloadInclude: {
    placeholder: "GLOB",
    isRepeatable: true,
    fallbackWords: "none",
    help: "further files that are code for --reload, such as '*.yaml'",
    doc: "A pattern of names, or of ends of paths, of further files whose change loads the code anew: `--reload-include '*.yaml'`. Files of Python, templates and settings always do (`.py`, `.html`, `.jinja`, `.toml`, `.ini`, `.cfg`, `.env`). May be given several times, and wins over `--reload-exclude`.",
    read: readPattern,
  },
  reloadExclude: {
    placeholder: "GLOB",
    isRepeatable: true,
    fallbackWords: "none",
    help: "files and folders whose changes --reload ignores, such as tests",
    doc: "A pattern of names, or of ends of paths, of files and folders whose changes load nothing: `--reload-exclude tests`, `--reload-exclude 'test_*.py'`. Hidden folders, virtual environments, `node_modules` and files that editors leave are never watched. May be given several times.",
    read: readPattern,
  },
});

/** The keys of a route in the file that are no options: they have no flag. */
const ROUTES = inGroup("Routes", "route", {
  host: {
    isRepeatable: true,
    placeholder: "HOST",
    fallbackWords: "every host",
    doc: "The name of the host, or an array of names: `example.com` exactly, or `*.example.com` for all names below it. Other alphabets are readable: `bücher.example`. An address is compared as an address, in whatever way it is written (`::1`, `[0:0:0:0:0:0:0:1]`). Without a port. A route without `host` is for every host. If all routes have a host, a request for another one gets 421.",
    read: readHostPattern,
  },
  path: {
    placeholder: "PATH",
    fallback: "/",
    doc: "The path, readable (`/straße`): that path and all paths below it; `/api` is for `/api` and `/api/v1`, not for `/apis`.",
    read: readRoutePath,
  },
  app: {
    placeholder: "NAME",
    doc: "Target: the application of `[apps.NAME]`.",
    read: readText,
  },
  static: {
    placeholder: "DIR",
    doc: "Target: the files of a folder.",
    read: readText,
  },
  cgi: {
    placeholder: "DIR",
    doc: "Target: the CGI programs of a folder, or one program.",
    read: readText,
  },
  redirect: {
    placeholder: "URL",
    doc: "Target: a redirect to a path or a URL. `{path}` stands for the path behind the route's own path, `{query}` for `?` and the query: `https://example.com{path}{query}`.",
    read: readRedirect,
  },
  respond: {
    placeholder: "TEXT|STATUS",
    doc: "Target: the same text, or the same status without a text, for each request.",
    read: readResponse,
  },
  stripPrefix: {
    placeholder: "BOOLEAN",
    fallbackWords: "`true`; `false` for an application whose routes have several paths",
    doc: "With `app`: whether the route's path is the root path of the application. With `static`: whether the route's path is removed before the file is looked for.",
    read: readBoolean,
  },
  index: {
    isRepeatable: true,
    placeholder: "NAME",
    fallback: "index.html",
    doc: 'With `static`: the file that stands for its folder, or an array of names, of which the first one that there is counts: `index = ["index.html", "index.htm"]`. `false`: a folder has no such file.',
    read: readIndex,
  },
  fallback: {
    placeholder: "FILE",
    fallbackWords: "none",
    doc: "With `static`: the file of the folder that is sent where there is none, such as `index.html` of an application that runs in the browser.",
    read: readInnerFile,
  },
  followSymlinks: {
    ...SWITCH,
    placeholder: "BOOLEAN",
    fallbackWords: "`false`",
    doc: "With `static`: whether symbolic links may lead out of the folder.",
  },
  status: {
    placeholder: "STATUS",
    fallbackWords: "302; 200 with `respond`",
    doc: "With `redirect`: 301, 302, 303, 307 or 308. With `respond`: from 200 to 599.",
    read: wholeNumber(200, 599),
  },
  contentType: {
    placeholder: "TYPE",
    fallback: "text/plain; charset=utf-8",
    doc: "With `respond`: the type of the text.",
    read: readFieldValue,
  },
  headers: {
    isRepeatable: true,
    placeholder: "TABLE",
    entry: (name, value) => (value === false ? name : `${name}: ${value}`),
    fallbackWords: "none",
    doc: 'Fields that are set on each response, in place of the target\'s own: `headers = { X-Frame-Options = "DENY" }`. `NAME = false` removes a field, also `Server`, `Date` and `X-Request-ID`, which Typhon adds.',
    read: readHeader,
  },
  cacheControl: {
    placeholder: "VALUE",
    fallback: "",
    fallbackWords: "none",
    doc: "The `Cache-Control` of successful responses that have none.",
    read: readFieldValue,
  },
  errorPages: {
    placeholder: "DIR",
    fallbackWords: "none",
    doc: "A folder with pages for errors that Typhon itself responds with: `404.html`, `50x.html`. Errors of an application stay as they are.",
    read: readText,
  },
  allow: {
    placeholder: "CIDR",
    fallback: "",
    fallbackWords: "every address",
    doc: "Addresses and CIDR ranges, as an array or with commas between them, that may send requests; others get 403. `unix` stands for clients on a Unix socket, `*` for every client.",
    read: listOf(readNetwork),
  },
  deny: {
    placeholder: "CIDR",
    fallback: "",
    fallbackWords: "none",
    doc: "Addresses and CIDR ranges that get 403. `deny` wins over `allow`.",
    read: listOf(readNetwork),
  },
  basicAuth: {
    placeholder: "FILE",
    fallbackWords: "none",
    doc: "A file of users and hashes of their passwords (`typhon hash-password` makes its lines). Requests without such a user and password get 401.",
    read: readText,
  },
});

export const OPTIONS = {
  ...SITE,
  ...ADDRESS,
  ...TLS,
  ...ACME,
  ...APPLICATION,
  ...CGI,
  ...WORKERS,
  ...TIMES,
  ...LIMITS,
  ...WEB_SOCKETS,
  ...LOGS,
  ...PROCESS,
} as const;

/** Flags that show a text, after which the command ends. */
export const SWITCHES = [
  { name: "help", short: "h", placeholder: null, help: "show this help" },
  { name: "version", short: "v", placeholder: null, help: "show the version" },
] as const;

/** All options in the order of the table. */
export const OPTION_LIST: readonly Option<unknown>[] = Object.values(OPTIONS);

/** The keys of `[[routes]]`, of which those behind ROUTES are options too. */
export const ROUTE_KEYS = {
  ...ROUTES,
  listing: SITE.listing,
  compress: SITE.compress,
  cgiRunPy: CGI.cgiRunPy,
  python: APPLICATION.python,
  cgiEnv: CGI.cgiEnv,
  cgiPassAuthorization: CGI.cgiPassAuthorization,
  cgiWarm: CGI.cgiWarm,
  cgiPreload: CGI.cgiPreload,
  timeout: TIMES.timeout,
} as const;

/** Options that say where the file is, or are read before it. */
const NOT_IN_FILE: ReadonlySet<Option<unknown>> = new Set<Option<unknown>>([
  SITE.config,
  APPLICATION.chdir,
  PROCESS.gunicornConf,
]);

/** The keys at the top level of the file and of its tables: `[apps.NAME]`, `[[routes]]` and those of TLS. */
export const FILE_KEYS = {
  top: [APP, ...OPTION_LIST.filter((option) => !NOT_IN_FILE.has(option))],
  app: [APP, ...OPTION_LIST.filter(({ scope }) => scope === "application")],
  route: Object.values(ROUTE_KEYS),
  certificate: [TLS.certfile, TLS.keyfile, TLS.keyfilePasswordFile],
  client: [ROUTES.host, TLS.caCerts, TLS.certReqs],
} as const satisfies Readonly<Record<string, readonly Option<unknown>[]>>;

/** "max-body" → "TYPHON_MAX_BODY". */
export function variableOf(name: string): string {
  return `TYPHON_${name.toUpperCase().replaceAll("-", "_")}`;
}
