// Command line and environment to Configuration: every option as a flag and as a variable, every bad
// value as one line, and what two options decide together. Interpreters are files of a scratch folder.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, test } from "node:test";

import type {
  ApplicationConfiguration,
  CgiTarget,
  Configuration,
} from "../../src/config/configuration.ts";
import { usableCores } from "../../src/config/cores.ts";
import { load } from "../../src/config/load.ts";
import { OperatorError } from "../../src/config/operator-error.ts";
import { OPTION_LIST, variableOf } from "../../src/config/schema.ts";
import { usualTempSize } from "../../src/config/server-options.ts";

const scratch = mkdtempSync(join(tmpdir(), "typhon-load-"));
after(() => rmSync(scratch, { recursive: true }));
const bin = join(scratch, "bin");
mkdirSync(bin);
for (const folder of ["folder", "programs"]) mkdirSync(join(scratch, folder));
writeFileSync(join(scratch, "a.env"), "FROM_FILE=1\n");
writeFileSync(join(scratch, "site.toml"), "threads = 9\n");
for (const name of ["cert.pem", "key.pem", "ca.pem"]) writeFileSync(join(scratch, name), "");
for (const name of ["python3", "python3.12"]) {
  writeFileSync(join(bin, name), "#!/bin/sh\n");
  chmodSync(join(bin, name), 0o755);
}

type Flat = ApplicationConfiguration &
  Configuration["listeners"] &
  Configuration["logs"] &
  Configuration["process"] & {
    readonly tls: Configuration["tls"];
    readonly cgi: Configuration["cgi"];
    /** Routes but for the application's own, as host, path and target. */
    readonly others: readonly unknown[];
    readonly compress: string;
    readonly setHeaders: readonly (readonly [string, string])[];
  };

/** Loads in the scratch folder, where the only Python is a file; all parts side by side. */
function loadHere(words: string[], environment: Record<string, string> = {}): Flat {
  const { listeners, tls, cgi, applications, routes, logs, process } = load(
    words,
    { PATH: bin, HOME: scratch, ...environment },
    scratch,
  );
  const [application] = applications;
  const own = routes.at(-1);
  assert.ok(application !== undefined && own !== undefined);
  const { compress, setHeaders, ...policy } = own.policy;
  assert.deepEqual(
    { ...own, policy },
    {
      host: "",
      path: "",
      target: { kind: "application", application: application.name },
      policy: {
        allow: [],
        deny: [],
        basicAuth: null,
        removeHeaders: [],
        cacheControl: "",
        errorPages: null,
      },
    },
  );
  const others = routes.slice(0, -1).map(({ host, path, target }) => ({ host, path, target }));
  return {
    ...listeners,
    ...application,
    ...logs,
    ...process,
    tls,
    cgi,
    others,
    compress,
    setHeaders,
  };
}

function failure(words: string[], environment: Record<string, string> = {}): string {
  try {
    loadHere(words, environment);
  } catch (error) {
    assert.ok(error instanceof OperatorError, String(error));
    assert.equal(error.exitCode, 2);
    assert.doesNotMatch(error.text, /\n/, "one line");
    return error.text;
  }
  return assert.fail(`${words.join(" ")} was accepted`);
}

const WEB_SOCKETS = {
  maxMessageBytes: 16_777_216,
  pingIntervalMs: 20_000,
  pingTimeoutMs: 20_000,
  mayCompress: true,
};

test("all temporary files may hold 4 GiB, at most half of what is free, at least 256 MiB", () => {
  const [gib, mib] = [2 ** 30, 2 ** 20];
  assert.equal(usualTempSize(100 * gib), 4 * gib);
  assert.equal(usualTempSize(3 * gib), 1.5 * gib);
  assert.equal(usualTempSize(0), 256 * mib);
});

