// Options of other servers: none of gunicorn's and uvicorn's is unexplained; values with other units or words become
// ours; what would be lost silently is refused.

import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, test } from "node:test";

import type { ApplicationConfiguration, Configuration } from "../../src/config/configuration.ts";
import { asksForCheck, readFlags } from "../../src/config/flags.ts";
import { FOREIGN_OPTIONS, SERVERS } from "../../src/config/foreign-options.ts";
import { load, pidFileOf } from "../../src/config/load.ts";
import { OperatorError } from "../../src/config/operator-error.ts";
import { OPTION_LIST, SWITCHES } from "../../src/config/schema.ts";
import { renderForeign } from "../../tools/render-foreign.ts";
import {
  GUNICORN_FLAGS,
  GUNICORN_SETTINGS,
  HOOKS,
  UVICORN_FLAGS,
  type FlagNames,
} from "../support/foreign-names.ts";

const scratch = mkdtempSync(join(tmpdir(), "typhon-foreign-"));
after(() => rmSync(scratch, { recursive: true }));
for (const folder of ["bin", "src", "run"]) mkdirSync(join(scratch, folder));
writeFileSync(join(scratch, "bin/python3"), "#!/bin/sh\n", { mode: 0o755 });
writeFileSync(join(scratch, "one.env"), "A=1\n");

const OWN = new Map(OPTION_LIST.map((option) => [option.name, option]));

type Loaded = Configuration & { readonly app: ApplicationConfiguration };

function loadHere(words: readonly string[], environment: Record<string, string> = {}): Loaded {
  const path = { PATH: join(scratch, "bin"), HOME: scratch };
  const configuration = load([...words], { ...path, ...environment }, scratch);
  const [app] = configuration.applications;
  assert.ok(app !== undefined);
  return { ...configuration, app };
}

function failure(words: readonly string[], environment: Record<string, string> = {}): string {
  try {
    loadHere(words, environment);
  } catch (error) {
    assert.ok(error instanceof OperatorError, String(error));
    return error.text;
  }
  return assert.fail(`${words.join(" ")} was accepted`);
}

/** The error of unknown flags; "" if the flag is known. */
function unknownness(words: string[]): string {
  try {
    readFlags(words);
    return "";
  } catch (error) {
    assert.ok(error instanceof OperatorError, String(error));
    return /^unknown option|needs a value|takes no value|^unexpected/.test(error.text)
      ? error.text
      : "";
  }
}

