// The text of `typhon --help`: the options by group, in at most 80 columns, with examples at the end. Pure.

import { isOnByDefault } from "../config/option.ts";
import { APP, GROUPS, OPTION_LIST, SWITCHES, variableOf, type Option } from "../config/schema.ts";

/** A terminal's usual width. */
const COLUMNS = 80;
/** The column in which the explanations begin. */
const INDENT = 30;
const NO_BREAK = "\u00a0";

const EXAMPLES = [
  ["typhon", "what is found: app.py, manage.py …"],
  ["typhon app:app", "Flask: the object app in app.py"],
  ["typhon mysite.wsgi -p 9000 -w 4", "Django: port 9000, four processes"],
  ["typhon 'shop:create_app()'", "a function that returns the app"],
  ["typhon web/main.py -b unix:/run/web.sock", "a file, behind a proxy"],
  ["typhon shop.wsgi --static /static=public", "an application and its files"],
  ["typhon ./public", "a site of files"],
  ["typhon --cgi /cgi-bin=cgi-bin", "CGI programs"],
  ["typhon app:app --domain example.com", "HTTPS with a certificate by itself"],
] as const;

export const CHECK_HELP = `Usage: typhon check [APP] [options]
       typhon check [--config FILE]

Shows what Typhon would serve with these options and this file: listeners,
routes in the order in which they match, applications, files, limits. Starts
nothing, and loads no application.

Exit codes: 0 no mistake; 2 mistakes, each in one line with the file, the line,
the key and what is allowed.
`;

export const DOCTOR_HELP = `Usage: typhon doctor [APP] [options] [--online] [--json]

Looks at Python, Node, the machine's or container's limits, addresses and
certificates that a start with the same words would need. One line for each,
and what to do:

  ok    well
  note  worth knowing
  warn  serves, but not well
  fail  does not start, or does not serve

  --online  asks name servers for the addresses of each --domain
  --json    an array of {"level", "topic", "fact", "remedy"}

Starts nothing, and loads no application; each address is opened for a moment.
Exit codes: 0 nothing fails; 1 something does.
`;

export const DEV_HELP = `Usage: typhon dev [APP] [options]

For development: new code when a file is saved (--reload), pages in the browser
that show exceptions and reload themselves, the access log on the terminal, and
the variables of .env in the folder of --app-dir or the current one. Listens at
127.0.0.1:8000. All options of typhon --help hold; --env-file FILE is read in
place of .env, and --no-reload and --access-log off turn these off.
`;

/** The whole help, ending in a line end. */
export function renderHelp(): string {
  const lines = [
    "Usage: typhon [APP] [options]      without APP: what is found in this folder",
    "       typhon run [APP] [options]  the same",
    "       typhon dev [APP] [options]  for development: reload, error pages, .env",
    "       typhon --config FILE        a site: applications, files, routes",
    "       typhon check [options]      shows what would be served, or mistakes",
    "       typhon doctor [options]     what a start would need, and what to do",
    "       typhon init [KIND]          a first typhon.toml, unit or Dockerfile",
    "       typhon reload --pid FILE    a running server loads new code",
    "       typhon hash-password [USER] a line for the file of basic-auth",
    "       typhon trust                how to trust the authority of --tls internal",
    "",
    "Serves Python WSGI and ASGI applications and files: an HTTP front, a queue,",
    "workers.",
    "",
    ...twoColumns(`  ${APP.placeholder}`, APP.help),
  ];
  for (const group of GROUPS) {
    lines.push("", `${group}:`);
    for (const option of OPTION_LIST) {
      if (option.group !== group) continue;
      lines.push(...twoColumns(flagColumn(option), option.help + defaultNote(option)));
    }
  }
  lines.push("", "Other:");
  for (const { name, short, help } of SWITCHES)
    lines.push(...twoColumns(`  ${short === null ? "    " : `-${short}, `}--${name}`, help));
  lines.push(
    "",
    `Each option may also come from a variable: --max-body from ${variableOf("max-body")},`,
    'or from typhon.toml: max-body = "10M".',
    "Sizes: 512k, 10M, 1G. Seconds may have fractions. Details: docs/options.md.",
    "Options of gunicorn and uvicorn are understood, also in GUNICORN_CMD_ARGS.",
    "",
    "Examples:",
    ...EXAMPLES.map(([command, what]) => `  ${command.padEnd(42)}${what}`),
  );
  return `${lines.join("\n")}\n`;
}

function flagColumn(option: Option<unknown>): string {
  const short = option.short === null ? "    " : `-${option.short}, `;
  const value = option.placeholder === null ? "" : ` ${option.placeholder}`;
  const no = isOnByDefault(option) ? "[no-]" : "";
  return `  ${short}--${no}${option.name}${value}`;
}

function defaultNote(option: Option<unknown>): string {
  const words = option.fallbackWords ?? option.fallback;
  if (words === null) return "";
  // No-break spaces keep the note on one line; twoColumns replaces them by spaces again.
  return ` (default: ${words})`.replaceAll(" ", NO_BREAK).replace(NO_BREAK, " ");
}

function twoColumns(left: string, right: string): string[] {
  const wrapped = wrap(right, COLUMNS - INDENT).map((line) => line.replaceAll(NO_BREAK, " "));
  const pad = " ".repeat(INDENT);
  // A long flag stands on its own line, above its explanation.
  if (left.length + 2 > INDENT) return [left, ...wrapped.map((line) => pad + line)];
  return wrapped.map((line, at) => (at === 0 ? left.padEnd(INDENT) : pad) + line);
}

function wrap(text: string, width: number): string[] {
  const lines: string[] = [];
  let line = "";
  for (const word of text.split(" ")) {
    if (line !== "" && line.length + 1 + word.length > width) {
      lines.push(line);
      line = word;
    } else {
      line = line === "" ? word : `${line} ${word}`;
    }
  }
  return [...lines, line];
}