test("gives every option its documented default", () => {
  const { workers, tempDir, maxTempSize, ...rest } = loadHere(["app:app"]);
  assert.equal(workers, usableCores());
  assert.equal(tempDir, tmpdir());
  // What is free changes while the tests run.
  assert.ok(maxTempSize >= usualTempSize(0) && maxTempSize <= usualTempSize(Infinity));
  assert.deepEqual(rest, {
    name: "",
    app: "app:app",
    bind: "default",
    descriptors: [],
    threads: 4,
    interface: "auto",
    loop: "auto",
    lifespan: "auto",
    pathsend: false,
    concurrency: 1024,
    python: join(bin, "python3"),
    pythonWhy: "python3 on PATH; no virtual environment was found",
    appDir: scratch,
    cwd: scratch,
    areWorkersChosen: false,
    preload: false,
    env: {},
    rootPath: "",
    sendfile: [],
    others: [],
    tls: null,
    cgi: null,
    compress: "files",
    setHeaders: [],
    umask: null,
    forwardedAllowIps: ["127.0.0.1", "::1"],
    headerMap: "drop",
    proxyProtocol: false,
    http2: true,
    h2c: false,
    user: null,
    socketRights: { mode: 0o666, owner: null },
    maxRequestLine: 8192,
    maxRequestHead: 32_768,
    warmup: [],
    logConfig: "",
    gunicornConf: "",
    gunicornHooks: [],
    retry: "safe",
    maxRequests: 0,
    maxRequestsJitter: 0,
    maxRss: 0,
    maxAgeMs: 0,
    timeoutMs: 30_000,
    asgiTimeoutMs: 0,
    loopTimeoutMs: 30_000,
    routeTimeouts: [],
    abandonTimeoutMs: 120_000,
    cancelOnDisconnect: false,
    startTimeoutMs: 120_000,
    drainDelayMs: 0,
    drainTimeoutMs: 25_000,
    gracefulTimeoutMs: 25_000,
    keepAliveMs: 75_000,
    bodyTimeoutMs: 60_000,
    queue: 1000,
    queueTimeoutMs: 5000,
    maxBody: 1_073_741_824,
    maxResponseSpill: 1_073_741_824,
    webSocketLimit: 16_384,
    webSockets: WEB_SOCKETS,
    accessLog: "off",
    level: "info",
    format: "text",
    accessFormat: null,
    captureOutput: false,
    pid: null,
    health: false,
    developing: false,
    development: "off",
    reload: false,
    reloadDirs: [scratch],
    reloadFiles: { include: [], exclude: [] },
  });
});

const FILES = {
  kind: "static",
  folder: join(scratch, "folder"),
  stripPrefix: true,
  index: ["index.html"],
  listing: false,
  followSymlinks: false,
  hidden: [],
  fallback: "",
};

/** What is left of a configuration of TLS when only one option counts. */
interface ExpectedTls extends Omit<Partial<NonNullable<Configuration["tls"]>>, "acme"> {
  readonly acme?: Partial<NonNullable<NonNullable<Configuration["tls"]>["acme"]>>;
}
type Expected = Partial<Omit<Flat, "tls" | "cgi">> & {
  readonly tls?: ExpectedTls;
  readonly cgi?: Partial<NonNullable<Configuration["cgi"]>>;
};

const PROGRAMS = ["--cgi", "programs"];

/** The other routes where the only one has the programs, with one value of its own. */
function programs(own: Partial<CgiTarget>): Expected {
  const target = { kind: "cgi", place: join(scratch, "programs"), ...own };
  return { others: [{ host: "", path: "/cgi-bin", target }] };
}

const CERTIFICATE = ["--certfile", "cert.pem"];
const DOMAIN = ["--domain", "a.example"];
const ISSUER = {
  directoryUrl: "https://acme-v02.api.letsencrypt.org/directory",
  caRoot: null,
  eab: null,
  profile: "",
};
const me = { uid: process.getuid?.() ?? -1, gid: process.getgid?.() ?? -1 };