describe("the table", () => {
  const known = ({ values, switches }: FlagNames): string[] => [
    ...values.map((flag) => unknownness(["a:a", flag, "1"])),
    ...switches.map((flag) => unknownness(["a:a", flag])),
    // A switch takes no word, and a value is taken.
    ...switches.map((flag) => unknownness([flag, "a:a"])),
  ];
  test("each flag of gunicorn is explained", () => {
    assert.deepEqual(known(GUNICORN_FLAGS).filter(Boolean), []);
  });
  test("each flag of uvicorn is explained", () => {
    // uvicorn's --access-log has no value, ours has one: before another flag, or at the end, it needs none.
    const own = unknownness(["--access-log", "a:a"]);
    assert.equal(own, "");
    assert.deepEqual(known(UVICORN_FLAGS).filter(Boolean), []);
  });
  test("each setting of gunicorn.conf.py is explained, or is a hook", () => {
    const settings = new Set(FOREIGN_OPTIONS.map(({ setting }) => setting));
    const unexplained = GUNICORN_SETTINGS.filter(
      (name) => !settings.has(name) && !HOOKS.test(name),
    );
    // A file of settings names no other file.
    assert.deepEqual(unexplained, ["config"]);
    const invented = [...settings].filter(
      (name) => name !== "" && !GUNICORN_SETTINGS.includes(name),
    );
    assert.deepEqual(invented, []);
  });
  test("a flag stands in one row, and a setting too", () => {
    const flags = FOREIGN_OPTIONS.flatMap((row) => row.flags);
    assert.deepEqual(
      flags.filter((flag, at) => flags.indexOf(flag) !== at),
      [],
    );
    const settings = FOREIGN_OPTIONS.map(({ setting }) => setting).filter((name) => name !== "");
    assert.deepEqual(
      settings.filter((name, at) => settings.indexOf(name) !== at),
      [],
    );
    for (const { flags: own, setting } of FOREIGN_OPTIONS)
      assert.ok(own.length > 0 || setting !== "");
  });
  test("a flag of ours means the same in its row, and what a row names is an option of ours", () => {
    const switches = new Set<string>(SWITCHES.map(({ name }) => name));
    for (const { flags, kind, ours, takesValue } of FOREIGN_OPTIONS)
      for (const flag of flags) {
        assert.ok(!switches.has(flag), flag);
        const own = OWN.get(flag);
        if (own !== undefined) {
          assert.deepEqual([kind, ours], ["same", flag]);
          assert.equal(takesValue, own.placeholder !== null, flag);
        }
      }
    // "app" is the argument, "check" the command.
    const missing = FOREIGN_OPTIONS.map(({ ours }) => ours).filter(
      (name) => name !== "" && !OWN.has(name),
    );
    const mayMiss = new Set(["app", "check"]);
    assert.deepEqual(
      missing.filter((name) => !mayMiss.has(name)),
      [],
    );
  });
  test("each row says of something that has no meaning, or is refused, why", () => {
    for (const { flags, setting, kind, note, servers } of FOREIGN_OPTIONS) {
      if (kind === "idle" || kind === "refused") assert.ok(note.length > 5, flags[0] ?? setting);
      assert.ok(servers.length > 0 && servers.every((server) => SERVERS.includes(server)));
      assert.doesNotMatch(note, /[|\n]/);
    }
  });
  test("docs/guide/options-of-others.md is what it renders (node tools/render-foreign.ts)", () => {
    const url = new URL("../../docs/guide/options-of-others.md", import.meta.url);
    assert.equal(readFileSync(url, "utf8"), renderForeign());
  });
});

interface Case {
  readonly words: string;
  readonly app?: Partial<ApplicationConfiguration>;
  readonly listeners?: Partial<Configuration["listeners"]>;
  readonly process?: Partial<Configuration["process"]>;
  readonly logs?: Partial<Configuration["logs"]>;
}

const tcp = (
  host: string,
  port: number,
): { kind: "tcp"; host: string; port: number; scheme: "http" } => ({
  kind: "tcp",
  scheme: "http",
  host,
  port,
});
const unix = (path: string): { kind: "unix"; path: string; scheme: "http" } => ({
  kind: "unix",
  path: join(scratch, path),
  scheme: "http",
});

