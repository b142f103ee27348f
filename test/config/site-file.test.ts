// typhon.toml: which file is read, what its tables become, which source wins, and every mistake as one line with the
// file, the line, the key and what is allowed.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, test } from "node:test";

import fc from "fast-check";

import { MAX_ENTRIES } from "../../src/discovery/python-files.ts";
import type {
  ApplicationConfiguration,
  Configuration,
  RouteConfiguration,
  RouteTarget,
} from "../../src/config/configuration.ts";
import { MAX_APPLICATIONS, MAX_ROUTES } from "../../src/config/file-tables.ts";
import { MAX_INDEX_NAMES } from "../../src/config/routes.ts";
import { readFlags } from "../../src/config/flags.ts";
import {
  ConfigurationReader,
  load,
  pidFileOf,
  programConfiguration,
} from "../../src/config/load.ts";
import { OperatorError } from "../../src/config/operator-error.ts";
import { MAX_FILE_BYTES, readToml } from "../../src/config/toml-file.ts";

const scratch = mkdtempSync(join(tmpdir(), "typhon-site-"));
after(() => rmSync(scratch, { recursive: true }));
const bin = join(scratch, "bin");
for (const folder of ["bin", "public/sub", "errors", "shop", "code/inner", "empty", "elsewhere"])
  mkdirSync(join(scratch, folder), { recursive: true });
for (const [name, mode] of [["bin/python3", 0o755]] as const) {
  writeFileSync(join(scratch, name), "#!/bin/sh\n");
  chmodSync(join(scratch, name), mode);
}
for (const name of [
  "public/index.html",
  "public/ö.html",
  "users",
  "shop/main.py",
  "code/inner/views.py",
])
  writeFileSync(join(scratch, name), "");

let files = 0;
/** Writes a file of its own into the scratch folder, and returns its name. */
function toml(text: string): string {
  files += 1;
  const name = `${files}.toml`;
  writeFileSync(join(scratch, name), text);
  return name;
}

function loadText(
  text: string,
  words: readonly string[] = [],
  environment: Record<string, string> = {},
): Configuration {
  return load(["--config", toml(text), ...words], { PATH: bin, ...environment }, scratch);
}

/** The lines of a configuration's mistakes, without the name of the file: "3: key …". */
function mistakes(text: string, words: readonly string[] = [], environment = {}): string[] {
  try {
    loadText(text, words, environment);
  } catch (error) {
    assert.ok(error instanceof OperatorError, String(error));
    assert.equal(error.exitCode, 2);
    return error.text.split("\n").map((line) => line.replace(`${files}.toml:`, ""));
  }
  return assert.fail(`accepted: ${text}`);
}

function one(text: string, words: readonly string[] = []): ApplicationConfiguration {
  const [application] = loadText(text, words).applications;
  assert.ok(application !== undefined);
  return application;
}

function route(text: string): RouteConfiguration {
  const [first] = loadText(text).routes;
  assert.ok(first !== undefined);
  return first;
}

const APP = 'app = "app:app"\n';
/** A route whose target is always right. */
const ROUTE = '[[routes]]\nrespond = ""\n';

describe("which file", () => {
  test("typhon.toml of the working folder is read where no application is given", () => {
    const cwd = join(scratch, "elsewhere");
    const read = (words: string[], environment = {}): string | undefined =>
      load(words, { PATH: bin, ...environment }, cwd).applications[0]?.app;
    assert.throws(() => read([]), { text: /^no application given/ });
    writeFileSync(join(cwd, "typhon.toml"), 'app = "from.file:app"\n');
    assert.equal(read([]), "from.file:app");
    assert.equal(read(["app:app"]), "app:app");
    assert.equal(read([], { TYPHON_APP: "b:app" }), "b:app");
    writeFileSync(join(cwd, "other.toml"), 'app = "other:app"\n');
    assert.equal(read([], { TYPHON_CONFIG: "other.toml" }), "other:app");
    assert.equal(read(["-c", "other.toml", "app:app"]), "app:app");
    writeFileSync(join(cwd, "typhon.toml"), "x");
    assert.throws(() => read([]), { text: /^typhon\.toml:1: this is no TOML: / });
    assert.equal(read(["app:app"]), "app:app");
    rmSync(join(cwd, "typhon.toml"));
    mkdirSync(join(cwd, "typhon.toml"));
    assert.throws(() => read([]), { text: /^typhon\.toml is no file/ });
  });
  test("a file that cannot be read, is no text or is too large is one line", () => {
    const { length } = mistakes("\0");
    assert.equal(length, 1);
    assert.match(mistakes("#".repeat(1_048_577))[0] ?? "", /is too large: at most 1048576 bytes/);
    assert.throws(() => load(["-c", "gone.toml"], { PATH: bin }, scratch), {
      text: "-c 'gone.toml' is no file; name one that exists".replace("-c", "--config"),
    });
  });
  test("faults of syntax name their line", () => {
    assert.match(
      mistakes('a = "x" y')[0] ?? "",
      /^1: this is no TOML: Must be a newline \(column 9\)$/,
    );
    assert.match(mistakes("\nworkers = \n")[0] ?? "", /^2: this is no TOML: /);
    assert.match(mistakes("workers = 1\nworkers = 2")[0] ?? "", /^2: .*multiple times/);
  });
  test("relative paths start at the file's folder", () => {
    mkdirSync(join(scratch, "conf", "logs"), { recursive: true });
    mkdirSync(join(scratch, "conf", "web"));
    writeFileSync(join(scratch, "conf", "web", "main.py"), "");
    writeFileSync(
      join(scratch, "conf", "site.toml"),
      'app = "web/main.py"\npid = "logs/pid"\naccess-log = "logs/access"\nbind = "unix:s"\nsendfile = "web"\nstatic = "/w=web"\n',
    );
    const { applications, process, logs, listeners, routes } = load(
      ["-c", "conf/site.toml"],
      { PATH: bin },
      scratch,
    );
    const conf = join(scratch, "conf");
    assert.partialDeepStrictEqual(applications[0], {
      app: join(conf, "web/main.py"),
      appDir: conf,
      cwd: scratch,
      sendfile: [{ prefix: "", folder: join(conf, "web") }],
    });
    assert.equal(process.pid, join(conf, "logs/pid"));
    assert.equal(logs.accessLog, join(conf, "logs/access"));
    assert.deepEqual(listeners.bind, [{ kind: "unix", scheme: "http", path: join(conf, "s") }]);
    assert.partialDeepStrictEqual(routes[0]?.target, { folder: join(conf, "web") });
  });
  test("folders keep the links by which the user came to them", () => {
    const link = join(scratch, "current");
    symlinkSync(scratch, link);
    const { applications, routes } = loadText(`${APP}static = "/p=public"`, [], { PWD: link });
    assert.equal(applications[0]?.appDir, link);
    assert.partialDeepStrictEqual(routes[0]?.target, { folder: join(link, "public") });
  });
});

