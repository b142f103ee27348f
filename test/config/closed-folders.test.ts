// Files and folders that the user of the server may not enter: each is one line that names the option and exit
// code 2, and nothing is passed over in silence. The command runs as a user without rights.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { fileURLToPath } from "node:url";

const RUN = fileURLToPath(new URL("../support/run-as-nobody.ts", import.meta.url));

const scratch = mkdtempSync(join(tmpdir(), "typhon-closed-"));
chmodSync(scratch, 0o755);
const closed = join(scratch, "closed");
const project = join(scratch, "project");
const writable = join(scratch, "writable");
const bin = join(scratch, "bin");
after(() => {
  for (const folder of [closed, join(project, ".venv")]) chmodSync(folder, 0o755);
  rmSync(scratch, { recursive: true });
});

function put(path: string, text: string, mode: number): void {
  writeFileSync(path, text);
  chmodSync(path, mode);
}

for (const folder of [closed, join(closed, "inside"), project, writable, bin, join(closed, "bin")])
  mkdirSync(folder, { recursive: true });
chmodSync(writable, 0o777);
put(join(bin, "python3"), "#!/bin/sh\necho the system one serves\nexit 9\n", 0o755);
for (const path of ["bin/python", "app.py", "variables"])
  put(join(closed, path), "#!/bin/sh\n", 0o755);
put(join(scratch, "unreadable"), "A=1\n", 0o000);
put(join(scratch, "no-program"), "#!/bin/sh\n", 0o644);
mkdirSync(join(scratch, "linked"));
symlinkSync(closed, join(scratch, "linked", ".venv"));
mkdirSync(join(project, ".venv", "bin"), { recursive: true });
put(join(project, ".venv", "bin", "python"), "#!/bin/sh\n", 0o755);
chmodSync(join(project, ".venv"), 0o700);
if (process.getuid?.() !== 0) chmodSync(join(project, ".venv"), 0o000);
chmodSync(closed, 0o000);

function refuse(
  words: readonly string[],
  cwd: string,
  environment: object = {},
  app = "app:app",
): string {
  const { status, stdout, stderr } = spawnSync(process.execPath, [RUN, app, ...words], {
    cwd,
    encoding: "utf8",
    env: { PATH: bin, TMPDIR: writable, ...environment },
  });
  assert.equal(status, 2, stdout + stderr);
  assert.equal(stdout, "");
  assert.match(stderr, /^typhon: [^\n]+\n$/, "one line");
  return stderr;
}

/** Options, and what the line has to name. */
const CASES: readonly (readonly [readonly string[], RegExp])[] = [
  [["--app-dir", closed], /--app-dir '.*closed' is closed to this user/],
  [["--app-dir", join(closed, "inside")], /--app-dir '.*inside' is closed to this user/],
  [["--reload-dir", closed], /--reload-dir .* is closed to this user/],
  [["--reload-dir", join(closed, "inside")], /--reload-dir .* is closed to this user/],
  [["--temp-dir", closed], /--temp-dir .* is no folder that this user may write to/],
  [["--temp-dir", join(closed, "inside")], /--temp-dir .* may write to/],
  [["--temp-dir", bin], /--temp-dir .* may write to/],
  [["--python", join(closed, "bin/python")], /--python .* no program that this user may run/],
  [["--python", join(scratch, "no-program")], /--python .* no program that this user may run/],
  [["--python", closed], /may not run '.*closed\/bin\/python'; .*--python/],
  [["--python", join(closed, "inside")], /--python .* no program that this user may run/],
  [["--env-file", join(closed, "variables")], /--env-file .* may not be read by this user/],
  [["--env-file", join(scratch, "unreadable")], /--env-file .* may not be read by this user/],
  [["--pid", join(closed, "pid")], /--pid .* may write to/],
  [["--access-log", join(closed, "log")], /--access-log .* may write/],
  [["--cgi", `/p=${closed}`], /--cgi '\/p=.*closed' is closed to this user/],
  [["--cgi", `/p=${join(closed, "app.py")}`], /--cgi '\/p=.*app\.py' is closed to this user/],
];

for (const [words, line] of CASES)
  test(`${words.join(" ").replace(scratch, "…")}: ${line.source}`, () => {
    assert.match(refuse(words, scratch), line);
  });

test("a .venv that this user may not enter is not passed over", () => {
  assert.match(refuse([], project), /may not run '.*project\/\.venv\/bin\/python'; .*--python/);
});

test("a .venv behind a link into a closed folder is not passed over", () => {
  assert.match(refuse([], join(scratch, "linked")), /may not run '.*linked\/\.venv\/bin\/python'/);
});

test("an application's file in a closed folder names the cause", () => {
  const line = /^typhon: application '.*app\.py' is in a folder that this user may not enter/;
  assert.match(refuse([], scratch, {}, join(closed, "app.py")), line);
});

test("a PID file in a closed folder, for the command that reloads", () => {
  assert.match(refuse(["--pid", join(closed, "pid")], scratch, {}, "reload"), /closed\/pid/);
});

test("a folder that was removed while somebody is in it", () => {
  const gone = join(scratch, "gone");
  for (const words of ["app:app", "reload --pid file"]) {
    const script = `mkdir -p ${gone}; cd ${gone} && rmdir ${gone} && exec ${process.execPath} ${RUN} ${words}`;
    const { status, stderr } = spawnSync("sh", ["-c", script], {
      encoding: "utf8",
      env: { PATH: process.env["PATH"] },
    });
    assert.equal(status, 2, stderr);
    assert.match(stderr, /^typhon: the current folder is gone; [^\n]+\n$/);
  }
});

test("VIRTUAL_ENV in a closed folder names the cause", () => {
  const line = refuse([], scratch, { VIRTUAL_ENV: join(project, ".venv") });
  assert.match(line, /may not run '.*project\/\.venv\/bin\/python'/);
});
