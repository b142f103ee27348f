// The programs of cgi-bin with every CPython of this machine, warm and cold: the same responses, also where an old
// program fails because its Python has no module cgi.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { before, describe, it } from "node:test";

import { compared, SMALL_CASES } from "../../support/cgi-cases.ts";
import {
  ask,
  folderPlace,
  makePrograms,
  startTyphonCgi,
  type CgiServer,
} from "../../support/cgi-programs.ts";
import { until } from "../../support/deadline.ts";
import { FILE } from "../../support/file-scope.ts";
import { findInterpreters } from "../../support/interpreters.ts";

/** Older ones run programs, but no launcher. */
const LAUNCHERS = findInterpreters("3.10");
const PYTHON_CASES = SMALL_CASES.filter(({ path }) => path.includes(".py"));

/** The programs with a shebang of this interpreter. */
function makeProgramsOf(python: string): string {
  const folder = makePrograms(FILE);
  const names = readdirSync(folder, { recursive: true, encoding: "utf8" });
  for (const name of names.filter((one) => one.endsWith(".py"))) {
    const path = join(folder, name);
    writeFileSync(
      path,
      readFileSync(path, "utf8").replace(/^#!\/usr\/bin\/(?:env )?python3/, `#!${python}`),
    );
  }
  return folder;
}

for (const { path: python, version } of findInterpreters("3.8"))
  describe(`CPython ${version}`, () => {
    const servers: CgiServer[] = [];
    const hasCgi = spawnSync(python, ["-c", "import cgi, cgitb"]).status === 0;
    before(async () => {
      const places = [folderPlace("/cgi-bin", makeProgramsOf(python))];
      const launcher = LAUNCHERS.find((one) => one.path === python) ?? LAUNCHERS[0];
      assert(launcher !== undefined);
      const order = { places, python: launcher.path, user: null };
      servers.push(await startTyphonCgi(FILE, { ...order, warm: "off" }));
      servers.push(await startTyphonCgi(FILE, { ...order, warm: "auto" }));
    });

    if (!hasCgi)
      it("the log says how to get the module cgi", async () => {
        for (const server of servers) {
          assert.equal((await ask(server, { path: "/cgi-bin/form.py" })).status, 500);
          await until("the log says so", () => server.readLog().includes("legacy-cgi"));
        }
      });

    for (const one of PYTHON_CASES) {
      const method = one.method ?? (one.body === undefined ? "GET" : "POST");
      it(`${method} ${one.path}`, async () => {
        const [cold, warm] = servers;
        assert(cold !== undefined && warm !== undefined);
        const expected = await ask(cold, one);
        const isLacking = !hasCgi && /form|fault/.test(one.path);
        assert.equal(expected.status, isLacking ? 500 : one.status, cold.readLog());
        // Twice: the first run of a program makes its template.
        for (let run = 0; run < 2; run += 1)
          assert.deepEqual(compared(await ask(warm, one), one), compared(expected, one));
      });
    }
  });