describe("which source wins", () => {
  const text = `workers = 2\nthreads = 2\nqueue = 2\nmax-requests = 2
    [apps.shop]\napp = "shop:app"\nworkers = 3\nthreads = 3\nqueue = 3\n`;
  const others = { WEB_CONCURRENCY: "9" };
  test("flag, variable, [apps.NAME], top level, variables of other servers, default", () => {
    const variables = { TYPHON_WORKERS: "4", TYPHON_THREADS: "4", ...others };
    assert.partialDeepStrictEqual(loadText(text, ["--workers", "5"], variables).applications[0], {
      workers: 5,
      threads: 4,
      queue: 3,
      maxRequests: 2,
      concurrency: 1024,
    });
    assert.equal(loadText("app = 'a:b'", [], others).applications[0]?.workers, 9);
    assert.equal(loadText("app = 'a:b'\nworkers = 2", [], others).applications[0]?.workers, 2);
  });
  test("a flag holds for each application", () => {
    const two = `[apps.a]\napp = "a:a"\nworkers = 2\n[apps.b]\napp = "b:b"\n
      [[routes]]\napp = "a"\npath = "/a"\n[[routes]]\napp = "b"\n`;
    const workers = (words: string[]): unknown[] =>
      loadText(two, ["--reload", ...words]).applications.map((each) => each.workers);
    assert.deepEqual(workers([]), [2, 1]);
    assert.deepEqual(workers(["-w", "7"]), [7, 7]);
  });
  test("a flag wins over a route's key, and that over the top level", () => {
    const both = (top: string, own: string): string =>
      `${top}\n[[routes]]\nstatic = "public"\n${own}`;
    const compress = (top: string, own: string, words: string[] = []): unknown =>
      loadText(both(top, own), words).routes[0]?.policy.compress;
    assert.equal(compress('compress = "off"', 'compress = "all"'), "all");
    assert.equal(compress('compress = "off"', ""), "off");
    assert.equal(compress("", 'compress = "all"', ["--compress=files"]), "files");
  });
  test("env of an application is added to env of the top level; a flag stands above both", () => {
    const { env } = one(
      'env = { A = "top", B = "top", C = "top" }\n[apps.x]\napp = "x:x"\n[apps.x.env]\nB = "own"\nC = "own"\nN = 1\nT = true\n',
      ["-e", "C=flag"],
    );
    assert.deepEqual(env, { A: "top", B: "own", C: "flag", N: "1", T: "true" });
  });
  test("env-file: of the top level for all, of one application for that one alone", () => {
    writeFileSync(join(scratch, "all.env"), "WHO=all\nTYPHON_THREADS=7\n");
    writeFileSync(join(scratch, "own.env"), "WHO=own\nTYPHON_QUEUE=7\n");
    const { applications } = loadText(
      `env-file = "all.env"\n[apps.a]\napp = "a:a"\nenv-file = "own.env"\n[apps.b]\napp = "b:b"
       [[routes]]\napp = "a"\n[[routes]]\napp = "b"\npath = "/b"`,
    );
    assert.deepEqual(
      applications.map(({ env, threads, queue }) => [env["WHO"], threads, queue]),
      [
        ["own", 7, 1000],
        ["all", 7, 1000],
      ],
    );
  });
  test("an address of the file gives way to one of the command line", () => {
    const bind = (words: string[]): unknown =>
      loadText(`${APP}bind = "127.0.0.1:1"`, words).listeners.bind;
    assert.deepEqual(bind([]), [{ kind: "tcp", scheme: "http", host: "127.0.0.1", port: 1 }]);
    assert.deepEqual(bind(["-p", "2"]), [
      { kind: "tcp", scheme: "http", host: "127.0.0.1", port: 2 },
    ]);
    assert.match(
      mistakes(`${APP}bind = ":1"\nport = 2`)[0] ?? "",
      /^2: bind and .*:3: port exclude/,
    );
  });
});