const CASES: readonly Case[] = [
  // gunicorn
  { words: "--worker-connections 50", app: { concurrency: 50 } },
  { words: "-t 0", app: { timeoutMs: 0 } },
  {
    words: "--keep-alive 5 --limit-request-line 0",
    listeners: { keepAliveMs: 5000, maxRequestLine: 262_144 },
  },
  { words: "--limit-request-field_size 16380", listeners: { maxRequestHead: 16_380 + 32_768 } },
  { words: "--limit-request-field_size 0", listeners: { maxRequestHead: 262_144 } },
  {
    words: "-b unix:///run/x.sock".replace("/run", `${scratch}/run`),
    listeners: { bind: [unix("run/x.sock")] },
  },
  { words: "--fd 3 --fd 0", listeners: { descriptors: [3, 0] } },
  { words: "-b fd://5", listeners: { descriptors: [5], bind: "default" } },
  { words: "-b tcp://127.0.0.1:9", listeners: { bind: [tcp("127.0.0.1", 9)] } },
  { words: "-p run/x.pid -m 007", process: { pid: join(scratch, "run/x.pid"), umask: 0o7 } },
  { words: "-p 80", listeners: { bind: [tcp("127.0.0.1", 80)] } },
  { words: "--umask 22", process: { umask: 0o26 } },
  { words: "--umask 0o22", process: { umask: 0o22 } },
  {
    words: "--pid run/x.pid --access-logfile -",
    process: { pid: join(scratch, "run/x.pid") },
    logs: { accessLog: "-" },
  },
  { words: "--log-level critical", logs: { level: "error" } },
  { words: "--log-file - --error-logfile=-", logs: { level: "info" } },
  {
    words: "--asgi-disconnect-grace-period 0",
    app: { cancelOnDisconnect: true, abandonTimeoutMs: 120_000 },
  },
  { words: "--asgi-disconnect-grace-period 3", app: { abandonTimeoutMs: 3000 } },
  {
    words: "-k uvicorn.workers.UvicornWorker --timeout 90",
    app: { loopTimeoutMs: 90_000, asgiTimeoutMs: 0 },
  },
  { words: "-k gthread --timeout 90", app: { loopTimeoutMs: 30_000, timeoutMs: 90_000 } },
  { words: "--asgi-loop uvloop --asgi-lifespan off", app: { loop: "uvloop", lifespan: "off" } },
  {
    words: "--websocket-max-message-size 1048576",
    app: {
      webSockets: {
        maxMessageBytes: 1_048_576,
        pingIntervalMs: 20_000,
        pingTimeoutMs: 20_000,
        mayCompress: true,
      },
    },
  },
  { words: "--proxy-protocol", listeners: { proxyProtocol: true } },
  { words: "--proxy-protocol auto", listeners: { proxyProtocol: true } },
  { words: "--proxy-protocol off", listeners: { proxyProtocol: false } },
  { words: "--http2-cleartext prior-knowledge", listeners: { h2c: true } },
  {
    words: "--http2-cleartext upgrade --http-protocols h1",
    listeners: { h2c: false, http2: false },
  },
  { words: "--http-protocols h2,h1", listeners: { http2: true } },
  { words: "--pythonpath src", app: { appDir: join(scratch, "src") } },
  { words: "--chdir src", app: { appDir: join(scratch, "src"), cwd: join(scratch, "src") } },
  { words: "-e A=1 --env B=2", app: { env: { A: "1", B: "2" } } },
  // uvicorn
  { words: "--uds run/u.sock", listeners: { bind: [unix("run/u.sock")] } },
  {
    words: "--limit-concurrency 20 --limit-max-requests 9 --limit-max-requests-jitter 3",
    app: { concurrency: 20, maxRequests: 9, maxRequestsJitter: 3 },
  },
  {
    words: "--timeout-keep-alive 65 --timeout-graceful-shutdown 8",
    listeners: { keepAliveMs: 65_000 },
    process: { gracefulTimeoutMs: 8000 },
  },
  { words: "--h11-max-incomplete-event-size 65536", listeners: { maxRequestHead: 65_536 } },
  { words: "--h11-max-incomplete-event-size 512", listeners: { maxRequestHead: 1024 } },
  { words: "--no-proxy-headers", listeners: { forwardedAllowIps: [] } },
  {
    words: "--proxy-headers --server-header --date-header --use-colors --http h11 --ws auto",
    logs: { accessLog: "off" },
  },
  {
    words: "--access-log --port 80",
    logs: { accessLog: "-" },
    listeners: { bind: [tcp("127.0.0.1", 80)] },
  },
  { words: "--access-log", logs: { accessLog: "-" } },
  { words: "--no-access-log --log-level trace", logs: { accessLog: "off", level: "debug" } },
  { words: "--interface asgi3 --loop zuvloop", app: { interface: "asgi", loop: "auto" } },
  { words: "--env-file one.env --factory", app: { env: { A: "1" }, app: "app:app()" } },
  {
    words: "--app-dir src --root-path /api",
    app: { appDir: join(scratch, "src"), rootPath: "/api" },
  },
  // Hypercorn, Granian, Waitress, uWSGI
  {
    words: "--insecure-bind 127.0.0.1:81 --read-timeout 9",
    listeners: { bind: [tcp("127.0.0.1", 81)], bodyTimeoutMs: 9000 },
  },
  {
    words: "--blocking-threads 3 --backpressure 7 --workers-lifetime 1h30m --workers-max-rss 512",
    app: { threads: 3, concurrency: 7, maxAgeMs: 5_400_000, maxRss: 536_870_912 },
  },
  {
    words: "--http 1 --no-http1-keep-alive --url-path-prefix /x",
    listeners: { http2: false, keepAliveMs: 0 },
    app: { rootPath: "/x" },
  },
  {
    words: "--listen=*:8080 --call --channel-timeout=9",
    listeners: { bind: [tcp("0.0.0.0", 8080)], keepAliveMs: 9000 },
    app: { app: "app:app()" },
  },
  {
    words: "--http :8080 --processes 3 --harakiri 9 --master --vacuum",
    listeners: { bind: [tcp("0.0.0.0", 8080)] },
    app: { workers: 3, timeoutMs: 9000 },
  },
];

