// A first unit of systemd. docs/guide/systemd.md explains each line. Pure.

import { dirname } from "node:path";

import { servingWords, type InitFacts } from "./facts.ts";

/** The text of NAME.service. */
export function renderUnit(facts: InitFacts): string {
  const { name, folder, app, python, command, user, found } = facts;
  const run = `/run/${name}`;
  // A file has its own addresses and interpreter.
  const own =
    app === null
      ? []
      : [
          ...servingWords(facts),
          ...(python === null || dirname(python.path) === dirname(command)
            ? []
            : ["--python", python.path]),
          "--bind",
          `unix:${run}/web.sock`,
          "--forwarded-allow-ips",
          "unix",
        ];
  const serve = [command, ...own, "--pid", `${run}/pid`];
  const reload = [command, "reload", "--pid", `${run}/pid`];
  return `# ${name} by Typhon: ${found}.
# The user may be made by: sudo useradd --system ${user}
# docs/guide/systemd.md explains each line, and shows the lines for ports 80 and 443 without a proxy.
[Unit]
Description=${name}
After=network.target

[Service]
Type=notify
NotifyAccess=all
User=${user}
WorkingDirectory=${path(folder)}
RuntimeDirectory=${name}
ExecStart=${serve.map(word).join(" ")}
ExecReload=${reload.map(word).join(" ")}
TimeoutStartSec=150
TimeoutStopSec=35
WatchdogSec=30
KillMode=mixed
OOMPolicy=continue
Restart=on-failure
RestartPreventExitStatus=2
SuccessExitStatus=143
LimitNOFILE=65536
PrivateTmp=yes
NoNewPrivileges=yes

[Install]
WantedBy=multi-user.target
`;
}

/** The rest of a line. A backslash at its end would join the next line, and a blank would be lost. */
function path(text: string): string {
  return specifiers(/[\s\\]$/.test(text) ? `${text}/` : text);
}

function specifiers(text: string): string {
  return text.replaceAll("%", "%%");
}

/** One word of a command line: systemd.service(5), "COMMAND LINES". */
function word(text: string): string {
  const escaped = specifiers(text).replaceAll("$", "$$$$");
  return /^[\w./:=@%+,-]+$/.test(escaped)
    ? escaped
    : `"${escaped.replaceAll(/["\\]/g, (one) => `\\${one}`)}"`;
}
