// What a configuration says that is right and still worth knowing. Pure.

import type { Configuration } from "../config/configuration.ts";
import { finding, type Finding } from "./finding.ts";

/** "fail" lines for mistakes, each as the start would report it. */
export function checkMistakes(text: string): readonly Finding[] {
  return text.split("\n").map((line) => finding("fail", "configuration", line));
}

/** What the start would note, such as a gunicorn.conf.py that is not read. */
export function checkNotices({ notices }: Configuration): readonly Finding[] {
  return notices.map((text) => finding("note", "configuration", text));
}

export function checkSettings(
  { applications, listeners, process: settings }: Configuration,
  isRoot: boolean,
): readonly Finding[] {
  const findings = applications.map(({ app, name }) =>
    finding("ok", "application", name === "" ? app : `${name}: ${app}`),
  );
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