describe("flags of other servers", () => {
  for (const { words, ...expected } of CASES)
    test(words.replaceAll(scratch, ""), () => {
      assert.partialDeepStrictEqual(loadHere(["app:app", ...words.split(" ")]), expected);
    });
  test("fields of responses are set and removed", () => {
    const [route] = loadHere([
      "a:a",
      "--header",
      "X-A:b",
      "--header",
      "X-C: d",
      "--no-server-header",
      "--no-date-header",
    ]).routes;
    assert.deepEqual(route?.policy.setHeaders, [
      ["X-A", "b"],
      ["X-C", "d"],
    ]);
    assert.deepEqual(route.policy.removeHeaders, ["Server", "Date"]);
  });
  test("a name of ours wins over another server's", () => {
    assert.equal(
      loadHere(["a:a", "--concurrency", "5", "--worker-connections", "9"]).app.concurrency,
      5,
    );
  });
  test("an application is the argument, also as uWSGI names it", () => {
    assert.equal(loadHere(["--module", "shop.wsgi:application"]).app.app, "shop.wsgi:application");
    assert.match(failure(["a:a", "--module", "b:b"]), /^unexpected 'b:b'/);
  });
  test("--check-config is typhon check", () => {
    assert.equal(asksForCheck(readFlags(["a:a", "--check-config"])), true);
    assert.equal(asksForCheck(readFlags(["a:a", "--print-config"])), true);
    assert.equal(asksForCheck(readFlags(["a:a"])), false);
  });
});

describe("one line each", () => {
  const notices = (words: string, environment: Record<string, string> = {}): readonly string[] =>
    loadHere(["app:app", ...words.split(" ").filter(Boolean)], environment).notices;
  test("what is called otherwise, with its name here", () => {
    assert.deepEqual(notices("--worker-connections 50 --access-logfile -"), [
      "--worker-connections is --concurrency here: under ASGI; further requests wait in the queue",
      "--access-logfile is --access-log here",
    ]);
  });
  test("what has no meaning, with the reason; twice the same is told once", () => {
    assert.deepEqual(notices("--worker-tmp-dir /dev/shm --worker-tmp-dir /tmp"), [
      "--worker-tmp-dir has no meaning here: there are no heartbeat files; --temp-dir is for large bodies",
    ]);
    assert.match(notices("-k gevent")[0] ?? "", /^-k has no meaning here: WSGI runs in threads/);
  });
  test("a value with another word here", () => {
    assert.deepEqual(notices("--log-level critical"), ["--log-level 'critical' is 'error' here"]);
  });
  test("nothing where the names and values are ours, or ask for what is so", () => {
    assert.deepEqual(
      notices(
        "-w 2 --threads 2 --timeout 9 --log-level info --log-file - --server-header --proxy-protocol off",
      ),
      [],
    );
  });
  test("a gunicorn.conf.py that is not read", () => {
    const path = join(scratch, "gunicorn.conf.py");
    writeFileSync(path, "");
    assert.deepEqual(notices(""), [
      "gunicorn.conf.py is here; --gunicorn-conf gunicorn.conf.py reads it",
    ]);
    rmSync(path);
  });
});

