// `typhon doctor` as a command: what it says of a real folder, its exit codes, and that it runs nothing.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";

import { TestAuthority } from "../support/certificates.ts";
import { APPS, COMMAND, makeScratch, requirePython } from "../support/scratch.ts";
import { startTyphon } from "../support/typhon.ts";

interface Outcome {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

async function doctor(cwd: string, ...words: readonly string[]): Promise<Outcome> {
  const { PATH, HOME, LC_ALL = "C.UTF-8" } = process.env;
  const env = { PATH, HOME, LC_ALL, TYPHON_PYTHON: requirePython() };
  return await new Promise((resolve) => {
    execFile(COMMAND, ["doctor", ...words], { cwd, env }, (error, stdout, stderr) => {
      resolve({ code: Number(error?.code ?? 0), stdout, stderr });
    });
  });
}

test("an application that would start: exit code 0, and it has not run", async (t) => {
  const folder = makeScratch(t);
  const ran = join(folder, "ran");
  for (const name of ["app.py", "json.py", "platform.py"])
    writeFileSync(join(folder, name), `open(${JSON.stringify(ran)}, "w").close()\napp = None\n`);
  writeFileSync(join(folder, "gunicorn.conf.py"), "raise SystemExit(9)\n");
  const { code, stdout, stderr } = await doctor(folder, "app:app", "--bind", "127.0.0.1:0");
  assert.deepEqual([code, stderr], [0, ""], stdout);
  for (const line of [
    /^ok {4}application {4}app:app$/m,
    /^\w+ +python +CPython 3\./m,
    /^ok {4}environment {4}virtual environment \//m,
    /^\w+ +node +Node 2/m,
    /^ok {4}address {8}http:\/\/127\.0\.0\.1:0 is free$/m,
    /^note {2}configuration {2}gunicorn\.conf\.py is here/m,
  ])
    assert.match(stdout, line);
  assert(!existsSync(ran), "the doctor has run the application");
});

test("a folder without an application: what the machine has, and exit code 0", async (t) => {
  const { code, stdout } = await doctor(makeScratch(t));
  assert.equal(code, 0, stdout);
  assert.match(
    stdout,
    /^note {2}application {4}no application given, and none found in this folder\n +→ name the application: typhon shop:app, /m,
  );
  assert.match(stdout, /^ok {4}system/m);
});

test("settings of gunicorn count where they are asked for", async (t) => {
  const folder = makeScratch(t);
  writeFileSync(join(folder, "gunicorn.conf.py"), "workers = 3\n");
  const words = ["app:app", "--bind", "127.0.0.1:0", "--gunicorn-conf", "gunicorn.conf.py"];
  const { code, stdout, stderr } = await doctor(folder, ...words);
  assert.deepEqual([code, stderr], [0, ""], stdout);
  assert.match(stdout, /^\w+ +cores +.*; 3 workers$/m);
});

test("mistakes are lines like the others, and the exit code is 1", async (t) => {
  const words = ["app:app", "--port", "x", "--workers", "0", "--json"];
  const { code, stdout } = await doctor(makeScratch(t), ...words);
  assert.equal(code, 1);
  const findings: unknown = JSON.parse(stdout);
  assert(Array.isArray(findings));
  assert.deepEqual(findings.slice(0, 2), [
    {
      level: "fail",
      topic: "configuration",
      fact: "--port 'x' must be a port from 0 to 65535",
      remedy: "",
    },
    {
      level: "fail",
      topic: "configuration",
      fact: "--workers '0' must be a whole number from 1 to 1024",
      remedy: "",
    },
  ]);
  assert(findings.length > 8, "the machine is looked at all the same");
});

test("a misspelled option is told as by every command", async (t) => {
  const { code, stderr } = await doctor(makeScratch(t), "app:app", "--worker", "1");
  assert.equal(code, 2);
  assert.match(stderr, /^typhon: unknown .*--worker/);
});

test("its own server, which runs, is no fault, and another one is", async (t) => {
  const typhon = await startTyphon(t, ["raw:app", "--workers", "1"]);
  const bind = `127.0.0.1:${typhon.port}`;
  const { code, stdout } = await doctor(APPS, "raw:app", "--bind", bind);
  assert.equal(code, 0, stdout);
  assert.match(
    stdout,
    new RegExp(`^note  address +http://${bind} is taken by process ${typhon.pid} \\(typhon`, "m"),
  );
});

test("an expired certificate fails", async (t) => {
  const folder = makeScratch(t);
  const day = 86_400_000;
  const times = { notBefore: Date.now() - 9 * day, notAfter: Date.now() - day };
  const { cert, key } = new TestAuthority("a").issue({ names: ["localhost"], ...times });
  writeFileSync(join(folder, "site.pem"), cert + key);
  const words = ["app:app", "--bind", "https://127.0.0.1:0", "--certfile", "site.pem"];
  const { code, stdout } = await doctor(folder, ...words);
  assert.equal(code, 1);
  assert.match(stdout, /^fail {2}certificate +\/.*site\.pem, until \d.*: has expired$/m);
});

test("its help", async (t) => {
  const { code, stdout } = await doctor(makeScratch(t), "--help");
  assert.equal(code, 0);
  assert.match(stdout, /^Usage: typhon doctor \[APP\]/);
});
