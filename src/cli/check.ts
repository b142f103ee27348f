// `typhon check`: shows what the same words without "check" would serve. Nothing is started, and no code is loaded.

import type {
  Account,
  ApplicationConfiguration,
  CgiConfiguration,
  CgiTarget,
  Configuration,
  RouteConfiguration,
  RoutePolicy,
  RouteTarget,
  TlsConfiguration,
} from "../config/configuration.ts";
import { redirectLoops } from "../config/redirect-loops.ts";
import { formatUrl } from "../net/address.ts";
import { escapeText } from "../observe/escape.ts";

/** The report, ending in a line end. Pure. */
export function renderCheck(configuration: Configuration): string {
  const { listeners, tls, cgi, applications, routes, found, notices, logs, process } =
    configuration;
  const sections: [string, readonly string[]][] = [
    ["Found", found === null ? [] : [`${found.what}: ${found.why}`]],
    ["Listeners", listenerLines(configuration)],
    ["TLS", tlsLines(tls)],
    ["Routes, in the order in which they match", routes.map(routeLine)],
    ["Warnings", [...notices, ...redirectLoops(routes, tls !== null)]],
    ["Applications", applications.flatMap(applicationLines)],
    ["CGI programs", cgiLines(cgi)],
    [
      "Files",
      [
        `access log   ${logs.accessLog === "-" ? "standard output" : logs.accessLog}`,
        `PID file     ${process.pid ?? "none"}`,
        `large bodies ${process.tempDir}`,
        ...(process.user === null ? [] : [`user         ${userWords(process.user)}`]),
      ],
    ],
    [
      "Limits",
      [
        `request line ${size(listeners.maxRequestLine)}, head ${size(listeners.maxRequestHead)}, body ${size(listeners.maxBody)}`,
        `idle connection ${seconds(listeners.keepAliveMs)}, silent body ${seconds(listeners.bodyTimeoutMs)}, stop ${stopWords(process)}`,
      ],
    ],
  ];
  return (
    sections
      .filter(([, lines]) => lines.length > 0)
      // The names of folders may have line ends, and commands for a terminal.
      .map(
        ([title, lines]) => `${title}:\n${lines.map((line) => `  ${escapeText(line)}\n`).join("")}`,
      )
      .join("\n")
  );
}

function listenerLines({ listeners, tls }: Configuration): string[] {
  const { bind, descriptors, proxyProtocol, http2, h2c } = listeners;
  const notes = [
    proxyProtocol ? "trusted proxies begin with a PROXY header" : "",
    h2c ? "HTTP/2 without TLS for clients with prior knowledge" : "",
    tls !== null && !http2 ? "no HTTP/2" : "",
  ].filter((note) => note !== "");
  const places =
    descriptors.length > 0 ? descriptors.map((fd) => `descriptor ${fd}`) : addressLines(bind);
  return [...places, ...notes];
}

function addressLines(bind: Configuration["listeners"]["bind"]): string[] {
  if (bind === "default") return ["port 80 of all addresses, else http://127.0.0.1:8000"];
  if (bind === "default-https")
    return ["ports 443 and 80 of all addresses, else https://127.0.0.1:8443"];
  if (bind === "domains") return ["ports 443 and 80 of all addresses"];
  return bind.map(formatUrl);
}

function tlsLines(tls: TlsConfiguration | null): string[] {
  if (tls === null) return [];
  const { certificates, acme, internal, stateDir, clients, hstsSeconds, redirect } = tls;
  const orders = acme === null ? [] : acme.domains.map((name) => `${name} (ACME)`);
  const issuers = acme?.issuers.map(({ directoryUrl }) => directoryUrl) ?? [];
  return [
    ...certificates.map(({ certfile, keyfile }) => `${certfile}, key ${keyfile}`),
    ...orders,
    ...(issuers.length === 0 ? [] : [`ordered from ${issuers.join(", else ")}`]),
    ...(internal ? ["a local authority, for hosts without a certificate"] : []),
    ...(internal || acme !== null ? [`state in ${stateDir}`] : []),
    ...clients.map(
      ({ host, mode, caCerts }) =>
        `client certificates ${mode} for ${host === "" ? "every other host" : host}${caCerts === "" ? "" : `, by ${caCerts}`}`,
    ),
    ...(hstsSeconds === 0 ? [] : [`Strict-Transport-Security for ${hstsSeconds} s`]),
    redirect ? "requests without TLS are redirected" : "requests without TLS are served",
  ];
}

function routeLine({ host, path, target, policy }: RouteConfiguration): string {
  const notes = [...targetNotes(target), ...policyNotes(policy)];
  const more = notes.length === 0 ? "" : ` (${notes.join(", ")})`;
  return `${host === "" ? "every host" : host}  ${readable(path || "/")}  → ${targetWords(target)}${more}`;
}

/** Bytes of a path, each as one character, as text. */
function readable(bytes: string): string {
  return Buffer.from(bytes, "latin1").toString();
}