describe("refused, because an effect would be lost", () => {
  for (const [words, line] of [
    ["--daemon", /^--daemon is refused: a service manager/],
    ["-D", /^-D is refused: a service manager/],
    [
      "--log-file gunicorn.log",
      /^--log-file 'gunicorn.log' is refused: the log goes to standard error/,
    ],
    ["--ssl-version 3", /^--ssl-version '3' asks for a version of TLS that is not spoken/],
    ["--ssl-version TLSv1_1", /is not spoken/],
    ["--ssl-protocol-min tls1.3", /TLS 1.2 is spoken as well/],
    ["--ssl-crl crl.pem", /revoked certificates are not read/],
    ["--ssl-keyfile-password secret", /write the password into a file/],
    ["--proxy-allow-from 10.0.0.1", /write the addresses into --forwarded-allow-ips/],
    ["--protocol uwsgi", /only HTTP is/],
    ["--socket 127.0.0.1:3031", /the uwsgi protocol/],
    ["--fd 1", /^--fd '1' must be the number of an open socket/],
    ["--paste conf.ini", /paste.deploy.loadapp/],
    ["--interface asgi2", /guarantee_single_callable/],
    ["--pythonpath src,lib", /names several folders/],
    ["--dirty-app a:b", /task queue/],
  ] as const)
    test(words, () => assert.match(failure(["app:app", ...words.split(" ")]), line));
  test("but not where the value asks for what is so", () => {
    const words =
      "--ssl-version 17 --ssl-protocol-min tls1.2 --proxy-allow-from 127.0.0.1 --protocol http";
    assert.equal(loadHere(["app:app", ...words.split(" ")]).app.app, "app:app");
  });
  test("a misspelt flag of ours is still guessed", () => {
    assert.throws(
      () => readFlags(["a:a", "--worker"]),
      /unknown option --worker; did you mean --workers\?/,
    );
    assert.throws(() => readFlags(["a:a", "--zzz"]), /unknown option --zzz; see typhon --help/);
  });
  test("--factory needs the name of a function", () => {
    assert.match(
      failure(["shop", "--factory"]),
      /^--factory needs the name of the function: application 'shop' has none/,
    );
  });
});

describe("GUNICORN_CMD_ARGS", () => {
  const args = (text: string): Record<string, string> => ({ GUNICORN_CMD_ARGS: text });
  test("holds flags in shell words, behind our flags and variables", () => {
    const given = args("-w 3 --threads=5 --env 'NAME=two words' --keep-alive 7 other:app");
    const { app, listeners } = loadHere(["app:app", "--threads", "2"], given);
    assert.partialDeepStrictEqual(app, {
      workers: 3,
      threads: 2,
      env: { NAME: "two words" },
      app: "app:app",
    });
    assert.equal(listeners.keepAliveMs, 7000);
    assert.equal(loadHere(["a:a"], { ...given, TYPHON_WORKERS: "8" }).app.workers, 8);
    assert.equal(loadHere(["a:a"], { ...given, WEB_CONCURRENCY: "8" }).app.workers, 3);
  });
  test("names itself in mistakes and notices", () => {
    assert.equal(
      failure(["a:a"], args("-w many")),
      "GUNICORN_CMD_ARGS --workers 'many' must be a whole number from 1 to 1024",
    );
    assert.equal(
      failure(["a:a"], args("--nonsense")),
      "GUNICORN_CMD_ARGS: unknown option --nonsense; see typhon --help",
    );
    assert.equal(
      failure(["a:a"], args("-w '3")),
      "GUNICORN_CMD_ARGS has a quote ' that is not closed",
    );
    assert.match(failure(["a:a"], args("--daemon")), /^GUNICORN_CMD_ARGS: --daemon is refused/);
    assert.match(
      loadHere(["a:a"], args("--worker-tmp-dir /tmp")).notices[0] ?? "",
      /^GUNICORN_CMD_ARGS --worker-tmp-dir has no meaning/,
    );
  });
  test("may name typhon.toml, and the PID file for typhon reload", () => {
    writeFileSync(join(scratch, "named.toml"), 'app = "shop:app"\nthreads = 6\n');
    assert.equal(loadHere([], args("-c named.toml")).app.threads, 6);
    const pid = pidFileOf(readFlags([]), args("--pid run/x.pid"), scratch);
    assert.equal(pid, join(scratch, "run/x.pid"));
  });
  test("wins over typhon.toml, and an empty one is none", () => {
    writeFileSync(join(scratch, "typhon.toml"), 'app = "shop:app"\nworkers = 5\nthreads = 6\n');
    assert.partialDeepStrictEqual(loadHere([], args("-w 3")).app, { workers: 3, threads: 6 });
    assert.equal(loadHere([], args(" ")).app.workers, 5);
    rmSync(join(scratch, "typhon.toml"));
  });
});

