// What a changed configuration asks for and a running server cannot do: listeners, logs and most settings of the
// process are made once, at the start, and so is whether the server speaks TLS at all. Pure.

import { isDeepStrictEqual } from "node:util";

import type { Configuration, TlsConfiguration } from "../config/configuration.ts";

type Fixed = Pick<Configuration, "listeners" | "logs" | "process"> & { tls: TlsConfiguration };
type Setting = { [P in keyof Fixed]: keyof Fixed[P] }[keyof Fixed];

/** The options that make a setting; null: a reload changes it. */
const OPTIONS_OF: Readonly<Record<Setting, string | null>> = {
  bind: "bind",
  descriptors: "fd",
  socketRights: "socket-mode, socket-owner",
  proxyProtocol: "proxy-protocol",
  http2: "http2",
  h2c: "h2c",
  forwardedAllowIps: "forwarded-allow-ips",
  headerMap: "header-map",
  keepAliveMs: "keep-alive",
  bodyTimeoutMs: "body-timeout",
  maxBody: "max-body",
  maxRequestLine: "limit-request-line",
  maxRequestHead: "limit-request-head",
  certificates: null,
  internal: null,
  acme: null,
  stateDir: null,
  clients: null,
  ciphers: "ciphers",
  hstsSeconds: "hsts",
  // The routes have it.
  redirect: null,
  accessLog: "access-log",
  level: "log-level",
  format: "log-format",
  accessFormat: "access-log-format",
  captureOutput: "capture-output",
  pid: "pid",
  tempDir: "temp-dir",
  maxTempSize: "max-temp-size",
  drainDelayMs: "drain-delay",
  gracefulTimeoutMs: "graceful-timeout",
  user: "user, group",
  umask: "umask",
  // The routes have it.
  health: null,
  developing: null,
  reload: "reload",
  reloadDirs: "reload-dir",
  reloadFiles: "reload-include, reload-exclude",
};

/** Where one of the two has TLS and the other has none. */
const BEGINS_OR_ENDS_TLS = "certfile, domain, tls";

/** Names of the options, such as "bind", that differ and hold only after a restart. */
export function restartNeeded(running: Configuration, wanted: Configuration): readonly string[] {
  const hasSameTls = (running.tls === null) === (wanted.tls === null);
  const before = settingsOf(hasSameTls ? running : { ...running, tls: null });
  const after = settingsOf(hasSameTls ? wanted : { ...wanted, tls: null });
  const differing = Object.entries(OPTIONS_OF).flatMap(([setting, option]) =>
    option === null || isDeepStrictEqual(before.get(setting), after.get(setting)) ? [] : [option],
  );
  return hasSameTls ? differing : [...differing, BEGINS_OR_ENDS_TLS];
}

function settingsOf({
  listeners,
  tls,
  logs,
  process,
}: Configuration): ReadonlyMap<string, unknown> {
  // Without --reload no folder is watched; those of new applications then ask for nothing.
  const reloadDirs = process.reload ? process.reloadDirs : [];
  return new Map(Object.entries({ ...listeners, ...tls, ...logs, ...process, reloadDirs }));
}
