// typhon dev: its defaults, and what options change of them.

import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";

import type { Configuration } from "../../src/config/configuration.ts";
import { readFlags } from "../../src/config/flags.ts";
import { ConfigurationReader } from "../../src/config/load.ts";
import { FILE } from "../support/file-scope.ts";
import { makeScratch } from "../support/scratch.ts";

const scratch = makeScratch(FILE);
mkdirSync(join(scratch, "bin"));
mkdirSync(join(scratch, "public"));
writeFileSync(join(scratch, "bin", "python3"), "#!/bin/sh\n", { mode: 0o755 });

function dev(words: readonly string[], variables: Record<string, string> = {}): Configuration {
  const environment = { PATH: join(scratch, "bin"), ...variables };
  const given = ["app:app", ...words];
  return new ConfigurationReader(readFlags(given), environment, scratch, {
    isDevelopment: true,
  }).read();
}

const LOCAL = { kind: "tcp", scheme: "http", host: "127.0.0.1", port: 8000 };

test("listens on this machine, reloads, logs to the terminal, and shows variables", () => {
  const { listeners, logs, process, applications, notices } = dev([]);
  assert.deepEqual(listeners.bind, [LOCAL]);
  assert.equal(logs.accessLog, "-");
  assert.deepEqual([process.developing, process.reload], [true, true]);
  assert.deepEqual([applications[0]?.development, applications[0]?.workers], ["locals", 1]);
  assert.deepEqual(notices, []);
});

test("options, variables and the file change that", () => {
  const changed = dev(["--no-reload", "--access-log", "off", "--workers", "3"], { PORT: "9000" });
  assert.deepEqual(changed.listeners.bind, [{ ...LOCAL, port: 9000 }]);
  assert.equal(changed.logs.accessLog, "off");
  assert.deepEqual([changed.process.reload, changed.process.developing], [false, true]);
  assert.equal(changed.applications[0]?.workers, 3);
  assert.equal(dev([], { TYPHON_ACCESS_LOG: "off" }).logs.accessLog, "off");
  writeFileSync(join(scratch, "site.toml"), 'app = "app:app"\naccess-log = "off"\nport = 9001\n');
  const fromFile = dev(["-c", "site.toml"]);
  assert.equal(fromFile.logs.accessLog, "off");
  assert.deepEqual(fromFile.listeners.bind, [{ ...LOCAL, port: 9001 }]);
});

test("beyond this machine pages have no variables, and the log says so", () => {
  for (const words of [
    ["--host", "0.0.0.0"],
    ["--bind", ":8000"],
    ["--bind", "127.0.0.1:8000", "--bind", "192.0.2.1:8000"],
    ["--bind", `unix:${scratch}/socket`],
    ["--fd", "3"],
    ["LISTEN_FDS"],
  ]) {
    const isPassed = words[0] === "LISTEN_FDS";
    const { applications, notices } = isPassed ? dev([], { LISTEN_FDS: "1" }) : dev(words);
    assert.equal(applications[0]?.development, "page", words.join(" "));
    assert.match(notices.join(), /typhon dev shows source code to everybody who may connect/);
  }
  for (const host of ["localhost", "127.0.0.2", "::1"])
    assert.equal(dev(["--host", host]).applications[0]?.development, "locals", host);
});

test("watches the folders of files as well", () => {
  const { process } = dev(["--static", "/static=public"]);
  assert.deepEqual(process.reloadDirs, [scratch, join(scratch, "public")]);
});

test("has no use for a domain", () => {
  assert.throws(() => dev(["--domain", "example.com"]), /and typhon dev is for this machine only/);
});
