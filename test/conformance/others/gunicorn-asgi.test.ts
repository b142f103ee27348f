// gunicorn's own tests of its ASGI worker, run against us: an application by hand and six frameworks, each
// behind the real command, directly and behind nginx where that is installed. The tests are fetched
// (tools/fetch-gunicorn.sh), not copied; gunicorn_asgi.py beside this file tells them where our servers are.

import assert from "node:assert/strict";
import { execFile, execFileSync, spawn } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { before, describe, test, type TestContext } from "node:test";
import { promisify } from "node:util";

import { until } from "../../support/deadline.ts";
import { FILE } from "../../support/file-scope.ts";
import { readRecord, readStrings } from "../../support/json.ts";
import { RawClient } from "../../support/raw-client.ts";
import { CHECKOUT, makeScratch, requirePython } from "../../support/scratch.ts";
import { startTyphon, type Typhon } from "../../support/typhon.ts";

const SUITE_MS = 240_000;
/** One worker each: the applications count in memory what the tests ask for. Some leave streams without end. */
const ALONE = ["--workers", "1", "--graceful-timeout", "1"];
const FRAMEWORKS = ["django", "fastapi", "starlette", "quart", "litestar", "blacksheep"] as const;

const run = promisify(execFile);
let suites: string;
let scratch: string;
let environment: Record<string, string>;

before(async () => {
  scratch = makeScratch(FILE);
  const fetched = execFileSync("sh", [join(CHECKOUT, "tools/fetch-gunicorn.sh")]);
  suites = join(CHECKOUT, fetched.toString().trim(), "tests/docker");
  const place = ["--app-dir", join(suites, "asgi_compliance")];
  const own = await startTyphon(FILE, ["apps.main_app:app", ...place, ...ALONE]);
  const frameworks = await Promise.all(FRAMEWORKS.map((name) => startFramework(name)));
  const servers = {
    gunicorn: own.url,
    nginx: await startNginx(own),
    frameworks: Object.fromEntries(FRAMEWORKS.map((name, at) => [name, frameworks[at]?.port])),
  };
  writeFileSync(
    join(scratch, "pytest.ini"),
    "[pytest]\nasyncio_mode = auto\nasyncio_default_fixture_loop_scope = function\n" +
      "filterwarnings = ignore\n",
  );
  environment = {
    PATH: process.env["PATH"] ?? "",
    PYTHONPATH: import.meta.dirname,
    // Their clients, one a test, each read the certificates that they trust: one instead of 150.
    SSL_CERT_FILE: join(suites, "asgi_compliance/certs/server.crt"),
    // Nothing is written beside what was fetched.
    PYTHONDONTWRITEBYTECODE: "1",
    COMPLIANCE_SERVERS: JSON.stringify(servers),
  };
});

function startFramework(name: string): Promise<Typhon> {
  const folder = join(suites, "asgi_framework_compat/frameworks", `${name}_app`);
  const application = name === "django" ? "asgi:application" : "app:app";
  return startTyphon(FILE, [application, "--app-dir", folder, ...ALONE], {
    env: { PYTHONDONTWRITEBYTECODE: "1" },
  });
}

/** nginx before a server of ours; "" where it is not installed. */
async function startNginx(own: Typhon): Promise<string> {
  const binary = ["/usr/sbin/nginx", "/usr/bin/nginx", "/usr/local/sbin/nginx"].find(existsSync);
  if (binary === undefined) return "";
  const port = await freePort();
  const folder = join(scratch, "nginx");
  mkdirSync(folder);
  writeFileSync(join(folder, "nginx.conf"), nginxConfiguration(port, own.url));
  const nginx = spawn(binary, ["-p", folder, "-e", "stderr", "-c", "nginx.conf"], {
    stdio: ["ignore", "ignore", "inherit"],
  });
  FILE.after(() => void nginx.kill("SIGTERM"));
  await until("nginx listens", async () => {
    assert.equal(nginx.exitCode, null, "nginx has ended");
    const client = await RawClient.connect({ port }).catch(() => null);
    client?.destroy();
    return client !== null;
  });
  return `http://127.0.0.1:${port}`;
}

/** nginx cannot tell which port it was given. */
async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  const address = server.address();
  assert(address !== null && typeof address === "object");
  await new Promise((resolve) => server.close(resolve));
  return address.port;
}

function nginxConfiguration(port: number, upstream: string): string {
  const temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map(
    (name) => `  ${name}_temp_path ${name};\n`,
  );
  return `daemon off;
master_process off;
pid nginx.pid;
events {}
http {
  access_log off;
${temporary.join("")}  map $http_upgrade $connection_upgrade { default upgrade; '' ''; }
  upstream own { server ${upstream.replace("http://", "")}; keepalive 8; }
  server {
    listen 127.0.0.1:${port};
    client_max_body_size 100m;
    location / {
      proxy_pass http://own;
      proxy_http_version 1.1;
      proxy_buffering off;
      proxy_set_header Host $host;
      proxy_set_header Upgrade $http_upgrade;
      proxy_set_header Connection $connection_upgrade;
      proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
      proxy_set_header X-Forwarded-Proto $scheme;
    }
  }
}
`;
}

/** Runs one of their suites; says what was left out and why, and fails with what failed. */
async function runSuite(t: TestContext, name: string, more: readonly string[]): Promise<number> {
  const report = join(scratch, `${name}.json`);
  const folder = join(suites, name);
  const ours = ["-p", "gunicorn_asgi", "-c", join(scratch, "pytest.ini"), "--rootdir", folder];
  const output = await run(
    requirePython(),
    ["-m", "pytest", ...ours, "-p", "no:cacheprovider", "-q", ...more, folder],
    {
      cwd: scratch,
      env: { ...environment, COMPLIANCE_REPORT: report },
      timeout: SUITE_MS,
      maxBuffer: 64 * 1024 * 1024,
    },
  ).catch((error: unknown) => error);
  assert.ok(existsSync(report), `${name} did not run: ${String(output)}`);
  const { passed, failed, left_out: leftOut } = readRecord(readFileSync(report, "utf8"));
  const failures = readStrings(JSON.stringify(failed));
  for (const [reason, ids] of Object.entries(readRecord(JSON.stringify(leftOut))))
    t.diagnostic(`${name}: ${readStrings(JSON.stringify(ids)).length} do not apply: ${reason}`);
  t.diagnostic(`${name}: ${String(passed)} passed of ${Number(passed) + failures.length}`);
  assert.deepEqual(failures, []);
  return Number(passed);
}

// Both at once: most of their tests wait.
describe("gunicorn's tests of its ASGI worker", { concurrency: true }, () => {
  test("an application by hand, FastAPI and Starlette: asgi_compliance", async (t) => {
    assert.ok((await runSuite(t, "asgi_compliance", [])) >= 180);
  });

  test("six frameworks: asgi_framework_compat", async (t) => {
    assert.ok((await runSuite(t, "asgi_framework_compat", ["--skip-docker-check"])) >= 400);
  });
});
