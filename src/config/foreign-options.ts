// The one table of options of other servers: gunicorn, uvicorn, Hypercorn, Granian, Waitress, uWSGI. Each is called
// the same here, is called otherwise, has no meaning here, or is refused, because an effect that protects somebody
// would be lost. The command line, GUNICORN_CMD_ARGS, UVICORN_… variables, gunicorn.conf.py and
// docs/guide/options-of-others.md are read by this table. An option of ours that is not here is ours alone. Pure.

import { BadValue } from "./values.ts";

export const SERVERS = [
  "gunicorn",
  "uvicorn",
  "Hypercorn",
  "Granian",
  "Waitress",
  "uWSGI",
] as const;
type OtherServer = (typeof SERVERS)[number];

/** A text for an option of ours. */
type OwnText = readonly [option: string, text: string];

export interface ForeignOption {
  /** The flags without their dashes; the first is the usual one. */
  readonly flags: readonly string[];
  /** The letter of its short flag, which has this meaning here too; null: none. */
  readonly short: string | null;
  /** Its names in gunicorn.conf.py; "" for an option that stands only on the command line. */
  readonly setting: string;
  readonly servers: readonly OtherServer[];
  readonly takesValue: boolean;
  readonly kind: "same" | "renamed" | "idle" | "refused";
  /** The option of ours; "" with "idle" and "refused". */
  readonly ours: string;
  /** A phrase: what differs, why it has no meaning, or what to do instead. */
  readonly note: string;
  /** Values of which there is nothing to tell, because they ask for what is so here. */
  readonly harmless: RegExp | null;
  /** What a text means for options of ours; empty: nothing. "app" is the argument. Throws BadValue. */
  readonly read: (text: string) => readonly OwnText[];
}

type Details = Partial<Omit<ForeignOption, "flags" | "servers" | "ours" | "note">>;

const GUNICORN = ["gunicorn"] as const;
const UVICORN = ["uvicorn"] as const;
const HYPERCORN = ["Hypercorn"] as const;
const GRANIAN = ["Granian"] as const;
const WAITRESS = ["Waitress"] as const;
const UWSGI = ["uWSGI"] as const;
const SWITCH = { takesValue: false, harmless: /^(?:false|0)$/i } as const;
const MAX_HEAD_BYTES = 262_144;
const USUAL_HEAD_BYTES = 32_768;

/** Called the same. `convert`: the text here of a text that only the other server knows. */
function same(
  flag: string,
  servers: readonly OtherServer[],
  note = "",
  details: Details & { readonly convert?: (text: string) => string } = {},
): ForeignOption {
  const { convert = (text) => text, ...rest } = details;
  const read = (text: string): readonly OwnText[] => [[flag, convert(text)]];
  return row([flag], servers, { kind: "same", ours: flag, note, read, ...rest });
}

function renamed(
  flags: string | readonly string[],
  ours: string,
  servers: readonly OtherServer[],
  note = "",
  details: Details & { readonly convert?: (text: string) => string } = {},
): ForeignOption {
  const { convert = (text) => text, ...rest } = details;
  const read = (text: string): readonly OwnText[] => [[ours, convert(text)]];
  return row([flags].flat(), servers, { kind: "renamed", ours, note, read, ...rest });
}

function idle(
  flags: string | readonly string[],
  servers: readonly OtherServer[],
  note: string,
  details: Details = {},
): ForeignOption {
  return row([flags].flat(), servers, { kind: "idle", ours: "", note, read: () => [], ...details });
}

function refused(
  flags: string | readonly string[],
  servers: readonly OtherServer[],
  note: string,
  details: Details = {},
): ForeignOption {
  const read = (): never => {
    throw new BadValue(note);
  };
  return row([flags].flat(), servers, { kind: "refused", ours: "", note, read, ...details });
}

function row(
  flags: readonly string[],
  servers: readonly OtherServer[],
  given: Pick<ForeignOption, "kind" | "ours" | "note" | "read"> & Details,
): ForeignOption {
  const [first = ""] = flags;
  const setting = servers.includes("gunicorn") ? first.replaceAll("-", "_") : "";
  return { flags, short: null, setting, servers, takesValue: true, harmless: null, ...given };
}

/** Options of one meaning, each in a row of its own. */
function each(flags: readonly string[], make: (flag: string) => ForeignOption): ForeignOption[] {
  return flags.map(make);
}

function oneOfWords(words: Readonly<Record<string, string>>): (text: string) => string {
  const known = new Map(Object.entries(words));
  return (text) => known.get(text.toLowerCase()) ?? text;
}

