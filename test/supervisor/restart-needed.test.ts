// Which changes of a configuration hold only after a restart.

import assert from "node:assert/strict";
import { test } from "node:test";

import { load } from "../../src/config/load.ts";
import { restartNeeded } from "../../src/supervisor/restart-needed.ts";

const running = load(["app:app"], process.env, "/tmp");

test("changed listeners, logs and settings of the process are named as their options are", () => {
  const wanted = {
    ...running,
    listeners: { ...running.listeners, bind: [], keepAliveMs: 1 },
    logs: { ...running.logs, accessLog: "/tmp/access.log", level: "debug" as const },
    process: { ...running.process, tempDir: "/var/tmp" },
  };
  assert.deepEqual(restartNeeded(running, wanted), [
    "bind",
    "keep-alive",
    "access-log",
    "log-level",
    "temp-dir",
  ]);
});

test("each option of listeners, logs and process makes one setting, under its own name", () => {
  const words = [
    "--bind=:1",
    "--socket-mode=600",
    "--forwarded-allow-ips=*",
    "--header-map=refuse",
    "--keep-alive=1",
    "--body-timeout=1",
    "--max-body=1",
    "--limit-request-line=1k",
    "--limit-request-head=2k",
    "--access-log=-",
    "--log-level=debug",
    "--log-format=json",
    "--access-log-format=common",
    "--capture-output",
    "--pid=pid",
    "--temp-dir=/var/tmp",
    "--max-temp-size=1G",
    "--drain-delay=1",
    "--graceful-timeout=1",
    "--reload",
    "--reload-dir=/var/tmp",
  ];
  const names = restartNeeded(running, load(["app:app", ...words], process.env, "/tmp"));
  assert.deepEqual(
    names.map((name) => name.split(",", 1)[0]),
    words.map((word) => word.slice(2).split("=", 1)[0]),
  );
});

test("of the options of TLS, ciphers and hsts hold after a restart, and TLS itself", () => {
  const words = ["--tls=internal", "--hsts=300", "--ciphers=ECDHE+AESGCM", "--acme-dir=/tmp"];
  const secure = load(["app:app", ...words], process.env, "/tmp");
  assert(secure.tls !== null);
  const { tls } = secure;
  const wanted = {
    ...tls,
    internal: false,
    hstsSeconds: 5,
    ciphers: "",
    stateDir: "/",
    redirect: false,
  };
  assert.deepEqual(restartNeeded(secure, { ...secure, tls: wanted }), ["ciphers", "hsts"]);
  assert.deepEqual(restartNeeded(running, { ...running, tls }), ["certfile, domain, tls"]);
  assert.deepEqual(restartNeeded({ ...running, tls }, running), ["certfile, domain, tls"]);
  assert.deepEqual(restartNeeded(secure, secure), []);
});

test("health comes and goes with the routes; folders count only where they are watched", () => {
  const { health } = running.process;
  const wanted = { ...running.process, health: !health, reloadDirs: ["/srv"] };
  assert.deepEqual(restartNeeded(running, { ...running, process: wanted }), []);
});

test("routes and settings of CGI programs need no restart", () => {
  const wanted = load(["--cgi", "/p=.", "--cgi-queue", "5"], process.env, "/tmp");
  for (const [before, after] of [
    [running, wanted],
    [wanted, running],
    [wanted, load(["--cgi", "/q=.", "--cgi-template-idle", "5"], process.env, "/tmp")],
  ] as const)
    assert.deepEqual(restartNeeded(before, after), []);
});

test("changed applications and routes need no restart", () => {
  const wanted = { ...load(["app:app"], process.env, "/tmp"), applications: [], routes: [] };
  assert.deepEqual(restartNeeded(running, wanted), []);
});
