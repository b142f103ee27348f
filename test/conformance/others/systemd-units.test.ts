// The units of deploy/systemd/ by systemd's own reader.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { copyFileSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";

import { CHECKOUT, COMMAND, makeScratch } from "../../support/scratch.ts";

function verify(folder: string): { readonly status: number | null; readonly output: string } {
  const units = [join(folder, "myapp.service"), join(folder, "myapp.socket")];
  const args = ["verify", "--man=no", ...units];
  const { status, stdout, stderr } = spawnSync("systemd-analyze", args, { encoding: "utf8" });
  return { status, output: stdout + stderr };
}

test("systemd takes the units, and no misspelled one", (t) => {
  const folder = makeScratch(t);
  const unit = readFileSync(join(CHECKOUT, "deploy/systemd/myapp.service"), "utf8");
  // The command has to exist, and so has the user.
  const here = unit
    .replaceAll("/srv/myapp/.venv/bin/typhon", COMMAND)
    .replace("User=myapp", "User=root");
  writeFileSync(join(folder, "myapp.service"), here);
  copyFileSync(join(CHECKOUT, "deploy/systemd/myapp.socket"), join(folder, "myapp.socket"));
  assert.deepEqual(verify(folder), { status: 0, output: "" });
  writeFileSync(join(folder, "myapp.service"), here.replace("KillMode=", "KilMode="));
  assert.match(verify(folder).output, /KilMode/);
});
