// Which Python is taken, in scratch folders with programs in them.

import assert from "node:assert/strict";
import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, describe, test } from "node:test";

import { findInterpreter } from "../../src/config/interpreter.ts";
import { NO_LAUNCHER, type LaunchedBy } from "../../src/config/launched-by.ts";

const scratch = mkdtempSync(join(tmpdir(), "typhon-python-"));
after(() => rmSync(scratch, { recursive: true }));

function program(path: string, mode = 0o755): string {
  const whole = join(scratch, path);
  mkdirSync(dirname(whole), { recursive: true });
  writeFileSync(whole, "#!/bin/sh\n");
  chmodSync(whole, mode);
  return whole;
}

const system = program("bin/python3");
const active = program("active/bin/python");
const beside = program("project/.venv/bin/python3");
program("plain/bin/python", 0o644);
mkdirSync(join(scratch, "empty"));
symlinkSync(system, join(scratch, "linked"));

interface Asked {
  by?: string;
  text?: string;
  environment?: Record<string, string>;
  folders?: string[];
  launchedBy?: LaunchedBy;
}

function find({
  by = "--python",
  text,
  environment = {},
  folders = [],
  launchedBy = NO_LAUNCHER,
}: Asked): string {
  return findInterpreter({
    asked: text === undefined ? null : { by, text, folder: scratch },
    environment: { PATH: join(scratch, "bin"), ...environment },
    launchedBy,
    cwd: scratch,
    folders,
  });
}

describe("findInterpreter", () => {
  test("the one that is asked for wins over everything", () => {
    const environment = { VIRTUAL_ENV: join(scratch, "active") };
    assert.equal(find({ text: "./linked", environment }), join(scratch, "linked"));
    assert.equal(find({ text: "python3", environment }), system);
  });
  test("a symbolic link stays one: Python finds its environment by it", () => {
    assert.equal(find({ text: join(scratch, "linked") }), join(scratch, "linked"));
  });
  test("a virtual environment may be named by its folder", () => {
    assert.equal(find({ text: "project/.venv" }), beside);
  });
  test("then the active virtual environment", () => {
    const environment = { VIRTUAL_ENV: join(scratch, "active") };
    assert.equal(find({ environment, folders: [join(scratch, "project")] }), active);
  });
  test("then .venv beside the application, then python3 on PATH", () => {
    assert.equal(find({ folders: [join(scratch, "empty"), join(scratch, "project")] }), beside);
    assert.equal(find({ folders: [join(scratch, "empty")] }), system);
  });
  test("the environment that Typhon was installed in wins over .venv, that of a tool does not", () => {
    const python = join(scratch, "installed/bin/python");
    const folders = [join(scratch, "project")];
    assert.equal(find({ folders, launchedBy: { python, kind: "venv" } }), python);
    const environment = { VIRTUAL_ENV: join(scratch, "active") };
    assert.equal(find({ environment, launchedBy: { python, kind: "venv" } }), active);
    for (const kind of ["tool", "system"] as const) {
      assert.equal(find({ folders, launchedBy: { python, kind } }), beside);
      assert.equal(find({ launchedBy: { python, kind } }), python);
    }
  });
  test("a .venv that cannot be used is not passed over", () => {
    program("plain-venv/.venv/bin/python", 0o644);
    mkdirSync(join(scratch, "dangling/.venv/bin"), { recursive: true });
    symlinkSync("/gone/python3.9", join(scratch, "dangling/.venv/bin/python"));
    assert.throws(
      () => find({ folders: [join(scratch, "plain-venv")] }),
      /may not run '.*plain-venv\/.venv\/bin\/python'; .* or name an interpreter with --python/,
    );
    for (const asked of [{ folders: [join(scratch, "dangling")] }, { text: "dangling/.venv" }])
      assert.throws(() => find(asked), /is a link to a Python that is gone; make the virtual env/);
  });
  test("a .venv that holds no Python is passed over, a file of that name too", () => {
    mkdirSync(join(scratch, "hollow/.venv/bin"), { recursive: true });
    mkdirSync(join(scratch, "named"));
    writeFileSync(join(scratch, "named/.venv"), "other-name\n");
    assert.equal(find({ folders: [join(scratch, "hollow"), join(scratch, "named")] }), system);
  });
  for (const [asked, line] of [
    [{ text: "empty" }, /^OperatorError: --python 'empty' is a folder without bin\/python/],
    [{ text: "./nothing" }, /--python '\.\/nothing' is no program that this user may run/],
    [{ text: "python9", by: "TYPHON_PYTHON" }, /TYPHON_PYTHON 'python9' is not on PATH/],
    [{ text: "plain" }, /may not run '.*plain\/bin\/python'; .*--python/],
    [{ text: "plain/bin/python" }, /is no program that this user may run/],
    [{ environment: { VIRTUAL_ENV: "/gone" } }, /VIRTUAL_ENV names '\/gone', which holds no bin/],
    [{ environment: { PATH: "/gone" } }, /no python3 on PATH; install/],
  ] as const)
    test(`says ${line.source}`, () => assert.throws(() => find(asked), line));
});
