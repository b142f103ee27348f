// The PID file: whose place it may take, and whose not.

import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import {
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { test } from "node:test";

import { OperatorError } from "../../src/config/operator-error.ts";
import { ControlSocket } from "../../src/supervisor/control-socket.ts";
import { PidFile } from "../../src/supervisor/pid-file.ts";
import { makeScratch, type Scope } from "../support/scratch.ts";

/** A process that does nothing but live until the end of the test. */
function startBystander(scope: Scope): number {
  const child = spawn("sleep", ["1000"], { stdio: "ignore" });
  scope.after(() => void child.kill());
  assert(child.pid !== undefined);
  return child.pid;
}

function endedProcess(): number {
  return Number(execFileSync("sh", ["-c", "echo $$"], { encoding: "utf8" }));
}

async function refusal(path: string): Promise<string> {
  try {
    await PidFile.claim(path);
  } catch (error) {
    assert(error instanceof OperatorError);
    assert.equal(error.exitCode, 2);
    assert.doesNotMatch(error.text, /\n/);
    return error.text;
  }
  throw new assert.AssertionError({ message: `${path} was not refused` });
}

test("holds our process id from write() to remove(), and leaves no other file", async (t) => {
  const folder = makeScratch(t);
  const path = join(folder, "pid");
  const file = await PidFile.claim(path);
  assert.deepEqual(readdirSync(folder), [], "written before its time");
  file.write();
  assert.equal(readFileSync(path, "utf8"), `${process.pid}\n`);
  assert.deepEqual(readdirSync(folder), ["pid"]);
  file.remove();
  file.remove();
  assert.deepEqual(readdirSync(folder), []);
});

test("remove() leaves the file of another server", async (t) => {
  const path = join(makeScratch(t), "pid");
  const file = await PidFile.claim(path);
  file.write();
  writeFileSync(path, "1\n");
  file.remove();
  assert.equal(readFileSync(path, "utf8"), "1\n");
});

test("replaces the file of a process that has ended, and an empty file", async (t) => {
  const path = join(makeScratch(t), "pid");
  for (const text of [`${endedProcess()}\n`, "", "\n"]) {
    writeFileSync(path, text);
    (await PidFile.claim(path)).write();
    assert.equal(readFileSync(path, "utf8"), `${process.pid}\n`);
  }
});

test("replaces the file if another program has the number by now", async (t) => {
  const path = join(makeScratch(t), "pid");
  writeFileSync(path, String(startBystander(t)));
  (await PidFile.claim(path)).write();
});

test("replaces a file with its own number: in a container the number is often the same", async (t) => {
  const path = join(makeScratch(t), "pid");
  writeFileSync(path, String(process.pid));
  await PidFile.claim(path);
});

test("does not replace the file of a running server", async (t) => {
  const path = join(makeScratch(t), "pid");
  const pid = startBystander(t);
  writeFileSync(path, String(pid));
  const control = await ControlSocket.open(
    `${path}.sock`,
    () => Promise.resolve({ kind: "stopped" }),
    () => [],
  );
  t.after(() => control.close());
  const text = await refusal(path);
  assert(text.startsWith(`--pid '${path}' belongs to Typhon with process id ${pid}`), text);
});

test("follows no link that another user has made in the folder", async (t) => {
  const folder = makeScratch(t);
  const [path, victim] = [join(folder, "pid"), join(folder, "victim")];
  writeFileSync(victim, "precious\n");
  const file = await PidFile.claim(path);
  // The name of a draft that can be guessed, and the file itself.
  symlinkSync(victim, `${path}.${process.pid}`);
  symlinkSync(victim, path);
  file.write();
  assert.equal(readFileSync(victim, "utf8"), "precious\n");
  assert(lstatSync(path).isFile(), "the link itself was replaced");
  assert.equal(readFileSync(path, "utf8"), `${process.pid}\n`);
  const { uid, mode } = statSync(path);
  assert.deepEqual([uid, mode & 0o777], [process.geteuid?.(), 0o644 & ~process.umask()]);
  assert.deepEqual(readdirSync(folder).sort(), ["pid", `pid.${process.pid}`, "victim"]);
});

test("a FIFO or a link in place of the file is neither waited for nor removed", async (t) => {
  const folder = makeScratch(t);
  const path = join(folder, "pid");
  const file = await PidFile.claim(path);
  file.write();
  rmSync(path);
  execFileSync("mkfifo", [path]);
  file.remove();
  assert(lstatSync(path).isFIFO());
  assert.match(await refusal(path), /holds no process id/);
  rmSync(path);
  writeFileSync(join(folder, "own"), `${process.pid}\n`);
  symlinkSync(join(folder, "own"), path);
  file.remove();
  assert.deepEqual(readdirSync(folder).sort(), ["own", "pid"]);
});

test("does not overwrite a file that is no PID file", async (t) => {
  const folder = makeScratch(t);
  writeFileSync(join(folder, "code"), "import flask\n");
  writeFileSync(join(folder, "long"), "1".repeat(100));
  mkdirSync(join(folder, "folder"));
  symlinkSync("/dev/null", join(folder, "device"));
  for (const name of ["code", "long", "folder", "device"])
    assert.match(await refusal(join(folder, name)), /holds no process id; name another file$/);
});

test("the error of a file that cannot be written names the option", async (t) => {
  const folder = makeScratch(t);
  const path = join(folder, "gone", "pid");
  const file = await PidFile.claim(path);
  assert.throws(
    () => file.write(),
    (error) =>
      error instanceof OperatorError && /^--pid '.*' cannot be written \(ENOENT\)/.test(error.text),
  );
});