describe("UVICORN_… variables", () => {
  test("are read as uvicorn reads them", () => {
    const { app, listeners, logs, routes, notices } = loadHere([], {
      UVICORN_APP: "shop.main:app",
      UVICORN_HOST: "0.0.0.0",
      UVICORN_PORT: "9001",
      UVICORN_WORKERS: "3",
      UVICORN_ACCESS_LOG: "false",
      UVICORN_PROXY_HEADERS: "0",
      UVICORN_SERVER_HEADER: "no",
      UVICORN_HEADER: "X-A:1 X-B:2",
      UVICORN_TIMEOUT_KEEP_ALIVE: "11",
      UVICORN_LIFESPAN: "on",
      UVICORN_UNKNOWN: "1",
    });
    assert.partialDeepStrictEqual(app, { app: "shop.main:app", workers: 3, lifespan: "on" });
    assert.partialDeepStrictEqual(listeners, {
      bind: [tcp("0.0.0.0", 9001)],
      keepAliveMs: 11_000,
      forwardedAllowIps: [],
    });
    assert.equal(logs.accessLog, "off");
    assert.deepEqual(routes[0]?.policy.setHeaders, [
      ["X-A", "1"],
      ["X-B", "2"],
    ]);
    assert.deepEqual(routes[0].policy.removeHeaders, ["Server"]);
    assert.match(
      notices[0] ?? "",
      /^UVICORN_HOST, UVICORN_PORT, .*UVICORN_APP: read, as uvicorn does$/,
    );
  });
  test("come behind our own, and a service of Kubernetes named uvicorn counts for nothing", () => {
    const variables = { UVICORN_WORKERS: "3", UVICORN_PORT: "tcp://10.0.0.1:80" };
    const { app, listeners } = loadHere(["a:a"], { ...variables, TYPHON_WORKERS: "2" });
    assert.equal(app.workers, 2);
    assert.equal(listeners.bind, "default");
    assert.equal(loadHere(["a:a", "--workers", "4"], variables).app.workers, 4);
  });
  test("name themselves in mistakes", () => {
    assert.equal(
      failure(["a:a"], { UVICORN_WORKERS: "x" }),
      "UVICORN_WORKERS 'x' must be a whole number from 1 to 1024",
    );
    assert.match(
      failure(["a:a"], { UVICORN_SSL_KEYFILE_PASSWORD: "x" }),
      /^UVICORN_SSL_KEYFILE_PASSWORD .*is refused/,
    );
  });
});

test("relative paths start at --chdir, but not those of --config and --env-file", () => {
  writeFileSync(join(scratch, "site.toml"), "threads = 7\n");
  const words = [
    "a:a",
    "--chdir",
    "src",
    "--config",
    "site.toml",
    "--env-file",
    "one.env",
    "--pid",
    "x.pid",
  ];
  const { app, process } = loadHere(words);
  assert.partialDeepStrictEqual(app, { threads: 7, env: { A: "1" }, cwd: join(scratch, "src") });
  assert.equal(process.pid, join(scratch, "src/x.pid"));
});

test("odd values of every option are a short mistake, if they are one", { timeout: 60_000 }, () => {
  const flags = new Set([...OWN.keys(), ...FOREIGN_OPTIONS.flatMap(({ flags: own }) => own)]);
  // Its file is run before options are read.
  flags.delete("gunicorn-conf");
  const odd = [
    "__proto__",
    "constructor",
    "a\0b",
    "\u001b[31m\n",
    "9".repeat(400),
    "a".repeat(70_000),
  ];
  for (const flag of flags)
    for (const value of odd)
      try {
        const dashes = flag.length === 1 ? "-" : "--";
        loadHere(["a:a", `${dashes}${flag}${dashes === "-" ? "" : "="}${value}`]);
      } catch (error) {
        assert(error instanceof OperatorError, `${flag} ${value.slice(0, 20)}: ${String(error)}`);
        assert(error.text.length < 2000, flag);
        assert.doesNotMatch(error.text, /(?!\n)\p{Cc}/u);
      }
});
