// Writes docs/guide/options-of-others.md from the table of other servers' options (src/config/foreign-options.ts):
//     node tools/render-foreign.ts
// A test compares the page with the table, so the page is never edited by hand.

import { writeFileSync } from "node:fs";

import { FOREIGN_OPTIONS, SERVERS, type ForeignOption } from "../src/config/foreign-options.ts";

const OPENING = `# Options of other servers

<!-- Rendered from src/config/foreign-options.ts by tools/render-foreign.ts; changes by hand are lost. -->

Typhon takes the options of gunicorn and uvicorn, and the usual ones of Hypercorn, Granian, Waitress and uWSGI. Your
command keeps working when \`gunicorn\` or \`uvicorn\` in it becomes \`typhon\`:

\`shop.py\`:

\`\`\`python
def app(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"hello"]
\`\`\`

\`\`\`console
$ typhon shop:app -w 2 -k gthread --worker-tmp-dir /dev/shm --access-logfile -
--worker-tmp-dir has no meaning here: there are no heartbeat files
--access-logfile is --access-log here
Typhon serves shop:app at http://127.0.0.1:8000
$ curl -s http://127.0.0.1:8000/
hello
$ typhon shop:app --host 127.0.0.1 --port 8000 --proxy-headers --timeout-keep-alive 65
--timeout-keep-alive is --keep-alive here
$ GUNICORN_CMD_ARGS="--workers=3" typhon check shop:app --daemon || echo refused
--daemon is refused: a service manager starts it in the background
refused
\`\`\`

An option that is called otherwise is used, and one line of the log says its name here. An option that has no meaning
here is accepted, and one line says why. An option is refused where its effect protects somebody, or somebody counts on
it: the line says what to do instead. \`typhon check\` with the same options shows all of it without a start.

## Where options come from

The first of these that has a value wins:

1. flags
2. variables \`TYPHON_…\`
3. \`GUNICORN_CMD_ARGS\`, split as by a shell (Python's \`shlex\`)
4. \`UVICORN_…\` variables, such as \`UVICORN_PORT\`, which uvicorn reads for each of its flags
5. gunicorn.conf.py, with \`--gunicorn-conf\`
6. \`typhon.toml\`
7. \`WEB_CONCURRENCY\`, \`PORT\`, \`FORWARDED_ALLOW_IPS\`

gunicorn itself reads the file before the variable, and its flags last; the order among them is the same.

## gunicorn.conf.py

\`--gunicorn-conf gunicorn.conf.py\`, or \`-c gunicorn.conf.py\`, or \`--gunicorn-conf python:shop.gunicorn\`. Without the
option the file is not read, and the log says that it is there.

\`gunicorn.conf.py\`:

\`\`\`python
import multiprocessing

wsgi_app = "shop:app"
workers = multiprocessing.cpu_count() * 2 + 1
max_requests = 1000
statsd_host = "localhost:8125"


def post_fork(server, worker):
    server.log.info("worker %s has been forked", worker.pid)
\`\`\`

\`\`\`console
$ typhon -c gunicorn.conf.py --workers 2
gunicorn.conf.py: statsd_host has no meaning here: no metrics are sent
has been forked
Typhon serves shop:app
\`\`\`

The file is a program. The interpreter of the application runs it, in a process of its own that ends with its last line:

- It has 10 seconds. Its folder is the one where Typhon was started, which also leads \`sys.path\`. What it prints is in
  the log, at most 20 lines.
- With \`--user\` it runs as that user. Without the flag or variable, and with \`user\` in the file, root runs the file, as
  under gunicorn, and the server then becomes the user. Addresses of \`bind\` are bound by root in both cases, so that a
  file of an ordinary user may name port 80.
- A mistake ends the start in one line with the file and the line. At a reload the old settings stay.
- A reload (\`typhon reload\`, SIGHUP) runs it anew. Addresses, logs and settings of the process hold after a restart.
- Variables that it puts into \`os.environ\` are variables of the application; those of \`--env\` win.
- Its hooks are called as far as they make sense here; the log says which are not.
- \`gevent.monkey.patch_all()\` in it has no effect on the workers, and the log says so.

## A short form that has two meanings

| flag | here |
|---|---|
| \`-c FILE\` | \`--config\` (typhon.toml); a name that ends in \`.py\`, or \`python:MODULE\`, is \`--gunicorn-conf\` |
| \`-p VALUE\` | a number is \`--port\`, anything else \`--pid\` (gunicorn) |
| \`--access-log\` | without a value it is \`-\`, as uvicorn's; Typhon's has a value |
| \`--proxy-protocol\` | \`off\`, \`v1\`, \`v2\` and \`auto\` may stand behind it, as in gunicorn |
`;

/** The whole page. */
export function renderForeign(): string {
  return [OPENING, ...SERVERS.map(section)].join("\n");
}

function section(server: (typeof SERVERS)[number]): string {
  const rows = FOREIGN_OPTIONS.filter(({ servers }) => servers.includes(server));
  const settings =
    server === "gunicorn"
      ? " Names of gunicorn.conf.py that differ from the flag stand in brackets."
      : "";
  const lines = rows.map((row) => `| ${names(row)} | ${here(row)} | ${row.note} |`);
  return `## ${server}\n\nThe order is that of [options.md](../options.md).${settings}\n\n| option | here | |\n|---|---|---|\n${lines.join("\n")}\n`;
}

function names({ flags, short, setting }: ForeignOption): string {
  const usual = (flags[0] ?? "").replaceAll("-", "_");
  return [
    ...(short === null ? [] : [`\`-${short}\``]),
    ...flags.map((flag) => `\`--${flag}\``),
    ...(setting === "" || setting === usual ? [] : [`(\`${setting}\`)`]),
  ].join(" ");
}

function here({ kind, ours }: ForeignOption): string {
  if (kind === "idle") return "no meaning";
  if (kind === "refused") return "refused";
  if (ours === "app") return "APP";
  if (ours === "check") return "`typhon check`";
  return kind === "same" ? "the same" : `\`--${ours}\``;
}

if (import.meta.main)
  writeFileSync(new URL("../docs/guide/options-of-others.md", import.meta.url), renderForeign());
