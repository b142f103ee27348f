// `typhon trust` as a user calls it.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { before, test } from "node:test";

import { FILE } from "../support/file-scope.ts";
import { COMMAND, makeScratch } from "../support/scratch.ts";

let state = "";
before(() => {
  state = join(makeScratch(FILE), "it's state");
  mkdirSync(join(state, "local-authority"), { recursive: true });
  const words =
    "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=local -keyout authority.key -out authority.pem";
  const made = spawnSync("openssl", words.split(" "), { cwd: join(state, "local-authority") });
  assert.equal(made.status, 0, String(made.stderr));
});

function trust(...words: string[]) {
  const env = { PATH: process.env["PATH"], HOME: join(state, "home") };
  return spawnSync(COMMAND, ["trust", ...words], { encoding: "utf8", env, cwd: state });
}

test("says where the certificate is, its fingerprint, and how systems and programs trust it", () => {
  const { status, stdout, stderr } = trust("--acme-dir", state);
  assert.equal(status, 0, stderr);
  const path = join(state, "local-authority/authority.pem");
  const shown = spawnSync("openssl", ["x509", "-in", path, "-noout", "-fingerprint", "-sha256"], {
    encoding: "utf8",
  });
  const [, fingerprint = "none"] = /Fingerprint=(\S+)/.exec(shown.stdout) ?? [];
  assert.ok(stdout.includes(fingerprint));
  for (const word of ["Debian", "Fedora", "macOS", "Firefox", "requests", "curl"])
    assert.match(stdout, new RegExp(`^.*${word}`, "m"));
});

test("its commands are whole words for a shell, whatever the path", () => {
  const { stdout } = trust("--acme-dir", state);
  const [, variable = ""] = /^ {2}export SSL_CERT_FILE=(.*)$/m.exec(stdout) ?? [];
  const run = spawnSync("sh", ["-c", `printf %s ${variable}`], { encoding: "utf8" });
  assert.equal(run.stdout, join(state, "local-authority/authority.pem"));
});

test("finds the folder in the file", () => {
  writeFileSync(join(state, "typhon.toml"), 'app = "app:app"\nacme-dir = "."\n');
  assert.equal(trust().status, 0);
  assert.equal(trust("--config", "typhon.toml").status, 0);
});

test("is one line where there is no authority, or a damaged one", () => {
  writeFileSync(join(state, "typhon.toml"), "");
  for (const [words, line] of [
    [[], /no local authority yet: '.*home\/\.local\/share\/typhon\/local-authority\/auth/],
    [["--acme-dir", "elsewhere"], /no local authority yet.*typhon APP --tls internal/],
    [["app:app"], /takes --acme-dir DIR or --config FILE and nothing else, not 'app:app'/],
    [["--port", "1"], /nothing else, not '--port'/],
  ] as const) {
    const { status, stdout, stderr } = trust(...words);
    assert.deepEqual([status, stdout], [2, ""]);
    assert.match(stderr, /^typhon: [^\n]+\n$/);
    assert.match(stderr, line);
  }
  const broken = join(state, "broken");
  mkdirSync(join(broken, "local-authority"), { recursive: true });
  writeFileSync(join(broken, "local-authority/authority.pem"), "no certificate");
  assert.match(trust("--acme-dir", broken).stderr, /is no certificate; remove its folder/);
});

test("--help explains it", () => {
  assert.match(trust("--help").stdout, /^Usage: typhon trust /);
});