/** gunicorn's and Hypercorn's other ways to write an address. */
function bindTexts(text: string): readonly OwnText[] {
  const fd = /^fd:\/\/(.*)$/i.exec(text)?.[1];
  if (fd !== undefined) return [["fd", fd]];
  return [["bind", text.replace(/^tcp:\/\//i, "").replace(/^unix:\/\/(?=\/)/i, "unix:")]];
}

const LEVELS = oneOfWords({ critical: "error", trace: "debug", warn: "warning", notset: "debug" });

/** The largest head that has room for one field of the size that the other server takes. */
function headText(text: string): string {
  if (!/^\d+$/.test(text)) return text;
  const bytes = Number(text) === 0 ? MAX_HEAD_BYTES : Number(text) + USUAL_HEAD_BYTES;
  return String(Math.min(bytes, MAX_HEAD_BYTES));
}

/** Sizes of a whole head: here from 1k to 256k. */
function wholeHeadText(text: string): string {
  return /^\d+$/.test(text) ? String(Math.min(Math.max(Number(text), 1024), MAX_HEAD_BYTES)) : text;
}

const SECONDS_OF: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3600, d: 86_400 };

/** Granian's durations: "90", "1h30m". */
function durationText(text: string): string {
  const parts = [...text.matchAll(/(\d+)([smhd])/g)];
  if (parts.length === 0 || parts.map(([whole]) => whole).join("") !== text) return text;
  const seconds = parts.map(([, count, unit = ""]) => Number(count) * (SECONDS_OF[unit] ?? 1));
  return String(seconds.reduce((sum, one) => sum + one, 0));
}

/** gunicorn's int(text, 0): 022 and 0o22 are octal, 18 is decimal. */
function umaskText(text: string): string {
  if (/^0o[0-7]+$/i.test(text)) return `0${text.slice(2)}`;
  return /^[1-9]\d*$/.test(text) ? `0${Number(text).toString(8)}` : text;
}

/** `ssl.PROTOCOL_…` by name or number: 3 and 4 are TLS 1.0 and 1.1. */
const MODERN_TLS =
  /^(?:2|5|6|16|17|TLS|SSLv23|TLSv1_[23]|TLS_(?:SERVER|CLIENT)|PROTOCOL_TLS\w*|_SSLMethod\.PROTOCOL_TLS(?:v1_2|_SERVER|_CLIENT)?)$/;

function tlsVersion(text: string): readonly OwnText[] {
  if (MODERN_TLS.test(text)) return [];
  throw new BadValue("asks for a version of TLS that is not spoken: only TLS 1.2 and 1.3 are");
}

const PASSWORD_NOTE =
  "is refused: every user of the machine can read the arguments of a command; write the password into a file, and give --keyfile-password-file FILE";
const HTTP2_NOTE = "its limits are fixed (docs/limits.md)";
const PARSER_NOTE = "an ambiguous request is refused, never repaired";
const ONE_PARSER = "there is one HTTP parser";
const NO_METRICS = "no metrics are sent; docs/guide/monitoring.md says what there is";
const TO_STANDARD_ERROR = "the log goes to standard error, which systemd and containers keep";
const NO_DIRTY = "there are no dirty workers; use a task queue such as Celery or RQ";

/** A switch of the command line alone. */
const OFF = { ...SWITCH, setting: "" } as const;

export const FOREIGN_OPTIONS: readonly ForeignOption[] = [
  // Address
  same("bind", ["gunicorn", "Hypercorn"], "with a port: HOST:PORT; fd://N is --fd N", {
    short: "b",
    read: bindTexts,
  }),
  same("host", ["uvicorn", "Granian", "Waitress"]),
  same("port", ["uvicorn", "Granian", "Waitress"]),
  renamed("uds", "bind", ["uvicorn", "Granian"], "written unix:PATH", {
    convert: (path) => `unix:${path}`,
  }),
  renamed("unix-socket", "bind", WAITRESS, "written unix:PATH", {
    convert: (path) => `unix:${path}`,
  }),
  renamed("listen", "bind", WAITRESS, "`*` before the port is left out", {
    convert: (text) => text.replace(/^\*(?=:)/, ""),
  }),
  renamed(["http-socket", "http11-socket"], "bind", UWSGI),
  renamed("insecure-bind", "bind", HYPERCORN, "an address with `http://` has no TLS", {
    convert: (text) => (text.startsWith("unix:") ? text : `http://${text}`),
  }),
  idle("quic-bind", HYPERCORN, "HTTP/3 is not spoken; clients use HTTP/2"),
  same("fd", UVICORN),
  refused(
    ["socket", "uwsgi-socket"],
    UWSGI,
    "is not spoken: the uwsgi protocol; write --bind, and proxy_pass in nginx",
  ),
  renamed(["uds-permissions", "unix-socket-perms", "chmod-socket"], "socket-mode", [
    "Granian",
    "Waitress",
    "uWSGI",
  ]),
  renamed("chown-socket", "socket-owner", UWSGI),
  idle(
    "backlog",
    ["gunicorn", "uvicorn", "Hypercorn", "Granian", "Waitress"],
    "it is 2,048; requests wait in the queue of --queue",
  ),
  idle(
    "reuse-port",
    GUNICORN,
    "one process listens, and all workers take requests from its queue",
    SWITCH,
  ),
  idle(
    ["ipv4", "no-ipv4", "ipv6", "no-ipv6"],
    WAITRESS,
    "the address of --bind says which: 0.0.0.0 or [::]",
    OFF,
  ),
  same("forwarded-allow-ips", ["gunicorn", "uvicorn"], "`unix` trusts the peers of a Unix socket"),
  idle("proxy-headers", UVICORN, "it is so for the proxies of --forwarded-allow-ips", {
    ...OFF,
    harmless: /^true$/,
  }),
  row(["no-proxy-headers"], UVICORN, {
    ...OFF,
    kind: "renamed",
    ours: "forwarded-allow-ips",
    note: "an empty list trusts nobody",
    read: () => [["forwarded-allow-ips", ""]],
  }),
  same(
    "proxy-protocol",
    GUNICORN,
    "on or off; both versions are read, from --forwarded-allow-ips",
    {
      takesValue: false,
      convert: oneOfWords({ auto: "true", v1: "true", v2: "true" }),
    },
  ),
  refused(
    "proxy-allow-from",
    GUNICORN,
    "is refused: one list names all trusted proxies; write the addresses into --forwarded-allow-ips",
    {
      setting: "proxy_allow_ips",
      harmless: /^127\.0\.0\.1(?:,::1)?$/,
    },
  ),
  refused("protocol", GUNICORN, "is not spoken: only HTTP is; write proxy_pass in nginx", {
    harmless: /^http$/,
  }),
  idle("uwsgi-allow-from", GUNICORN, "the uwsgi protocol is not spoken", {
    setting: "uwsgi_allow_ips",
  }),
  idle([], GUNICORN, "X-Forwarded-Proto and Forwarded of a trusted proxy say the scheme", {
    setting: "secure_scheme_headers",
  }),
  idle(
    "forwarder-headers",
    GUNICORN,
    "no field of a request becomes SCRIPT_NAME or PATH_INFO; write --root-path",
    { harmless: /^SCRIPT_NAME,PATH_INFO$/ },
  ),
  same("header-map", GUNICORN),
  idle("url-scheme", WAITRESS, "X-Forwarded-Proto of a trusted proxy says the scheme", {
    harmless: /^http$/,
  }),
  idle(
    "server-name",
    HYPERCORN,
    "routes with a host in typhon.toml; every other host gets 421 then",
  ),

  // TLS
  same("certfile", ["gunicorn", "Hypercorn"]),
  same("keyfile", ["gunicorn", "Hypercorn"]),
  same("ca-certs", ["gunicorn", "Hypercorn"]),
  same("cert-reqs", ["gunicorn", "Hypercorn"], "0, 1 and 2 are understood"),
  same("ciphers", ["gunicorn", "Hypercorn"], "for TLS 1.2"),
  renamed(["ssl-certfile", "ssl-certificate"], "certfile", ["uvicorn", "Granian"]),
  renamed("ssl-keyfile", "keyfile", ["uvicorn", "Granian"]),
  renamed(["ssl-ca-certs", "ssl-ca"], "ca-certs", ["uvicorn", "Granian"]),
  renamed("ssl-cert-reqs", "cert-reqs", UVICORN, "0, 1 and 2 are understood"),
  renamed("verify-mode", "cert-reqs", HYPERCORN, "", {
    convert: oneOfWords({
      cert_none: "none",
      cert_optional: "optional",
      cert_required: "required",
    }),
  }),
  renamed("ssl-client-verify", "cert-reqs", GRANIAN, "", {
    takesValue: false,
    convert: (text) => (text === "true" ? "required" : "none"),
  }),
  renamed("ssl-ciphers", "ciphers", UVICORN, "for TLS 1.2"),
  refused(
    ["ssl-keyfile-password", "keyfile-password"],
    ["uvicorn", "Hypercorn", "Granian"],
    PASSWORD_NOTE,
  ),
  row(["ssl-version"], ["gunicorn", "uvicorn"], {
    kind: "idle",
    ours: "",
    note: "TLS 1.2 and 1.3 are spoken; older versions are refused",
    harmless: /^(?:2|17|TLS|_SSLMethod\.PROTOCOL_TLS(?:_SERVER)?)$/,
    read: tlsVersion,
  }),
  refused(
    "ssl-protocol-min",
    GRANIAN,
    "is refused: TLS 1.2 is spoken as well, and cannot be turned off",
    { harmless: /^tls1\.2$/ },
  ),
  refused("ssl-crl", GRANIAN, "is refused: lists of revoked certificates are not read"),
  refused(
    [],
    GUNICORN,
    "is not called: TLS is what --certfile, --ciphers, --ca-certs and --cert-reqs say",
    { setting: "ssl_context" },
  ),
  ...each(["suppress-ragged-eofs", "do-handshake-on-connect"], (flag) =>
    idle(flag, GUNICORN, "the front does the handshake, with a time limit", {
      takesValue: false,
      harmless: /^(?:true|false)$/,
    }),
  ),

  // The application
  same("chdir", ["gunicorn", "uWSGI"]),
  renamed("working-dir", "chdir", GRANIAN),
  same("app-dir", UVICORN),
  renamed(
    "pythonpath",
    "app-dir",
    ["gunicorn", "uWSGI"],
    "one folder; more of them in the variable PYTHONPATH",
    {
      convert: (text) => {
        if (!text.includes(",")) return text;
        throw new BadValue(
          "names several folders: --app-dir takes one; put the others into the variable PYTHONPATH",
        );
      },
    },
  ),
  same("env", ["gunicorn", "uWSGI"], "", { short: "e", setting: "raw_env" }),
  same("env-file", UVICORN, "no package is needed"),
  renamed("env-files", "env-file", GRANIAN),
  same("factory", ["uvicorn", "Granian"], "or written module:create_app()", { takesValue: false }),
  renamed("call", "factory", WAITRESS, "", { takesValue: false }),
  renamed(["module", "wsgi-file"], "app", UWSGI, "the argument without a flag"),
  renamed([], "app", GUNICORN, "the argument without a flag", { setting: "wsgi_app" }),
  renamed(["virtualenv", "home", "venv"], "python", UWSGI),
  same("root-path", ["gunicorn", "uvicorn", "Hypercorn"], "under WSGI too: SCRIPT_NAME"),
  renamed(["url-path-prefix", "url-prefix"], "root-path", ["Granian", "Waitress"]),
  same("interface", ["uvicorn", "Granian"], "", {
    convert: (text) => {
      if (text === "asgi2")
        throw new BadValue(
          "is refused: ASGI 2; wrap the application by asgiref.compatibility.guarantee_single_callable",
        );
      return oneOfWords({ asgi3: "asgi", asginl: "asgi" })(text);
    },
  }),
  same("loop", ["uvicorn", "Granian"], "", {
    convert: oneOfWords({ zuvloop: "auto", rloop: "auto", winloop: "auto" }),
  }),
  renamed("asgi-loop", "loop", GUNICORN),
  same("lifespan", UVICORN),
  renamed("asgi-lifespan", "lifespan", GUNICORN),
  idle("reset-contextvars", UVICORN, "each request runs in a context of its own", SWITCH),
  idle("task-impl", GRANIAN, "tasks are those of asyncio"),
  refused(
    ["paste", "paster"],
    GUNICORN,
    "is not read: write a module with app = paste.deploy.loadapp('config:FILE')",
  ),
  refused("paste-global", GUNICORN, "is not read: give the values to paste.deploy.loadapp", {
    setting: "raw_paste_global_conf",
  }),
  same("preload", GUNICORN, "", { ...SWITCH, setting: "preload_app" }),
  row(["config"], ["gunicorn", "Hypercorn"], {
    kind: "same",
    ours: "config",
    short: "c",
    setting: "",
    note: "typhon.toml; a file that ends in .py, or python:MODULE, is --gunicorn-conf",
    read: (text) => [[/\.py$|^python:/.test(text) ? "gunicorn-conf" : "config", text]],
  }),
  renamed("static-map", "static", UWSGI),
  renamed("static-path-mount", "static", GRANIAN, "`--static /PREFIX=DIR` chooses the path"),
  refused("static-path-route", GRANIAN, "belongs to its folder here: write --static /PREFIX=DIR"),
  idle(
    ["static-path-dir-to-file", "static-path-expires"],
    GRANIAN,
    "index and cache-control of a route in typhon.toml",
  ),

  // Workers
  same("workers", ["gunicorn", "uvicorn", "Hypercorn", "Granian", "uWSGI"], "", { short: "w" }),
  renamed("processes", "workers", UWSGI),
  same("threads", ["gunicorn", "Waitress", "uWSGI"], "only under WSGI"),
  renamed("blocking-threads", "threads", GRANIAN, "only under WSGI"),
  idle(
    ["worker-class"],
    ["gunicorn", "Hypercorn"],
    "WSGI runs in threads and ASGI in an event loop, as the application needs; gevent or eventlet patch in the application itself",
    { short: "k" },
  ),
  renamed(
    "worker-connections",
    "concurrency",
    GUNICORN,
    "under ASGI; further requests wait in the queue",
  ),
  renamed(
    "limit-concurrency",
    "concurrency",
    UVICORN,
    "under ASGI; further requests wait in the queue",
  ),
  renamed("backpressure", "concurrency", GRANIAN, "under ASGI; further requests wait in the queue"),
  same("max-requests", ["gunicorn", "Hypercorn", "uWSGI"]),
  same("max-requests-jitter", ["gunicorn", "Hypercorn"]),
  renamed("limit-max-requests", "max-requests", UVICORN, "the next worker is ready before"),
  renamed("limit-max-requests-jitter", "max-requests-jitter", UVICORN),
  renamed("workers-lifetime", "max-age", GRANIAN, "", { convert: durationText }),
  renamed("max-worker-lifetime", "max-age", UWSGI),
  renamed("workers-max-rss", "max-rss", GRANIAN, "in MiB", { convert: (text) => `${text}M` }),
  renamed("reload-on-rss", "max-rss", UWSGI, "in MiB", { convert: (text) => `${text}M` }),
  idle(
    ["respawn-failed-workers", "no-respawn-failed-workers"],
    GRANIAN,
    "a worker that has died is always replaced",
    OFF,
  ),
  idle(
    [
      "respawn-interval",
      "rss-sample-interval",
      "rss-samples",
      "blocking-threads-idle-timeout",
      "runtime-threads",
      "runtime-blocking-threads",
      "runtime-mode",
    ],
    GRANIAN,
    "there is nothing to choose",
  ),
  idle("worker-tmp-dir", GUNICORN, "there are no heartbeat files; --temp-dir is for large bodies"),
  idle("timeout-worker-healthcheck", UVICORN, "--loop-timeout finds a worker that hangs"),
  refused(["dirty-app"], GUNICORN, `is refused: ${NO_DIRTY}`, {
    setting: "dirty_apps",
    harmless: /^$/,
  }),
  ...each(["dirty-workers", "dirty-timeout", "dirty-threads", "dirty-graceful-timeout"], (flag) =>
    idle(flag, GUNICORN, NO_DIRTY, { harmless: /^0$/ }),
  ),
  ...each(
    ["on_dirty_starting", "dirty_post_fork", "dirty_worker_init", "dirty_worker_exit"],
    (setting) => idle([], GUNICORN, NO_DIRTY, { setting }),
  ),
  idle(
    [
      "master",
      "enable-threads",
      "single-interpreter",
      "need-app",
      "lazy-apps",
      "vacuum",
      "die-on-term",
    ],
    UWSGI,
    "it is always so",
    { ...OFF, harmless: /^(?:true|false)$/ },
  ),

  // Times
  same(
    "timeout",
    GUNICORN,
    "of each request; with an ASGI class of -k it is --loop-timeout, because gunicorn's is the heartbeat there",
    { short: "t" },
  ),
  renamed("harakiri", "timeout", UWSGI),
  same("graceful-timeout", ["gunicorn", "Hypercorn"]),
  renamed("timeout-graceful-shutdown", "graceful-timeout", UVICORN),
  renamed("workers-kill-timeout", "graceful-timeout", GRANIAN, "", { convert: durationText }),
  renamed("worker-reload-mercy", "graceful-timeout", UWSGI),
  same("keep-alive", ["gunicorn", "Hypercorn"], "", { setting: "keepalive" }),
  renamed(["timeout-keep-alive", "channel-timeout"], "keep-alive", ["uvicorn", "Waitress"]),
  idle("http1-keep-alive", GRANIAN, "it is always so", { ...OFF, harmless: /^true$/ }),
  row(["no-http1-keep-alive"], GRANIAN, {
    ...OFF,
    kind: "renamed",
    ours: "keep-alive",
    note: "0",
    read: () => [["keep-alive", "0"]],
  }),
  renamed("read-timeout", "body-timeout", HYPERCORN, "of a request's body"),
  row(["asgi-disconnect-grace-period"], GUNICORN, {
    kind: "renamed",
    ours: "abandon-timeout",
    note: "0 is --cancel-on-disconnect",
    read: (text) =>
      text === "0" ? [["cancel-on-disconnect", "true"]] : [["abandon-timeout", text]],
  }),
  idle(
    ["http1-header-read-timeout", "http2-keep-alive-interval", "http2-keep-alive-timeout"],
    GRANIAN,
    "the times for heads and pings are fixed (docs/limits.md)",
  ),

  // Limits
  same("limit-request-line", GUNICORN, "0, no limit, is 256k", {
    convert: oneOfWords({ "0": "256k" }),
  }),
  renamed(
    "limit-request-field_size",
    "limit-request-head",
    GUNICORN,
    "all fields together: so many bytes more than 32k, at most 256k",
    { convert: headText },
  ),
  idle("limit-request-fields", GUNICORN, "the limit is 100 fields", { harmless: /^100$/ }),
  renamed("h11-max-incomplete-event-size", "limit-request-head", UVICORN, "from 1k to 256k", {
    convert: wholeHeadText,
  }),
  renamed(
    ["max-request-header-size", "buffer-size"],
    "limit-request-head",
    ["Waitress", "uWSGI"],
    "from 1k to 256k",
    { convert: wholeHeadText },
  ),
  renamed(["max-request-body-size", "limit-post"], "max-body", ["Waitress", "uWSGI"]),
  idle("connection-limit", WAITRESS, "the limit is that of open files (ulimit -n)"),
  idle(
    [
      "cleanup-interval",
      "recv-bytes",
      "send-bytes",
      "outbuf-overflow",
      "outbuf-high-watermark",
      "inbuf-overflow",
      "asyncore-loop-timeout",
      "channel-request-lookahead",
    ],
    WAITRESS,
    "there is nothing to choose",
  ),
  idle("asyncore-use-poll", WAITRESS, "there is nothing to choose", OFF),
  idle(
    "http1-buffer-size",
    GRANIAN,
    "the limits of heads are --limit-request-line and --limit-request-head",
  ),
  idle([], GUNICORN, "--temp-dir is for large bodies", { setting: "tmp_upload_dir" }),

  // HTTP
  row(["http"], ["uvicorn", "Granian", "uWSGI"], {
    kind: "idle",
    ours: "",
    note: `${ONE_PARSER}; 1 is --no-http2, and an address is --bind`,
    read: (text) => {
      if (text === "1") return [["http2", "false"]];
      return text.includes(":") ? [["bind", text]] : [];
    },
  }),
  idle("http-parser", GUNICORN, ONE_PARSER),
  same("http2", UVICORN, "on by default over TLS", { takesValue: false }),
  row(["http-protocols"], GUNICORN, {
    kind: "renamed",
    ours: "http2",
    note: "over TLS: h1 alone turns it off; there is no h3",
    read: (text) => [["http2", String(/\bh2\b/.test(text))]],
  }),
  renamed("http2-cleartext", "h2c", GUNICORN, "by prior knowledge only", {
    convert: oneOfWords({ "prior-knowledge": "true", both: "true", upgrade: "false" }),
  }),
  ...each(
    [
      "http2-max-concurrent-streams",
      "http2-initial-window-size",
      "http2-max-frame-size",
      "http2-max-header-list-size",
    ],
    (flag) =>
      idle(
        flag,
        flag === "http2-max-concurrent-streams" || flag === "http2-max-frame-size"
          ? ["gunicorn", "Granian"]
          : GUNICORN,
        HTTP2_NOTE,
      ),
  ),
  idle(
    [
      "http2-initial-connection-window-size",
      "http2-initial-stream-window-size",
      "http2-max-headers-size",
      "http2-max-send-buffer-size",
    ],
    GRANIAN,
    HTTP2_NOTE,
  ),
  idle(
    [
      "http2-adaptive-window",
      "no-http2-adaptive-window",
      "http1-pipeline-flush",
      "no-http1-pipeline-flush",
    ],
    GRANIAN,
    "there is nothing to choose",
    OFF,
  ),
  ...each(
    [
      "permit-obsolete-folding",
      "strip-header-spaces",
      "permit-unconventional-http-version",
      "casefold-http-method",
    ],
    (flag) => idle(flag, GUNICORN, PARSER_NOTE, SWITCH),
  ),
  idle(
    "permit-unconventional-http-method",
    GUNICORN,
    "every method that RFC 9110 allows is passed on",
    SWITCH,
  ),
  idle("no-sendfile", GUNICORN, "files are sent by the front", { ...SWITCH, setting: "" }),
  idle([], GUNICORN, "files are sent by the front", { setting: "sendfile" }),
  same("header", UVICORN, "a name alone removes the field"),
  idle("server-header", UVICORN, "it is so", { ...OFF, harmless: /^true$/ }),
  idle("date-header", UVICORN, "it is so", { ...OFF, harmless: /^true$/ }),
  row(["no-server-header"], UVICORN, {
    ...OFF,
    kind: "renamed",
    ours: "header",
    note: "a name alone removes the field: Server",
    read: () => [["header", "Server"]],
  }),
  row(["no-date-header"], UVICORN, {
    ...OFF,
    kind: "renamed",
    ours: "header",
    note: "a name alone removes the field: Date",
    read: () => [["header", "Date"]],
  }),
  renamed("ident", "header", WAITRESS, "the field Server", {
    convert: (text) => (text === "" ? "Server" : `Server: ${text}`),
  }),

  // WebSockets
  idle("ws", UVICORN, "there is one implementation of WebSocket", { harmless: /^auto$/ }),
  idle("no-ws", GRANIAN, "an application without WebSockets refuses them itself", OFF),
  same("ws-max-size", UVICORN),
  renamed("websocket-max-message-size", "ws-max-size", GUNICORN),
  idle("ws-max-queue", UVICORN, "the limit is one of bytes (docs/limits.md)"),
  same("ws-ping-interval", UVICORN),
  renamed("websocket-ping-interval", "ws-ping-interval", HYPERCORN),
  same("ws-ping-timeout", UVICORN),
  same("ws-per-message-deflate", UVICORN),

  // Logs
  same("access-log", ["uvicorn", "Granian"], "takes -, a file or off; without a value it is -", {
    convert: oneOfWords({ true: "-", "1": "-", false: "off", "0": "off" }),
  }),
  row(["no-access-log"], ["uvicorn", "Granian"], {
    ...OFF,
    kind: "renamed",
    ours: "access-log",
    note: "off",
    read: () => [["access-log", "off"]],
  }),
  renamed("access-logfile", "access-log", ["gunicorn", "Hypercorn"], "", { setting: "accesslog" }),
  renamed(
    ["access-logformat", "access-log-fmt"],
    "access-log-format",
    ["gunicorn", "Hypercorn", "Granian"],
    "",
    {
      setting: "access_log_format",
    },
  ),
  idle(
    "disable-redirect-access-to-syslog",
    GUNICORN,
    "the access log goes where --access-log says",
    SWITCH,
  ),
  idle("disable-logging", UWSGI, "the access log is off by default", OFF),
  refused(
    ["error-logfile", "log-file", "error-log"],
    ["gunicorn", "Hypercorn"],
    "is refused: the log goes to standard error; append 2>>FILE to the command, or let systemd or the container keep it",
    { setting: "errorlog", harmless: /^-$|^\/dev\/stderr$/ },
  ),
  same(
    "log-level",
    ["gunicorn", "uvicorn", "Hypercorn", "Granian"],
    "critical is error, trace is debug",
    {
      setting: "loglevel",
      convert: LEVELS,
    },
  ),
  same("capture-output", GUNICORN, "", { takesValue: false }),
  same(
    "log-config",
    ["gunicorn", "uvicorn", "Hypercorn", "Granian"],
    "for the application's process",
    { setting: "logconfig" },
  ),
  renamed("log-config-json", "log-config", GUNICORN, "", { setting: "logconfig_json" }),
  idle(
    [],
    GUNICORN,
    "a dictionary of logging is applied in each worker, unless --log-config is given",
    { kind: "same", setting: "logconfig_dict", harmless: /(?:)/ },
  ),
  idle(
    "logger-class",
    GUNICORN,
    "the log is the front's; --log-format json for programs that read it",
  ),
  idle("log-syslog", GUNICORN, TO_STANDARD_ERROR, { ...SWITCH, setting: "syslog" }),
  idle("log-syslog-to", GUNICORN, TO_STANDARD_ERROR, { setting: "syslog_addr" }),
  idle("log-syslog-prefix", GUNICORN, TO_STANDARD_ERROR, { setting: "syslog_prefix" }),
  idle("log-syslog-facility", GUNICORN, TO_STANDARD_ERROR, { setting: "syslog_facility" }),
  idle("log", GRANIAN, "--log-level says how much", { ...OFF, harmless: /^true$/ }),
  renamed("no-log", "log-level", GRANIAN, "error", { ...OFF, convert: () => "error" }),
  idle(["use-colors", "no-use-colors"], UVICORN, "the log has no colours", OFF),
  idle("log-socket-errors", WAITRESS, "the access log has requests whose client has left", OFF),
  idle("no-log-socket-errors", WAITRESS, "the access log has requests whose client has left", OFF),
  idle(
    ["expose-tracebacks", "no-expose-tracebacks"],
    WAITRESS,
    "a traceback goes to the log only",
    OFF,
  ),
  ...each(["statsd-host", "dogstatsd-tags", "statsd-prefix"], (flag) =>
    idle(flag, flag === "dogstatsd-tags" ? GUNICORN : ["gunicorn", "Hypercorn"], NO_METRICS, {
      harmless: /^$/,
    }),
  ),
  idle("enable-backlog-metric", GUNICORN, NO_METRICS, SWITCH),
  idle(["metrics", "no-metrics"], GRANIAN, NO_METRICS, OFF),
  idle(["metrics-scrape-interval", "metrics-address", "metrics-port"], GRANIAN, NO_METRICS),

  // Process
  same("pid", ["gunicorn", "Hypercorn"], "-p with a file; -p with a number is --port", {
    setting: "pidfile",
  }),
  renamed(["pid-file", "pidfile"], "pid", ["Granian", "uWSGI"]),
  same(
    "user",
    GUNICORN,
    "the main process becomes that user too, when its ports are bound; Hypercorn's names the owner of a socket: --socket-owner",
    {
      short: "u",
    },
  ),
  same("group", GUNICORN, "needs --user", { short: "g" }),
  renamed("uid", "user", UWSGI),
  renamed("gid", "group", UWSGI),
  idle("initgroups", GUNICORN, "it is always so", { ...SWITCH, harmless: /^(?:true|false)$/ }),
  same("umask", ["gunicorn", "Hypercorn"], "of the application; a Unix socket has --socket-mode", {
    short: "m",
    convert: umaskText,
  }),
  refused(
    "daemon",
    ["gunicorn", "Hypercorn"],
    "is refused: a service manager starts it in the background: docs/guide/systemd.md",
    { ...SWITCH, short: "D" },
  ),
  refused(
    "daemonize",
    UWSGI,
    "is refused: a service manager starts it in the background: docs/guide/systemd.md",
  ),
  idle(
    ["name", "process-name"],
    ["gunicorn", "Granian"],
    "processes are named typhon and the application",
    { short: "n", setting: "proc_name" },
  ),
  idle([], GUNICORN, "processes are named typhon and the application", {
    setting: "default_proc_name",
  }),
  idle("enable-stdio-inheritance", GUNICORN, "standard streams are always inherited", {
    ...SWITCH,
    short: "R",
  }),
  idle(
    ["control-socket", "control-socket-mode"],
    GUNICORN,
    "typhon reload --pid FILE talks to the server",
  ),
  idle([], GUNICORN, "typhon reload --pid FILE talks to the server", {
    setting: "control_socket_mode",
  }),
  idle("no-control-socket", GUNICORN, "without --pid there is none", {
    ...SWITCH,
    setting: "control_socket_disable",
  }),
  row(["check-config", "print-config"], GUNICORN, {
    ...OFF,
    kind: "renamed",
    ours: "check",
    note: "the command typhon check; it loads no application",
    read: () => [["check", "true"]],
  }),
  ...each(["check_config", "print_config"], (setting) =>
    idle([], GUNICORN, "typhon check shows what would be served", { ...SWITCH, setting }),
  ),
  idle("spew", GUNICORN, "python -m trace --trace shows each line that runs", SWITCH),
  idle("debug", HYPERCORN, "PYTHONASYNCIODEBUG=1 and --log-level debug", OFF),
  same("reload", ["gunicorn", "uvicorn", "Hypercorn", "Granian"], "for development", {
    takesValue: false,
  }),
  same("reload-dir", UVICORN),
  renamed("reload-paths", "reload-dir", GRANIAN),
  renamed("py-autoreload", "reload", UWSGI, "", {
    convert: (text) => (text === "0" ? "false" : "true"),
  }),
  idle("reload-extra-file", GUNICORN, "--reload-dir DIR watches the files of a folder", {
    setting: "reload_extra_files",
    harmless: /^$/,
  }),
  same("reload-include", UVICORN),
  same("reload-exclude", UVICORN),
  renamed(["reload-ignore-dirs", "reload-ignore-paths"], "reload-exclude", GRANIAN),
  idle("reload-ignore-patterns", GRANIAN, "regular expressions; --reload-exclude takes globs"),
  idle(
    ["reload-delay", "reload-tick"],
    ["uvicorn", "Granian"],
    "the system tells of a changed file at once",
  ),
  idle("reload-engine", GUNICORN, "the system tells of a changed file at once"),
  idle(
    ["reload-ignore-worker-failure", "no-reload-ignore-worker-failure"],
    GRANIAN,
    "code that does not load is shown until it is mended",
    OFF,
  ),
];
