// What a configuration says that is right and still worth knowing. Pure.

import type { Configuration } from "../config/configuration.ts";
import { finding, type Finding } from "./finding.ts";

/** "fail" lines for mistakes, each as the start would report it. */
export function checkMistakes(text: string): readonly Finding[] {
  return text.split("\n").map((line) => finding("fail", "configuration", line));
}

export function checkSettings(
  { applications, listeners, notices, process: settings }: Configuration,
  isRoot: boolean,
): readonly Finding[] {
  const findings = [
    ...applications.map(({ app, name }) =>
      finding("ok", "application", name === "" ? app : `${name}: ${app}`),
    ),
    ...notices.map((text) => finding("note", "configuration", text)),
  ];
  if (isRoot && settings.user === null)
    findings.push(
      finding(
        "warn",
        "user",
        "the server and its applications would run as root",
        "--user NAME, User= in a unit, or USER in a Dockerfile",
      ),
    );
  if (listeners.forwardedAllowIps.includes("*") && !isLocal(listeners.bind))
    findings.push(
      finding(
        "note",
        "proxies",
        "--forwarded-allow-ips * believes every client about its address",
        "right where only a platform's proxy can connect; else name the proxy's addresses",
      ),
    );
  return findings;
}

function isLocal(bind: Configuration["listeners"]["bind"]): boolean {
  const isLoopback = (host: string): boolean =>
    host === "::1" || host === "localhost" || host.startsWith("127.");
  return (
    typeof bind !== "string" && bind.every((one) => one.kind === "unix" || isLoopback(one.host))
  );
}

/** The file of gunicorn's settings in the working folder, which is read on demand only. */
export function checkGunicornFile(isThere: boolean): readonly Finding[] {
  if (!isThere) return [];
  return [
    finding(
      "note",
      "gunicorn",
      "gunicorn.conf.py is here and is not read by itself",
      "typhon --gunicorn-conf gunicorn.conf.py reads it",
    ),
  ];
}