function targetWords(target: RouteTarget): string {
  if (target.kind === "application")
    return target.application === "" ? "the application" : `application ${target.application}`;
  if (target.kind === "static") return `files of ${target.folder}`;
  if (target.kind === "cgi") return `CGI programs of ${target.place}`;
  if (target.kind === "redirect") return `${target.status} ${target.to}`;
  return `${target.status} ${JSON.stringify(target.body)}`;
}

function targetNotes(target: RouteTarget): string[] {
  if (target.kind === "cgi") return programNotes(target);
  if (target.kind !== "static") return [];
  const { index, listing, fallback, followSymlinks, stripPrefix } = target;
  const names = index.map(readable).join(" ");
  return [
    names === "index.html" ? "" : `index ${names || "none"}`,
    listing ? "listing" : "",
    fallback === "" ? "" : `fallback ${readable(fallback)}`,
    followSymlinks ? "symbolic links may leave the folder" : "",
    stripPrefix ? "" : "the path is a part of the file's name",
  ].filter((note) => note !== "");
}

function programNotes(target: CgiTarget): string[] {
  const { python, isWarm, preload, passesAuthorization, env, timeoutMs, routeTimeouts } = target;
  const names = Object.keys(env).join(" ");
  return [
    python === "" ? "" : `.py files by ${python}`,
    isWarm ? "" : "not warm",
    preload.length === 0 ? "" : `loads ${preload.join(" ")}`,
    passesAuthorization ? "passes Authorization" : "",
    names === "" ? "" : `sets ${names}`,
    `timeout ${seconds(timeoutMs)}`,
    ...routeTimeouts.map(({ prefix, ms }) => `${prefix} ${seconds(ms)}`),
  ].filter((note) => note !== "");
}

function cgiLines(cgi: CgiConfiguration | null): string[] {
  if (cgi === null) return [];
  const { python, concurrency, queue, queueTimeoutMs, templateIdleMs } = cgi;
  return [
    `started by ${python}, ${concurrency} at once`,
    `${queue} requests may wait ${seconds(queueTimeoutMs)}; an idle template ends after ${seconds(templateIdleMs)}`,
  ];
}

function policyNotes(policy: RoutePolicy): string[] {
  const { allow, deny, basicAuth, setHeaders, removeHeaders, cacheControl, errorPages } = policy;
  return [
    allow.length === 0 ? "" : `only ${allow.join(" ")}`,
    deny.length === 0 ? "" : `not ${deny.join(" ")}`,
    basicAuth === null ? "" : `passwords ${basicAuth}`,
    setHeaders.length === 0 ? "" : `sets ${setHeaders.map(([name]) => name).join(" ")}`,
    removeHeaders.length === 0 ? "" : `removes ${removeHeaders.join(" ")}`,
    cacheControl === "" ? "" : `Cache-Control: ${cacheControl}`,
    errorPages === null ? "" : `error pages ${errorPages}`,
    policy.compress === "files" ? "" : `compress ${policy.compress}`,
  ].filter((note) => note !== "");
}

function applicationLines(application: ApplicationConfiguration): string[] {
  const {
    name,
    app,
    appDir,
    python,
    pythonWhy,
    workers,
    threads,
    rootPath,
    sendfile,
    gunicornConf,
  } = application;
  const timeout =
    application.asgiTimeoutMs === 0
      ? `${seconds(application.timeoutMs)} (ASGI: no limit)`
      : seconds(application.timeoutMs);
  return [
    `${name === "" ? "" : `${name}: `}${app}`,
    `  in ${appDir}, by ${python}${pythonWhy === "" ? "" : ` (${pythonWhy})`}`,
    `  ${workers} ${workers === 1 ? "worker" : "workers"}, WSGI ${threads} threads each, ASGI ${application.concurrency} requests each`,
    `  ${application.queue} requests may wait ${seconds(application.queueTimeoutMs)}; a response begins within ${timeout}`,
    ...application.routeTimeouts.map(({ prefix, ms }) => `  ${prefix}: ${seconds(ms)}`),
    ...(rootPath === "" ? [] : [`  root path ${rootPath}`]),
    ...(gunicornConf === "" ? [] : [`  settings of ${gunicornConf}`]),
    ...sendfile.map(({ prefix, folder }) => `  hands over files of ${folder} as ${prefix || "/"}`),
  ];
}

function userWords({ uid, gid, name }: Account): string {
  return `${name === "" ? uid : name}, group ${gid}`;
}

function seconds(ms: number): string {
  return ms === 0 ? "no limit" : `${ms / 1000} s`;
}

function stopWords({ drainDelayMs, gracefulTimeoutMs }: Configuration["process"]): string {
  const delay = drainDelayMs === 0 ? "" : ` after ${seconds(drainDelayMs)} more of serving`;
  return `${seconds(gracefulTimeoutMs)}${delay}`;
}

function size(bytes: number): string {
  for (const [unit, letter] of [
    [1024 ** 3, "G"],
    [1024 ** 2, "M"],
    [1024, "k"],
  ] as const)
    if (bytes >= unit && bytes % unit === 0) return `${bytes / unit}${letter}`;
  return `${bytes}`;
}