/** Option, a good text, what becomes of it, a bad text, the line that a bad text gets, options that it needs. */
const CASES: readonly [string, string, Expected, string, RegExp, string[]?][] = [
  ["config", "site.toml", { threads: 9 }, "gone.toml", /is no file/],
  [
    "static",
    "/assets=folder",
    { others: [{ host: "", path: "/assets", target: FILES }] },
    "/assets=nowhere",
    /is no folder/,
  ],
  [
    "mount",
    "/api=api:app",
    {
      name: "/",
      others: [{ host: "", path: "/api", target: { kind: "application", application: "/api" } }],
    },
    "api:app",
    /must be \/PREFIX=APP/,
  ],
  [
    "cgi",
    "programs",
    programs({ python: "", isWarm: true }),
    "nowhere",
    /is no folder and no prog/,
  ],
  [
    "cgi-run-py",
    "true",
    programs({ python: join(bin, "python3") }),
    "maybe",
    /true, false/,
    PROGRAMS,
  ],
  ["cgi-env", "A=b=c", programs({ env: { A: "b=c" } }), "A-B=1", /must be NAME=VALUE/, PROGRAMS],
  [
    "cgi-pass-authorization",
    "true",
    programs({ passesAuthorization: true }),
    "maybe",
    /true, false/,
    PROGRAMS,
  ],
  ["cgi-concurrency", "7", { cgi: { concurrency: 7 } }, "0", /whole number/, PROGRAMS],
  ["cgi-queue", "7", { cgi: { queue: 7 } }, "0", /whole number/, PROGRAMS],
  ["cgi-warm", "off", programs({ isWarm: false }), "on", /auto, off/, PROGRAMS],
  ["cgi-preload", "a.b", programs({ preload: ["a.b"] }), "a/b", /name of a module/, PROGRAMS],
  ["cgi-template-idle", "9", { cgi: { templateIdleMs: 9000 } }, "0", /number of sec/, PROGRAMS],
  ["listing", "true", {}, "maybe", /true, false/],
  ["compress", "all", { compress: "all" }, "br", /off, files, all/],
  [
    "sendfile",
    "/private=folder",
    { sendfile: [{ prefix: "/private", folder: join(scratch, "folder") }] },
    "nowhere",
    /is no folder/,
  ],
  [
    "bind",
    "127.0.0.1:9000",
    { bind: [{ kind: "tcp", scheme: "http", host: "127.0.0.1", port: 9000 }] },
    "127.0.0.1",
    /the port is missing: 127\.0\.0\.1:8000/,
  ],
  [
    "host",
    "::1",
    { bind: [{ kind: "tcp", scheme: "http", host: "::1", port: 8000 }] },
    "a b",
    /host name/,
  ],
  [
    "port",
    "9000",
    { bind: [{ kind: "tcp", scheme: "http", host: "127.0.0.1", port: 9000 }] },
    "70000",
    /must be a port from 0 to 65535/,
  ],
  [
    "socket-mode",
    "0660",
    { socketRights: { mode: 0o660, owner: null } },
    "rw-rw-rw-",
    /three octal digits/,
  ],
  [
    "socket-owner",
    "1000:0",
    { socketRights: { mode: 0o666, owner: { uid: 1000, gid: 0 } } },
    "no-such-user",
    /no user is named 'no-such-user'/,
  ],
  [
    "forwarded-allow-ips",
    "10.0.0.0/8, ::1, unix",
    { forwardedAllowIps: ["10.0.0.0/8", "::1", "unix"] },
    "10.0.0.0/33",
    /'10\.0\.0\.0\/33' is none/,
  ],
  ["proxy-protocol", "true", { proxyProtocol: true }, "v3", /true, false/],
  [
    "certfile",
    "cert.pem",
    {
      bind: "default-https",
      tls: {
        certificates: [
          {
            certfile: join(scratch, "cert.pem"),
            keyfile: join(scratch, "cert.pem"),
            passwordFile: null,
          },
        ],
        internal: false,
        clients: [],
        ciphers: "",
        hstsSeconds: 0,
        redirect: true,
      },
    },
    "gone.pem",
    /is no file/,
  ],
  [
    "keyfile",
    "key.pem",
    {
      tls: {
        certificates: [
          {
            certfile: join(scratch, "cert.pem"),
            keyfile: join(scratch, "key.pem"),
            passwordFile: null,
          },
        ],
      },
    },
    "gone.pem",
    /is no file/,
    CERTIFICATE,
  ],
  [
    "keyfile-password-file",
    "a.env",
    {
      tls: {
        certificates: [
          {
            certfile: join(scratch, "cert.pem"),
            keyfile: join(scratch, "cert.pem"),
            passwordFile: join(scratch, "a.env"),
          },
        ],
      },
    },
    "gone.txt",
    /is no file/,
    CERTIFICATE,
  ],
  [
    "tls",
    "internal",
    {
      bind: [{ kind: "tcp", scheme: "https", host: "127.0.0.1", port: 8443 }],
      tls: { internal: true, stateDir: join(scratch, ".local/share/typhon") },
    },
    "external",
    /must be one of internal/,
  ],
  [
    "ca-certs",
    "ca.pem",
    { tls: { clients: [{ host: "", mode: "required", caCerts: join(scratch, "ca.pem") }] } },
    "gone.pem",
    /is no file/,
    [...CERTIFICATE, "--cert-reqs", "2"],
  ],
  [
    "cert-reqs",
    "optional",
    { tls: { clients: [{ host: "", mode: "optional", caCerts: join(scratch, "ca.pem") }] } },
    "3",
    /none, optional, required/,
    [...CERTIFICATE, "--ca-certs", "ca.pem"],
  ],
  [
    "ciphers",
    "ECDHE+AESGCM:!aNULL",
    { tls: { ciphers: "ECDHE+AESGCM:!aNULL" } },
    "a;b",
    /syntax of OpenSSL/,
    CERTIFICATE,
  ],
  [
    "http-redirect",
    "true",
    { tls: { redirect: true } },
    "maybe",
    /true, false/,
    [...CERTIFICATE, "-b", "http://:80", "-b", ":443"],
  ],
  ["hsts", "300", { tls: { hstsSeconds: 300 } }, "-1", /whole number/, CERTIFICATE],
  ["http2", "true", { http2: true }, "maybe", /true, false/],
  ["h2c", "true", { h2c: true }, "maybe", /true, false/],
  [
    "domain",
    "Bücher.example",
    {
      bind: "domains",
      tls: {
        acme: { domains: ["xn--bcher-kva.example"], email: "", issuers: [ISSUER], dnsHook: null },
      },
    },
    "localhost",
    /--tls internal/,
  ],
  [
    "acme-email",
    "a@b.example",
    { tls: { acme: { email: "a@b.example" } } },
    "a@b.example,c@d.example",
    /one mail address/,
    DOMAIN,
  ],
  [
    "acme-ca",
    "letsencrypt-staging",
    {
      tls: {
        acme: {
          issuers: [
            { ...ISSUER, directoryUrl: "https://acme-staging-v02.api.letsencrypt.org/directory" },
          ],
        },
      },
    },
    "http://ca.example/",
    /https:\/\/ URL/,
    DOMAIN,
  ],
  [
    "acme-ca-root",
    "ca.pem",
    { tls: { acme: { issuers: [{ ...ISSUER, caRoot: join(scratch, "ca.pem") }] } } },
    "gone.pem",
    /is no file/,
    DOMAIN,
  ],
  [
    "acme-fallback-ca",
    "https://ca.example/dir",
    { tls: { acme: { issuers: [ISSUER, { ...ISSUER, directoryUrl: "https://ca.example/dir" }] } } },
    "zerossl2",
    /must be letsencrypt/,
    DOMAIN,
  ],
  [
    "acme-dir",
    "folder",
    { tls: { stateDir: join(scratch, "folder") } },
    "a.env/state",
    /may make or write to/,
    ["--tls", "internal"],
  ],
  [
    "acme-eab-kid",
    "kid-1",
    {
      tls: {
        acme: { issuers: [{ ...ISSUER, eab: { kid: "kid-1", keyFile: join(scratch, "a.env") } }] },
      },
    },
    "a b",
    /one word/,
    [...DOMAIN, "--acme-eab-key-file", "a.env"],
  ],
  [
    "acme-eab-key-file",
    "a.env",
    {
      tls: {
        acme: { issuers: [{ ...ISSUER, eab: { kid: "k", keyFile: join(scratch, "a.env") } }] },
      },
    },
    "gone.key",
    /is no file/,
    [...DOMAIN, "--acme-eab-kid", "k"],
  ],
  [
    "acme-profile",
    "shortlived",
    { tls: { acme: { issuers: [{ ...ISSUER, profile: "shortlived" }] } } },
    "short lived",
    /one word/,
    DOMAIN,
  ],
  [
    "acme-dns-hook",
    "bin/python3",
    { tls: { acme: { dnsHook: join(bin, "python3") } } },
    "a.env",
    /no program that this user may run/,
    ["--domain", "*.a.example"],
  ],
  ["header-map", "refuse", { headerMap: "refuse" }, "allow", /one of drop, refuse, dangerous/],
  ["interface", "asgi", { interface: "asgi" }, "cgi", /must be one of auto, wsgi/],
  ["python", "python3.12", { python: join(bin, "python3.12") }, "python9", /is not on PATH/],
  ["app-dir", "folder", { appDir: join(scratch, "folder") }, "nowhere", /is no folder/],
  ["env", "A=b=c", { env: { A: "b=c" } }, "A-B=c", /must be NAME=VALUE/],
  ["env-file", "a.env", { env: { FROM_FILE: "1" } }, "gone.env", /is no file/],
  ["root-path", "/shop/", { rootPath: "/shop" }, "shop", /begins with \//],
  ["workers", "3", { workers: 3 }, "0", /whole number from 1 to 1024/],
  ["threads", "8", { threads: 8 }, "1.5", /whole number from 1 to 256/],
  ["timeout", "2.5", { timeoutMs: 2500, asgiTimeoutMs: 2500 }, "-1", /number of seconds/],
  ["loop-timeout", "0.5", { loopTimeoutMs: 500 }, "soon", /number of seconds/],
  ["drain-delay", "2.5", { drainDelayMs: 2500 }, "-1", /number of seconds/],
  [
    "graceful-timeout",
    "0",
    { gracefulTimeoutMs: 0, drainTimeoutMs: 0 },
    "soon",
    /number of seconds/,
  ],
  ["keep-alive", ".5", { keepAliveMs: 500 }, "1e9", /number of seconds/],
  ["body-timeout", "0", { bodyTimeoutMs: 0 }, "-1", /number of seconds/],
  ["queue-timeout", "1", { queueTimeoutMs: 1000 }, "0", /number of seconds from 0\.001/],
  ["queue", "10", { queue: 10 }, "ten", /whole number/],
  ["max-body", "512k", { maxBody: 524_288 }, "10MB", /must be a size/],
  ["limit-request-line", "4k", { maxRequestLine: 4096 }, "255", /a size from 256 to 256k/],
  ["limit-request-head", "256k", { maxRequestHead: 262_144 }, "257k", /a size from 1k to 256k/],
  ["max-temp-size", "20G", { maxTempSize: 21_474_836_480 }, "-1", /must be a size/],
  ["max-response-spill", "1.5G", { maxResponseSpill: 1_610_612_736 }, "-1", /must be a size/],
  ["ws-concurrency", "10", { webSocketLimit: 10 }, "0", /whole number/],
  [
    "ws-max-size",
    "512k",
    { webSockets: { ...WEB_SOCKETS, maxMessageBytes: 524_288 } },
    "1G",
    /must be a size from 1 to 256M/,
  ],
  [
    "ws-ping-interval",
    "0",
    { webSockets: { ...WEB_SOCKETS, pingIntervalMs: 0 } },
    "soon",
    /number of seconds/,
  ],
  [
    "ws-ping-timeout",
    "2.5",
    { webSockets: { ...WEB_SOCKETS, pingTimeoutMs: 2500 } },
    "-1",
    /number of seconds/,
  ],
  [
    "ws-per-message-deflate",
    "false",
    { webSockets: { ...WEB_SOCKETS, mayCompress: false } },
    "maybe",
    /true, false/,
  ],
  ["temp-dir", "folder", { tempDir: join(scratch, "folder") }, "nowhere", /is no folder/],
  ["access-log", "a.log", { accessLog: join(scratch, "a.log") }, "no/a.log", /may write/],
  ["log-level", "debug", { level: "debug" }, "loud", /debug, info, warning, error/],
  ["capture-output", "true", { captureOutput: true }, "maybe", /true, false/],
  ["log-format", "json", { format: "json" }, "xml", /text, json/],
  ["fd", "3", { descriptors: [3] }, "2", /number of an open socket/],
  ["factory", "true", { app: "app:app()" }, "maybe", /true, false/],
  [
    "chdir",
    "folder",
    { cwd: join(scratch, "folder"), appDir: join(scratch, "folder") },
    "gone",
    /is no folder/,
  ],
  ["header", "X-A: b", { setHeaders: [["X-A", "b"]] }, "X A: b", /the name of a field/],
  ["umask", "0027", { umask: 0o27 }, "rw", /octal digits/],
  [
    "access-log-format",
    "%(h)s\t%({X-Tenant}i)s",
    { accessFormat: [{ atom: "h", name: "" }, "\t", { atom: "i", name: "x-tenant" }] },
    "%(z)s",
    /unknown atom %\(z\)s; there are h, l/,
  ],
  ["log-config", "a.env", { logConfig: join(scratch, "a.env") }, "gone.json", /is no file/],
  ["warmup", "/a?b=1", { warmup: ["/a?b=1"] }, "a", /a path that begins with \//],
  ["loop", "uvloop", { loop: "uvloop" }, "tokio", /auto, asyncio, uvloop/],
  ["lifespan", "on", { lifespan: "on" }, "always", /auto, on, off/],
  ["pathsend", "true", { pathsend: true }, "maybe", /true, false/],
  ["abandon-timeout", "0", { abandonTimeoutMs: 0 }, "long", /number of seconds/],
  ["preload", "true", { preload: true }, "maybe", /true, false/],
  ["cancel-on-disconnect", "true", { cancelOnDisconnect: true }, "maybe", /true, false/],
  ["concurrency", "50", { concurrency: 50 }, "0", /whole number/],
  ["retry", "off", { retry: "off" }, "always", /safe, off/],
  ["max-requests", "500", { maxRequests: 500 }, "-1", /whole number/],
  ["max-requests-jitter", "50", { maxRequestsJitter: 50 }, "few", /whole number/],
  ["max-rss", "512M", { maxRss: 536_870_912 }, "much", /must be a size/],
  ["max-age", "3600", { maxAgeMs: 3_600_000 }, "old", /number of seconds/],
  ["start-timeout", "9", { startTimeoutMs: 9000 }, "0", /number of seconds from 0\.1/],
  ["pid", "typhon.pid", { pid: join(scratch, "typhon.pid") }, "no/a.pid", /may write/],
  ["health", "true", { health: true }, "maybe", /true, false/],
  ["reload", "true", { reload: true, workers: 1 }, "maybe", /true, false/],
  ["user", String(me.uid), { user: { ...me, ...account() } }, "no-such-user", /no user is named/],
  [
    "group",
    String(me.gid),
    { user: { ...me, ...account() } },
    "no-such-group",
    /no group is named/,
    ["--user", String(me.uid)],
  ],
  [
    "reload-include",
    "*.yaml",
    { reloadFiles: { include: ["*.yaml"], exclude: [] } },
    "../a",
    /must be a pattern/,
  ],
  [
    "reload-exclude",
    "tests",
    { reloadFiles: { include: [], exclude: ["tests"] } },
    "../a",
    /must be a pattern/,
  ],
  ["reload-dir", "folder", { reloadDirs: [join(scratch, "folder")] }, "gone", /is no folder/],
];

/** The user who runs the tests. */
function account(): { name: string; home: string } {
  const [name = "", , , , , home = ""] = execFileSync("getent", ["passwd", String(me.uid)], {
    encoding: "utf8",
  })
    .trim()
    .split(":");
  return { name, home };
}

test("under ASGI a request has a time only if one is given; one for a path says nothing of others", () => {
  const times = (...words: string[]): [number, number] => {
    const { timeoutMs, asgiTimeoutMs } = loadHere(["app:app", ...words]);
    return [timeoutMs, asgiTimeoutMs];
  };
  assert.deepEqual(times(), [30_000, 0]);
  assert.deepEqual(times("--timeout", "/slow=60"), [30_000, 0]);
  assert.deepEqual(times("--timeout", "30"), [30_000, 30_000]);
  assert.deepEqual(times("--timeout", "0"), [0, 0]);
});

test("a time may be given for a path and all below it; the longest path comes first", () => {
  const { timeoutMs, routeTimeouts } = loadHere([
    "app:app",
    "--timeout",
    "/a=1",
    "--timeout",
    "5",
    "--timeout",
    "/a/b/=0",
    "--timeout",
    "/a=2",
  ]);
  assert.equal(timeoutMs, 5000);
  assert.deepEqual(routeTimeouts, [
    { prefix: "/a/b", ms: 0 },
    { prefix: "/a", ms: 2000 },
  ]);
  assert.match(failure(["app:app", "--timeout", "/a=soon"]), /number of seconds/);
  assert.deepEqual(loadHere(["app:app"], { TYPHON_TIMEOUT: "7, /slow=60" }).routeTimeouts, [
    { prefix: "/slow", ms: 60_000 },
  ]);
});

test("a switch needs no value", () => {
  assert.equal(loadHere(["--health", "app:app"]).health, true);
  assert.equal(loadHere(["app:app"], { TYPHON_HEALTH: "no" }).health, false);
});

test("the cases cover every option of the table", () => {
  assert.deepEqual(
    CASES.map(([name]) => name).toSorted(),
    // A program is run for --gunicorn-conf: gunicorn-conf.test.ts.
    OPTION_LIST.map((option) => option.name)
      .filter((name) => name !== "gunicorn-conf")
      .toSorted(),
  );
});

for (const [name, good, expected, bad, line, needed = []] of CASES) {
  const variable = variableOf(name);
  describe(`--${name}`, () => {
    test(`takes '${good}' as a flag`, () => {
      const isSwitch = OPTION_LIST.some((each) => each.name === name && each.placeholder === null);
      for (const words of [isSwitch ? [`--${name}`] : [`--${name}`, good], [`--${name}=${good}`]])
        assert.partialDeepStrictEqual(loadHere(["app:app", ...needed, ...words]), expected);
    });
    test(`takes '${good}' from ${variable}`, () => {
      assert.partialDeepStrictEqual(
        loadHere(["app:app", ...needed], { [variable]: good }),
        expected,
      );
    });
    test("the flag wins over the variable, which is then not even read", () => {
      const configuration = loadHere(["app:app", ...needed, `--${name}=${good}`], {
        [variable]: bad,
      });
      assert.partialDeepStrictEqual(configuration, expected);
    });
    test(`refuses '${bad}' in one line that names the flag or the variable`, () => {
      const fromFlag = failure(["app:app", ...needed, `--${name}=${bad}`]);
      assert.ok(fromFlag.startsWith(`--${name} '`), fromFlag);
      assert.match(fromFlag, line);
      const fromVariable = failure(["app:app", ...needed], { [variable]: bad });
      assert.ok(fromVariable.startsWith(`${variable} '`), fromVariable);
      assert.match(fromVariable, line);
    });
  });
}

describe("the application", () => {
  test("may come from TYPHON_APP, and the command line wins", () => {
    assert.equal(loadHere([], { TYPHON_APP: "a:b" }).app, "a:b");
    assert.equal(loadHere(["c:d"], { TYPHON_APP: "a:b" }).app, "c:d");
  });
  test("its absence is an error with an example, where nothing is found", () => {
    assert.throws(() => loadHere([]), {
      text: /^no application given, and none found in this folder\. Looked for: typhon\.toml, .*\n.*\nname the application: typhon shop:app, .*$/,
    });
  });
  const call = `mod:make("a/b.py:c()", debug=False)`;
  for (const app of ["app", "a.b:c.d", "mod:make()", "größe:app", call])
    test(`may be ${app}`, () => assert.equal(loadHere([app]).app, app));
  for (const [app, line] of [
    ["a:b:c", /must be module:callable/],
    ["my-app:app", /must be module:callable/],
    ["app:make(1)(2", /must be module:callable/],
    ["app:make 1", /must be module:callable/],
    ["web/main", /path\/to\/file\.py/],
  ] as const)
    test(`may not be ${app}`, () => assert.match(failure([app]), line));
  test("a file is taken from the working directory, else from --app-dir", () => {
    writeFileSync(join(scratch, "folder", "inner.py"), "");
    assert.equal(loadHere(["gone.py:app"]).app, `${join(scratch, "gone.py")}:app`);
    assert.equal(
      loadHere(["inner.py", "--app-dir", "folder"]).app,
      join(scratch, "folder", "inner.py"),
    );
    assert.equal(
      loadHere(["inner.py:make('x.py:/')", "--app-dir", "folder"]).app,
      `${join(scratch, "folder", "inner.py")}:make('x.py:/')`,
    );
  });
  test("folders keep the symbolic links by which the user came to them", () => {
    const link = join(scratch, "current");
    symlinkSync(scratch, link);
    const words = ["folder/inner.py", "--app-dir", "folder", "--reload"];
    const { app, appDir, cwd, reloadDirs } = loadHere(words, { PWD: link });
    const named = join(link, "folder");
    assert.deepEqual(
      { app, appDir, cwd, reloadDirs },
      { app: join(named, "inner.py"), appDir: named, cwd: link, reloadDirs: [named] },
    );
  });
  test("without $PWD the working directory is named as --app-dir names it", () => {
    const link = join(scratch, "released");
    symlinkSync(scratch, link);
    for (const appDir of [link, join(link, "folder")])
      assert.equal(loadHere(["app:app", "--app-dir", appDir]).cwd, link);
    assert.equal(loadHere(["app:app", "--app-dir", "/"]).cwd, scratch);
  });
  test("a $PWD that names another folder, or none, does not count", () => {
    symlinkSync(join(scratch, "folder"), join(scratch, "other"));
    for (const PWD of [join(scratch, "other"), join(scratch, "gone"), "folder", ""]) {
      const { appDir, cwd } = loadHere(["app:app", "--app-dir", "folder"], { PWD });
      assert.deepEqual([appDir, cwd], [join(scratch, "folder"), scratch]);
    }
  });
});

describe("the address", () => {
  const tcp = (host: string, port: number): unknown => ({
    kind: "tcp",
    scheme: "http",
    host,
    port,
  });
  test("--bind may be repeated, and a socket's path becomes absolute", () => {
    assert.deepEqual(loadHere(["app:app", "-b", ":80", "--bind=unix:s.sock"]).bind, [
      tcp("0.0.0.0", 80),
      { kind: "unix", scheme: "http", path: join(scratch, "s.sock") },
    ]);
  });
  test("TYPHON_BIND holds several between commas or spaces", () => {
    const { bind } = loadHere(["app:app"], { TYPHON_BIND: "a:1, [::1]:2 :3" });
    assert.deepEqual(bind, [tcp("a", 1), tcp("::1", 2), tcp("0.0.0.0", 3)]);
  });
  test("--bind excludes --host and --port", () => {
    assert.match(
      failure(["app:app", "-b", ":80", "-p", "1"]),
      /^--bind and --port exclude each other/,
    );
    assert.match(failure(["app:app", "-b", ":80", "--host", "a"]), /^--bind and --host exclude/);
    assert.match(
      failure(["app:app"], { TYPHON_BIND: ":80", TYPHON_PORT: "1" }),
      /^TYPHON_BIND and TYPHON_PORT exclude/,
    );
  });
  test("--proxy-protocol needs a proxy to trust", () => {
    assert.match(
      failure(["app:app", "--proxy-protocol", "--forwarded-allow-ips", ""]),
      /^--proxy-protocol needs a proxy to trust; name its address in --forwarded-allow-ips$/,
    );
  });
  test("--port wins over TYPHON_BIND", () => {
    assert.deepEqual(loadHere(["app:app", "-p", "1"], { TYPHON_BIND: ":80" }).bind, [
      tcp("127.0.0.1", 1),
    ]);
  });
  test("PORT alone means all addresses, and loses against any option", () => {
    assert.deepEqual(loadHere(["app:app"], { PORT: "5000" }).bind, [tcp("0.0.0.0", 5000)]);
    assert.deepEqual(loadHere(["app:app", "-p", "1"], { PORT: "5000" }).bind, [
      tcp("127.0.0.1", 1),
    ]);
    assert.deepEqual(loadHere(["app:app", "--host", "::"], { PORT: "5000" }).bind, [
      tcp("::", 5000),
    ]);
    assert.match(failure(["app:app"], { PORT: "http" }), /^PORT 'http' must be a port/);
  });
  test("--reload opens no address to other machines, whoever the user is, unless one is chosen", () => {
    assert.deepEqual(loadHere(["app:app", "--reload"]).bind, [tcp("127.0.0.1", 8000)]);
    assert.deepEqual(loadHere(["app:app"], { TYPHON_RELOAD: "1", PORT: "5000" }).bind, [
      tcp("127.0.0.1", 5000),
    ]);
    assert.match(failure(["app:app", "--reload"], { PORT: "http" }), /^PORT 'http' must be a port/);
    assert.deepEqual(loadHere(["app:app", "--reload", "--host", "::"]).bind, [tcp("::", 8000)]);
    assert.deepEqual(loadHere(["app:app", "--reload", "-b", ":80"]).bind, [tcp("0.0.0.0", 80)]);
  });
  test("a TYPHON_PORT set by Kubernetes is ignored", () => {
    // What Kubernetes sets in a container beside a service named typhon.
    const service = {
      TYPHON_PORT: "tcp://10.0.0.1:80",
      TYPHON_PORT_80_TCP: "tcp://10.0.0.1:80",
      TYPHON_PORT_80_TCP_ADDR: "10.0.0.1",
      TYPHON_PORT_80_TCP_PORT: "80",
      TYPHON_PORT_80_TCP_PROTO: "tcp",
      TYPHON_SERVICE_HOST: "10.0.0.1",
      TYPHON_SERVICE_PORT: "80",
    };
    assert.equal(loadHere(["app:app"], service).bind, "default");
    assert.deepEqual(loadHere(["app:app"], { ...service, PORT: "5000" }).bind, [
      tcp("0.0.0.0", 5000),
    ]);
  });
  test("the path of a Unix socket may not be too long", () => {
    assert.match(failure(["app:app", "-b", `unix:/${"a".repeat(107)}`]), /too long for a socket/);
  });
});

describe("sources", () => {
  test("the last of a repeated flag wins", () => {
    assert.equal(loadHere(["app:app", "-w", "2", "-w", "3"]).workers, 3);
  });
  test("--env gathers, the later value wins, TYPHON_ENV has one a line", () => {
    assert.deepEqual(loadHere(["app:app", "-e", "A=1", "-e", "B=", "-e", "A=2"]).env, {
      A: "2",
      B: "",
    });
    assert.deepEqual(loadHere(["app:app"], { TYPHON_ENV: "A=1, 2\nB=3\n" }).env, {
      A: "1, 2",
      B: "3",
    });
  });
  test("an empty variable counts as none", () => {
    assert.equal(loadHere(["app:app"], { TYPHON_THREADS: "" }).threads, 4);
  });
  test("an empty list of proxies trusts no peer", () => {
    assert.deepEqual(loadHere(["app:app", "--forwarded-allow-ips="]).forwardedAllowIps, []);
    const { forwardedAllowIps } = loadHere(["app:app"], { TYPHON_FORWARDED_ALLOW_IPS: "" });
    assert.deepEqual(forwardedAllowIps, []);
  });
  test("WEB_CONCURRENCY and FORWARDED_ALLOW_IPS count after ours", () => {
    const others = { WEB_CONCURRENCY: "7", FORWARDED_ALLOW_IPS: "*" };
    assert.partialDeepStrictEqual(loadHere(["app:app"], others), {
      workers: 7,
      forwardedAllowIps: ["*"],
    });
    assert.equal(loadHere(["app:app"], { ...others, TYPHON_WORKERS: "2" }).workers, 2);
    for (const text of ["x", "auto", "0", "2.5", "1 2"])
      assert.match(
        failure(["app:app"], { WEB_CONCURRENCY: text }),
        new RegExp(`^WEB_CONCURRENCY '${text}' must be a whole number from 1 `),
      );
  });
  test("blanks around the variables of platforms do not count, and nothing but blanks is nothing", () => {
    const padded = {
      WEB_CONCURRENCY: " 7\n",
      FORWARDED_ALLOW_IPS: " 10.0.0.0/8 , ::1 ",
      PORT: "81 ",
    };
    assert.partialDeepStrictEqual(loadHere(["app:app"], padded), {
      workers: 7,
      forwardedAllowIps: ["10.0.0.0/8", "::1"],
      bind: [{ kind: "tcp", scheme: "http", host: "0.0.0.0", port: 81 }],
    });
    // Heroku writes a leading zero.
    assert.equal(loadHere(["app:app"], { WEB_CONCURRENCY: "02" }).workers, 2);
    for (const blank of ["", "  "]) {
      const { areWorkersChosen, bind } = loadHere(["app:app"], {
        WEB_CONCURRENCY: blank,
        PORT: blank,
      });
      assert.deepEqual([areWorkersChosen, bind], [false, "default"]);
    }
  });
  test("an empty FORWARDED_ALLOW_IPS trusts no peer, as with gunicorn and uvicorn", () => {
    for (const blank of ["", " "])
      assert.deepEqual(loadHere(["app:app"], { FORWARDED_ALLOW_IPS: blank }).forwardedAllowIps, []);
  });
  test("a missing $TMPDIR falls back to the folders that every system has", () => {
    const usual = { TMPDIR: join(scratch, "folder") };
    assert.equal(loadHere(["app:app"], usual).tempDir, usual.TMPDIR);
    for (const TMPDIR of [join(scratch, "gone"), "/proc/self"])
      assert.match(loadHere(["app:app"], { TMPDIR }).tempDir, /^\/(var\/)?tmp$/);
  });
  test("a log file that cannot be opened is refused, whatever its rights say", () => {
    for (const target of ["folder", "/proc/none", "slow"]) {
      if (target === "slow") execFileSync("mkfifo", [join(scratch, target)]);
      assert.match(
        failure(["app:app", "--access-log", target]),
        /is no file that this user may write, or a FIFO that nobody reads;/,
      );
    }
  });
  test("a bad value is shown escaped and cut", () => {
    const line = failure(["app:app", "-w", `\u001b[31m\n${"9".repeat(200)}`]);
    assert.match(line, /^--workers '\\x1b\[31m\\x0a9+…' must be/);
  });
});