describe("applications", () => {
  test("app alone is a whole site", () => {
    const { applications, routes } = loadText(APP);
    assert.deepEqual(
      applications.map(({ name, app, rootPath }) => [name, app, rootPath]),
      [["", "app:app", ""]],
    );
    assert.partialDeepStrictEqual(routes, [{ host: "", path: "" }]);
  });
  test("a single [apps.NAME] without routes has every path", () => {
    const { applications, routes } = loadText('[apps.shop]\napp = "shop:app"\ndir = "shop"');
    assert.partialDeepStrictEqual(applications, [{ name: "shop", appDir: join(scratch, "shop") }]);
    assert.partialDeepStrictEqual(routes, [
      { host: "", path: "", target: { kind: "application", application: "shop" } },
    ]);
  });
  test("a site of files has none", () => {
    const { applications, routes, process } = loadText('[[routes]]\nstatic = "public"');
    assert.deepEqual([applications, process.reloadDirs], [[], []]);
    assert.equal(routes.length, 1);
  });
  test("--reload watches the folders of all of them", () => {
    const { process } = loadText(
      `[apps.a]\napp = "a:a"\ndir = "shop"\n[apps.b]\napp = "b:b"\n[apps.c]\napp = "code/inner/views.py"\ndir = "shop"
       [[routes]]\napp = "a"\n[[routes]]\napp = "b"\npath = "/b"\n[[routes]]\napp = "c"\npath = "/c"`,
    );
    const folders = ["shop", "", "code/inner"].map((name) => join(scratch, name));
    assert.deepEqual(process.reloadDirs, folders);
  });
  const ROOTS: readonly [string, string, string][] = [
    ["the one path of its routes", 'path = "/shop"\napp = "a"', "/shop"],
    ["readable, while the route has bytes", 'path = "/straße"\napp = "a"', "/straße"],
    ["the same path on two hosts", 'path = "/s"\napp = "a"\nhost = ["a", "b"]', "/s"],
    ["none with strip-prefix = false", 'path = "/shop"\napp = "a"\nstrip-prefix = false', ""],
    ["none for several paths", 'path = "/s"\napp = "a"\n[[routes]]\npath = "/t"\napp = "a"', ""],
  ];
  for (const [what, keys, root] of ROOTS)
    test(`the root path is ${what}`, () => {
      assert.equal(one(`[apps.a]\napp = "a:a"\n[[routes]]\n${keys}`).rootPath, root);
    });
  test("root-path stands above the paths of the routes", () => {
    const text = '[apps.a]\napp = "a:a"\nroot-path = "/x"\n[[routes]]\napp = "a"\npath = "/x/y"';
    assert.equal(one(text).rootPath, "/x");
    assert.match(
      mistakes(text.replace("/x/y", "/z"))[0] ?? "",
      /^3: root-path '\/x' does not fit .*:4: \[\[routes\]\], whose path is '\/z'/,
    );
  });
  test("two root paths for one application are a mistake", () => {
    assert.match(
      mistakes(
        '[apps.a]\napp = "a:a"\n[[routes]]\napp = "a"\n[[routes]]\napp = "a"\npath = "/x"\nstrip-prefix = true',
      )[0] ?? "",
      /^5: \[\[routes\]\] and .*:3: \[\[routes\]\] give one application two root paths, '\/x' and ''; give root-path/,
    );
  });
});

describe("routes", () => {
  test("the most specific host comes first, then the longest path", () => {
    const table = (host: string, path: string): string =>
      `[[routes]]\n${host === "" ? "" : `host = "${host}"\n`}path = "${path}"\nrespond = ""\n`;
    const { routes } = loadText(
      [
        table("", "/"),
        table("*.b.c", "/"),
        table("a.b.c", "/"),
        table("*.c", "/long"),
        table("", "/x"),
        table("a.b.c", "/x/y"),
      ].join(""),
    );
    assert.deepEqual(
      routes.map(({ host, path }) => `${host}${path}`),
      ["a.b.c/x/y", "a.b.c", "*.b.c", "*.c/long", "/x", ""],
    );
  });
  const HOSTS: readonly [string, string][] = [
    ["Example.COM.", "example.com"],
    ["*.Bücher.example", "*.xn--bcher-kva.example"],
    ["127.0.0.1", "127.0.0.1"],
    ["::1", "[::1]"],
    ["[2001:DB8:0:0:0:0:0:1]", "[2001:db8::1]"],
    ["::ffff:192.0.2.1", "192.0.2.1"],
    ["localhost", "localhost"],
    ["my_app", "my_app"],
    ["1", "1"],
  ];
  for (const [given, host] of HOSTS)
    test(`the host ${given} becomes ${host}`, () => {
      assert.equal(route(`[[routes]]\nhost = "${given}"\nrespond = ""`).host, host);
    });
  const PATHS: readonly [string, string][] = [
    ["/", ""],
    ["/shop/", "/shop"],
    ["/straße", "/stra\u00c3\u009fe"],
    ["/日本", "/\u00e6\u0097\u00a5\u00e6\u009c\u00ac"],
    ["/a b/.well-known", "/a b/.well-known"],
  ];
  for (const [given, path] of PATHS)
    test(`the path ${given} becomes its bytes`, () => {
      assert.equal(route(`[[routes]]\npath = "${given}"\nrespond = ""`).path, path);
    });
  const TARGETS: readonly [string, object][] = [
    ['redirect = "/new{path}"', { kind: "redirect", status: 302, to: "/new{path}" }],
    [
      'redirect = "https://x.example{path}{query}"\nstatus = 308',
      { kind: "redirect", status: 308, to: "https://x.example{path}{query}" },
    ],
    [
      'respond = "down"\nstatus = 503',
      { kind: "respond", status: 503, contentType: "text/plain; charset=utf-8", body: "down" },
    ],
    ["respond = 410", { kind: "respond", status: 410, body: "" }],
    ['respond = "410"', { kind: "respond", status: 200, body: "410" }],
    [
      'respond = "{}"\ncontent-type = "application/json"',
      { kind: "respond", status: 200, contentType: "application/json", body: "{}" },
    ],
    [
      'static = "public"\nlisting = true\nfollow-symlinks = true\nfallback = "index.html"\nstrip-prefix = false',
      {
        kind: "static",
        folder: join(scratch, "public"),
        index: ["index.html"],
        listing: true,
        followSymlinks: true,
        hidden: [],
        fallback: "index.html",
        stripPrefix: false,
      },
    ],
    ['static = "public"\nindex = "default.htm"', { index: ["default.htm"] }],
    [
      'static = "public"\nindex = ["index.html", "ö.html"]',
      { index: ["index.html", "\u00c3\u00b6.html"] },
    ],
    ['static = "public"\nindex = false', { index: [] }],
    ['static = "public"\nfallback = "ö.html"', { fallback: "\u00c3\u00b6.html" }],
  ];
  for (const [keys, target] of TARGETS)
    test(`target: ${keys.replaceAll("\n", ", ")}`, () => {
      assert.partialDeepStrictEqual(route(`[[routes]]\n${keys}`).target, target);
    });
  test("the policy has all keys", () => {
    const { policy } = route(
      `${ROUTE}allow = ["10.0.0.0/8", "::1"]\ndeny = "10.1.0.0/16, 10.2.0.0/16, unix"\nbasic-auth = "users"
       headers = { X-Frame-Options = "DENY", "Server" = false }\ncache-control = "max-age=60"
       error-pages = "errors"\ncompress = "off"`,
    );
    assert.deepEqual(policy, {
      allow: ["10.0.0.0/8", "::1"],
      deny: ["10.1.0.0/16", "10.2.0.0/16", "unix"],
      basicAuth: join(scratch, "users"),
      setHeaders: [["X-Frame-Options", "DENY"]],
      removeHeaders: ["Server"],
      cacheControl: "max-age=60",
      errorPages: join(scratch, "errors"),
      compress: "off",
    });
  });
});

describe("flags of a site", () => {
  const site = (...words: string[]): Configuration => load(words, { PATH: bin }, scratch);
  const failure = (...words: string[]): string => {
    try {
      site(...words);
    } catch (error) {
      assert.ok(error instanceof OperatorError, String(error));
      return error.text;
    }
    return assert.fail(`accepted: ${words.join(" ")}`);
  };
  test("--static serves a folder at its prefix, without one at /static", () => {
    const paths = (...words: string[]): unknown[] =>
      site("app:app", ...words).routes.map(({ path, target }) => [path, target.kind]);
    assert.deepEqual(paths("--static", "public"), [
      ["/static", "static"],
      ["", "application"],
    ]);
    assert.deepEqual(paths("--static", "/a=public", "--static=/a/b=errors"), [
      ["/a/b", "static"],
      ["/a", "static"],
      ["", "application"],
    ]);
    assert.deepEqual(
      site("--static", "/=public").routes.map(({ path, target }) => [path, target.kind]),
      [["", "static"]],
    );
  });
  test("--mount serves more applications, each with its own root path", () => {
    const { applications, routes } = site("app:app", "--mount", "/api=api:make('a=b')");
    assert.deepEqual(
      applications.map(({ name, app, rootPath }) => [name, app, rootPath]),
      [
        ["/", "app:app", ""],
        ["/api", "api:make('a=b')", "/api"],
      ],
    );
    assert.partialDeepStrictEqual(routes, [{ path: "/api" }, { path: "" }]);
    assert.deepEqual(
      site("--mount", "/api=api:app").applications.map(({ name }) => name),
      ["/api"],
    );
    assert.match(failure("app:app", "--mount", "/api=a b"), /--mount '\/api=a b' must be module/);
    assert.match(
      failure("app:app", "--mount", "/=b:b"),
      /^--mount '\/=b:b' has the same host and path as application 'app:app': every host, '\/'$/,
    );
  });
  test("TYPHON_MOUNT has one on each line, TYPHON_STATIC commas", () => {
    const environment = {
      PATH: bin,
      TYPHON_MOUNT: "/a=a:make(1, 2)\n/b=b:b",
      TYPHON_STATIC: "/s=public,/e=errors",
    };
    const { routes } = load(["app:app"], environment, scratch);
    assert.deepEqual(
      routes.map(({ path }) => path),
      ["/a", "/b", "/s", "/e", ""],
    );
  });
  test("a path with a slash that is a folder is a site of files", () => {
    for (const folder of ["./public", "public/", join(scratch, "public")]) {
      const { applications, routes } = site(folder, "--listing");
      assert.deepEqual(applications, []);
      assert.partialDeepStrictEqual(routes, [
        { host: "", path: "", target: { folder: join(scratch, "public"), listing: true } },
      ]);
    }
    assert.equal(site("public").applications[0]?.app, "public");
  });
  test("the working folder and the one above it are folders too; one that is not there is said", () => {
    const folder = join(scratch, "public");
    mkdirSync(join(folder, "inner"));
    const targetOf = (word: string, cwd: string): RouteTarget | undefined =>
      load([word], {}, cwd).routes[0]?.target;
    assert.partialDeepStrictEqual(targetOf(".", folder), { folder });
    assert.partialDeepStrictEqual(targetOf("..", join(folder, "inner")), { folder });
    assert.match(mistakes('app = "."')[0] ?? "", /^1: app '\.' is a folder with Python files/);
    for (const gone of ["./gone/", "gone/", "/gone"])
      assert.match(failure(gone), /is no folder that exists, and no file of Python: write /);
    assert.match(
      failure("index.html"),
      /'index\.html' is a page: typhon \. serves the files here$/,
    );
  });
  test("a prefix without its slash is named", () => {
    assert.match(
      failure("--static", "static=public"),
      /^--static 'static=public' is no folder, and a prefix begins with a slash; write '\/static=public'$/,
    );
  });
  test("a folder with Python files is refused, however deep they are", () => {
    assert.match(
      failure("./code"),
      /^application '\.\/code' is a folder with Python files \('inner\/views\.py'\), .*; name the application, or write --static \/=\.\/code if that is meant$/,
    );
    assert.partialDeepStrictEqual(site("--static", "/=./code").routes, [
      { path: "", target: { folder: join(scratch, "code") } },
    ]);
  });
  test("flags and file together make one site", () => {
    const { applications, routes } = loadText(
      '[apps.api]\napp = "api:app"\n[[routes]]\napp = "api"\npath = "/api"',
      ["app:app", "--static", "/s=public"],
    );
    assert.deepEqual(
      applications.map(({ name }) => name),
      ["/", "api"],
    );
    assert.deepEqual(
      routes.map(({ path }) => path),
      ["/api", "/s", ""],
    );
  });
});

/** Everything that a file may have, in many forms of TOML. */
const EXAMPLE = `bind = ["127.0.0.1:0", "unix:s"]
env = { A = "b", N = 1 }
static = "/s=public"
timeout = [30, "/a=5"]
[apps.shop]
app = "shop:app"
dir = "shop"
[apps.shop.env]
B = 'c'
[[routes]]
host = ["a.example", "*.b.example"]
path = "/straße"
app = "shop"
[routes.headers]
X-A = """b"""
Server = false
[[routes]]
redirect = "https://x.example{path}"
status = 308
allow = ["10.0.0.0/8"]
[[routes]]
path = "/files"
static = "public"
fallback = "index.html"
`;

/** A text, and the lines of its mistakes: line number, key and what is allowed. */
const MISTAKES: readonly [string, ...RegExp[]][] = [
  [`${APP}workers = 0`, /^2: workers '0' must be a whole number from 1 to 1024$/],
  [`${APP}workers = "4"`, /^2: workers '4' must be a number without quotes$/],
  [`${APP}health = "yes"`, /^2: health 'yes' must be true or false without quotes$/],
  [`${APP}bind = 8000`, /^2: bind '8000' must be HOST:PORT.*for a port alone write :8000/],
  [`${APP}pid = 1979-05-27`, /^2: pid '1979-05-27' must be a string in quotes$/],
  [`${APP}socket-mode = 0o660`, /^2: socket-mode '432' must be a string in quotes$/],
  [`${APP}max-body = true`, /^2: max-body 'true' must be a size/],
  [`${APP}bind = []`, /^2: bind is empty; leave it out for the usual/],
  [`${APP}bind = [":1", "0.0.0.0:1"]`, /^2: bind '0\.0\.0\.0:1' stands twice; give it once$/],
  [`${APP}bind = ["unix:nowhere/s"]`, /^2: bind 'unix:nowhere\/s' is in a folder that is missing/],
  [`${APP}bind = "\\n"`, /^2: bind '\\x0a' must be HOST:PORT, [^\n]*unix:PATH$/],
  [`${APP}pid = "a\\u0000b"`, /^2: pid must have no \\u0000/],
  [
    `${APP}env = { A = { b = "1" } }`,
    /^2: A must be a string in quotes for each name, not a table$/,
  ],
  [
    '[app.shop]\napp = "a:a"',
    /^1: \[app\.shop\] must be a string in quotes, not a table; did you mean \[apps\.NAME\]\?$/,
    /names no application and no route/,
  ],
  [`${ROUTE}allow = []`, /^3: allow is empty; leave it out for the usual: every address$/],
  [`${ROUTE}allow = ""`, /^3: allow is empty/],
  [`${ROUTE}host = []`, /^3: host is empty; leave it out for the usual: every host$/],
  [`${APP}queue = [1]`, /^2: queue must be a number without quotes, not an array$/],
  [`${APP}queue = { a = 1 }`, /^2: queue must be a number without quotes, not a table$/],
  [`${APP}warmup = ["/a",\n\n "b"]`, /^4: warmup 'b' must be a path that begins with \//],
  [`${APP}warmup = [["/a"]]`, /^2: warmup must be a string in quotes, not an array$/],
  [`${APP}env = "A=1"`, /^2: env must be a table, such as \{ NAME = "value" \}$/],
  [`${APP}env = { A-B = "1" }`, /^2: A-B 'A-B=1' must be NAME=VALUE/],
  [`${APP}tiemout = 3`, /^2: tiemout is no key of the top level; did you mean timeout\?$/],
  [`${APP}keep_alive = 3`, /^2: keep_alive is no key of the top level; did you mean keep-alive\?$/],
  [`${APP}nonsense = 3`, /^2: nonsense is no key of the top level; see docs\/options\.md$/],
  [`${APP}config = "x"`, /^2: config is no key of the top level; see docs/],
  [
    `${APP}redirect = "/x"`,
    /^2: redirect is no key of the top level; it belongs to \[\[routes\]\]$/,
  ],
  [
    '[apps.a]\napp = "a:a"\nkeep-alive = 5',
    /^3: keep-alive is no key of \[apps\.NAME\]; it belongs to the top level$/,
  ],
  ['[apps.a]\napp = "a:a"\nworker = 5', /^3: worker is no key .*; did you mean workers\?$/],
  ['[apps.a]\napp = "a b"', /^2: app 'a b' must be module:callable/],
  ["[apps.a]\nworkers = 1", /^1: \[apps\.a\] has no app; for example: app = "shop:app"$/],
  ['[apps.a]\napp = "a:a"\ndir = "shop"\napp-dir = "shop"', /^3: dir and app-dir are the same/],
  ['[apps.a]\napp = "a:a"\ndir = "gone"', /^3: dir 'gone' is no folder; name one that exists$/],
  ['[apps.a]\napp = "a:a"\npython = "gone"', /^3: python 'gone' is not on PATH/],
  ['[apps."a/b"]\napp = "a:a"', /^1: \[apps\.a\/b\] must have a name of at most 64/],
  ["apps = 1", /^1: apps must be tables: \[apps\.NAME\]/],
  ["[[apps]]\napp = 'a:a'", /^1: \[\[apps\]\] must be tables/],
  ["apps.a = 1", /^1: apps\.a must be a table: \[apps\.NAME\]/],
  [
    `[apps.a]\napp = "a:a"\n[apps.b]\napp = "b:b"\n[[routes]]\napp = "a"`,
    /^3: \[apps\.b\] has no route; write \[\[routes\]\] with app = "b"$/,
  ],
  [`${APP}[routes]\npath = "/"`, /^2: \[routes\] must be an array of tables: \[\[routes\]\]/],
  [`${APP}routes = [1]`, /^2: routes must be an array of tables/],
  [
    "[[routes]]\npath = '/'",
    /^1: \[\[routes\]\] has no target; give one of app, static, cgi, redirect/,
  ],
  [
    '[[routes]]\nredirect = "/a"\nrespond = ""',
    /^1: \[\[routes\]\] has two targets, redirect and respond/,
  ],
  [
    `${ROUTE}listing = true`,
    /^1: \[\[routes\]\] has listing, which is for static, not for respond$/,
  ],
  [`${ROUTE}pth = "/"`, /^3: pth is no key of \[\[routes\]\]; did you mean path\?$/],
  [
    `${ROUTE}xyzzy = "/"`,
    /^3: xyzzy is no key of \[\[routes\]\]; allowed: host, path, app, static/,
  ],
  [`${ROUTE}host = "a:80"`, /^3: host 'a:80' must be a name without a port$/],
  [`${ROUTE}host = "https://a"`, /^3: host 'https:\/\/a' must be a name such as example\.com/],
  [`${ROUTE}host = "a.*"`, /^3: host 'a\.\*' must be a name such as example\.com, or \*\.example/],
  [`${ROUTE}host = "fe80::1%eth0"`, /^3: host 'fe80::1%eth0' must be a name such as/],
  [`${ROUTE}host = "*"`, /^3: host '\*' must be a name; leave host out for every host$/],
  [`${ROUTE}host = ["a", ""]`, /^3: host '' must be a name such as/],
  [`${ROUTE}path = "shop"`, /^3: path 'shop' must be a path such as \/shop/],
  [`${ROUTE}path = "/a//b"`, /^3: path '\/a\/\/b' must be a path such as/],
  [`${ROUTE}path = "/a/../b"`, /^3: path '\/a\/\.\.\/b' must be a path such as/],
  [`${ROUTE}path = "/a?b"`, /^3: path '\/a\?b' must be a path such as/],
  [`${ROUTE}path = "/api/*"`, /^3: path '\/api\/\*' must be a path without \*/],
  [`${ROUTE}path = "/stra%C3%9Fe"`, /^3: path .* must be a readable path, such as \/straße/],
  [
    `${ROUTE}${ROUTE}`,
    /^3: \[\[routes\]\] has the same host and path as .*:1: \[\[routes\]\]: every host, '\/'$/,
  ],
  [`${APP}${ROUTE}`, /^2: \[\[routes\]\] has the same host and path as .*:1: app 'app:app': every/],
  [
    '[[routes]]\napp = "shop"',
    /^2: app 'shop' is the name of no application; write \[apps\.NAME\]/,
  ],
  [
    '[apps.shop]\napp = "a:a"\n[[routes]]\napp = "shpo"\n[[routes]]\napp="shop"\npath="/a"',
    /^4: app 'shpo' is the name of no application; did you mean shop\?$/,
  ],
  [
    '[apps.shop]\napp = "a:a"\n[[routes]]\napp = "other"\n[[routes]]\napp="shop"\npath="/a"',
    /^4: app 'other' is the name of no application; known: \[apps\.shop\]$/,
  ],
  ['[[routes]]\nstatic = "gone"', /^2: static 'gone' is no folder/],
  [
    '[[routes]]\nstatic = "public"\nindex = true',
    /^3: index 'true' must be the name of a file, such as index\.html, or false$/,
  ],
  [
    '[[routes]]\nstatic = "public"\nindex = "a/b.html"',
    /^3: index 'a\/b\.html' must be the name of/,
  ],
  [
    '[[routes]]\nstatic = "public"\nindex = ".htaccess"',
    /^3: index '\.htaccess' must be the name of/,
  ],
  [
    '[[routes]]\nstatic = "public"\nindex = 1',
    /^3: index '1' must be true or false without quotes or/,
  ],
  ['[[routes]]\nstatic = "public"\nindex = []', /^3: index is empty; leave it out for the usual/],
  [
    `[[routes]]\nstatic = "public"\nindex = [${"'a', ".repeat(17)}]`,
    /^3: index has 17 names; give at most 16$/,
  ],
  [`${ROUTE}index = "a"`, /^1: \[\[routes\]\] has index, which is for static, not for respond$/],
  [
    '[[routes]]\nstatic = "public"\nfallback = "no.html"',
    /^3: fallback 'no\.html' is no file of 'public'/,
  ],
  [
    '[[routes]]\nstatic = "public"\nfallback = "../users"',
    /^3: fallback '\.\.\/users' must be a file below/,
  ],
  [
    '[[routes]]\nredirect = "//evil"',
    /^2: redirect '\/\/evil' must be a path such as \/new\{path\}/,
  ],
  ['[[routes]]\nredirect = "{path}"', /^2: redirect '\{path\}' must be a path such as/],
  [
    '[[routes]]\nredirect = "/{host}"',
    /^2: redirect .* no braces but \{path\} and \{query\}; '\{host\}' is/,
  ],
  [
    '[[routes]]\nredirect = "/"\nstatus = 304',
    /^3: status '304' must be one of 301, 302, 303, 307, 308/,
  ],
  ["[[routes]]\nrespond = 99", /^2: respond '99' must be a text or a status from 200 to 599$/],
  ["[[routes]]\nrespond = 404\nstatus = 410", /^3: status and respond = 404 are two statuses/],
  ['[[routes]]\nrespond = "x"\nstatus = 204', /^2: respond 'x' must be "": a response with 204/],
  [`${ROUTE}headers = { Content-Length = "1" }`, /^3: Content-Length .* must be another field/],
  [`${ROUTE}headers = { "a b" = "1" }`, /^3: a b .* must begin with the name of a field/],
  [`${ROUTE}headers = { A = "1\\r\\nB: 2" }`, /^3: A 'A: 1\\x0d\\x0aB: 2' must be one line/],
  [`${ROUTE}headers = { A = "1", a = "2" }`, /^3: a stands twice: names of fields ignore case$/],
  [`${ROUTE}headers = ["A: 1"]`, /^3: headers must be a table/],
  [
    `${ROUTE}[routes.headers]\nA = { b = 1 }`,
    /^4: A must be a string in quotes, not a table|^4: A must be/,
  ],
  [
    `${ROUTE}allow = "10.0.0.0/33"`,
    /^3: allow .* must be addresses or CIDR ranges.*'10\.0\.0\.0\/33' is none$/,
  ],
  [`${ROUTE}deny = ["all"]`, /^3: deny 'all' must be addresses or CIDR ranges/],
  [`${ROUTE}allow = [1]`, /^3: allow must be an array of strings$/],
  [`${ROUTE}basic-auth = "gone"`, /^3: basic-auth 'gone' is no file; name one that exists$/],
  [`${ROUTE}error-pages = "users"`, /^3: error-pages 'users' is no folder/],
  [`${ROUTE}compress = "gzip"`, /^3: compress 'gzip' must be one of off, files, all$/],
  ["workers = 2", /^\d+\.toml names no application and no route; for example: app = "shop:app"$/],
  [
    `workers = 0\ntiemout = 1\n[apps.a]\napp = "a b"\nthreads = 0\n${ROUTE}host = "*"\n[[routes]]\nstatic = "gone"\n`,
    /^1: workers/,
    /^2: tiemout/,
    /^4: app 'a b'/,
    /^5: threads/,
    /^8: host/,
    /^10: static 'gone'/,
    /^3: \[apps\.a\] has no route/,
  ],
];

describe("mistakes", () => {
  for (const [text, ...lines] of MISTAKES)
    test(`${JSON.stringify(text)}: ${lines[0]?.source}`, () => {
      const found = mistakes(text);
      assert.equal(found.length, lines.length, found.join("\n"));
      for (const [at, line] of lines.entries()) assert.match(found[at] ?? "", line);
    });
  test("arrays that are nested too deeply are one line", () => {
    const text = `${APP}env = ${"[".repeat(20_000)}${"]".repeat(20_000)}`;
    assert.match(
      mistakes(text).join("\n"),
      /this is no TOML for Typhon: brackets are nested too deeply$/,
    );
  });

  test("too many routes and applications are one line", () => {
    assert.match(mistakes(ROUTE.repeat(1001))[0] ?? "", /has too many routes: at most 1000$/);
    const apps = Array.from({ length: 101 }, (_, at) => `[apps.a${at}]\napp = "a:a"\n`).join("");
    assert.match(mistakes(apps)[0] ?? "", /has too many applications: at most 100$/);
  });
  test("mistakes of flags and variables stand beside those of the file", () => {
    const lines = mistakes(`${APP}threads = 0`, ["--workers", "x"], { TYPHON_QUEUE: "y" });
    assert.deepEqual(
      lines.map((line) => line.split(" ")[0]),
      ["2:", "--workers", "TYPHON_QUEUE"],
    );
  });
});

test("a file of nothing but tables is read at once", { timeout: 30_000 }, () => {
  const table = readToml("[[a]]\n".repeat(MAX_FILE_BYTES / 8), "x").get("a");
  assert.equal(table?.kind === "array" && table.items.length, MAX_FILE_BYTES / 8);
});

describe("reading again", () => {
  test("a reload reads the file and its env-file anew, the files of --env-file not", () => {
    writeFileSync(join(scratch, "once.env"), "ONCE=1\n");
    writeFileSync(join(scratch, "again.env"), "AGAIN=1\n");
    const name = toml("app = 'a:a'\nthreads = 1\n");
    const loader = (...words: string[]): (() => Configuration) => {
      const reader = new ConfigurationReader(
        readFlags(["-c", name, ...words]),
        { PATH: bin },
        scratch,
      );
      return () => reader.read();
    };
    const flags = loader("--env-file", "once.env");
    assert.deepEqual(flags().applications[0]?.env, { ONCE: "1" });
    writeFileSync(join(scratch, "once.env"), "ONCE=2\n");
    writeFileSync(join(scratch, name), "app = 'a:a'\nthreads = 2\nenv-file = 'again.env'\n");
    assert.partialDeepStrictEqual(flags().applications[0], { threads: 2, env: { ONCE: "1" } });
    const file = loader();
    assert.deepEqual(file().applications[0]?.env, { AGAIN: "1" });
    writeFileSync(join(scratch, "again.env"), "AGAIN=2\n");
    assert.deepEqual(file().applications[0]?.env, { AGAIN: "2" });
    writeFileSync(join(scratch, name), "threads = 0\n");
    assert.throws(file, { text: /:1: threads '0' must be/ });
  });
  test("a file that is gone at a reload is a mistake, also where it was only found", () => {
    const folder = mkdtempSync(join(scratch, "gone-"));
    const path = join(folder, "typhon.toml");
    writeFileSync(path, '[[routes]]\npath = "/a"\nrespond = "a"\n');
    mkdirSync(join(folder, "files"));
    const reader = new ConfigurationReader(
      readFlags(["--static", "/s=files"]),
      { PATH: bin },
      folder,
    );
    assert.equal(reader.read().routes.length, 2);
    rmSync(path);
    assert.throws(() => reader.read(), { text: "typhon.toml is no file; name one that exists" });
  });
  test("a reload waits for no pipe", () => {
    const name = toml(APP);
    const path = join(scratch, name);
    const reader = new ConfigurationReader(readFlags(["-c", name]), { PATH: bin }, scratch);
    reader.read();
    rmSync(path);
    execFileSync("mkfifo", [path]);
    assert.throws(() => reader.read(), {
      text: /is no regular file, and can be read by a start only$/,
    });
  });
  test("there is something to read again only with a file", () => {
    const hasFile = (...words: string[]): boolean =>
      new ConfigurationReader(readFlags(words), { PATH: bin }, scratch).hasFile;
    assert.equal(hasFile("app:app"), false);
    assert.equal(hasFile("-c", toml(APP), "app:app"), true);
  });
  test("the PID file of typhon reload is that of the file", () => {
    const name = toml(`${APP}pid = "typhon.pid"`);
    const pid = (...words: string[]): string | null =>
      pidFileOf(readFlags(words), { PATH: bin }, scratch);
    assert.equal(pid("-c", name), join(scratch, "typhon.pid"));
    assert.equal(pid("-c", name, "--pid", "other"), join(scratch, "other"));
    assert.equal(pid(), null);
  });
});

test("no file crashes the reader: each fault is a mistake with its line", () => {
  const words = [
    "[",
    "]",
    "[[",
    "]]",
    "{",
    "}",
    "=",
    ".",
    '"',
    "'",
    "\n",
    "#",
    "apps",
    "routes",
    "env",
    "1",
    "true",
    "-",
    "é",
    "__proto__",
  ];
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.nat(), fc.nat({ max: 12 }), fc.subarray(words, { maxLength: 3 })), {
        minLength: 1,
        maxLength: 6,
      }),
      (edits) => {
        let text = EXAMPLE;
        for (const [at, length, inserted] of edits) {
          const from = at % (text.length + 1);
          text = text.slice(0, from) + inserted.join("") + text.slice(from + length);
        }
        try {
          programConfiguration(readToml(text, "t.toml"), { PATH: bin }, scratch);
        } catch (error) {
          if (!(error instanceof OperatorError)) throw error;
          for (const line of error.text.split("\n"))
            assert.match(line, /^t\.toml(?::\d+: | names no application and no route)/);
        }
      },
    ),
    { numRuns: 2000 },
  );
});

test("docs/limits.md says the limits as they are", () => {
  const page = readFileSync(new URL("../../docs/limits.md", import.meta.url), "utf8");
  assert.ok(page.includes(`\`MAX_ROUTES\` | ${MAX_ROUTES} routes`));
  assert.ok(page.includes(`\`MAX_INDEX_NAMES\` | ${MAX_INDEX_NAMES} names`));
  assert.ok(page.includes(`\`MAX_APPLICATIONS\` | ${MAX_APPLICATIONS} applications`));
  assert.ok(page.includes(`\`MAX_FILE_BYTES\` | ${MAX_FILE_BYTES} bytes`));
  assert.ok(page.includes(`\`MAX_ENTRIES\` | ${MAX_ENTRIES} files and folders`));
});
