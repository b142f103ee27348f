// Releases behind a symbolic link: `current` leads to a folder of its own for each release and is turned before
// a reload. One server goes from release to release.

import { execFileSync } from "node:child_process";
import { readdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { before, describe, test } from "node:test";

import { until } from "../support/deadline.ts";
import { FILE } from "../support/file-scope.ts";
import { getOnce } from "../support/raw-client.ts";
import { makeScratch, requirePython } from "../support/scratch.ts";
import { startTyphon, type Typhon } from "../support/typhon.ts";

/** Tells the release of each kind of file: the application's own, a library's, one that is opened. */
const APP = `
import os, sys
def app(environ, start_response):
    import lazy, library
    start_response("200 OK", [])
    found = (__file__, lazy.__file__, library.__file__, os.getcwd() + "/.", sys.prefix + "/.")
    releases = {os.path.relpath(path, FOLDER).split(os.sep)[0] for path in found}
    return [f"{' '.join(sorted(releases))} {open('text').read()}".encode()]
`;

for (const more of [[], ["--preload"]])
  describe(`one server, from release to release ${more.join()}`, () => {
    let folder: string;
    let typhon: Typhon;

    /** Makes a release with a virtual environment of its own, and turns the link to it. */
    function release(name: string): void {
      const place = join(folder, name);
      const environment = join(place, ".venv");
      execFileSync(requirePython(), ["-m", "venv", "--without-pip", environment]);
      const [version = ""] = readdirSync(join(environment, "lib"));
      const packages = join(environment, "lib", version, "site-packages");
      writeFileSync(join(place, "app.py"), `FOLDER = ${JSON.stringify(folder)}\n${APP}`);
      writeFileSync(join(place, "lazy.py"), "");
      writeFileSync(join(packages, "library.py"), "");
      writeFileSync(join(place, "text"), name);
      turn(name);
    }

    function turn(name: string): void {
      symlinkSync(name, join(folder, "next"));
      renameSync(join(folder, "next"), join(folder, "current"));
    }

    function killWorkers(): readonly number[] {
      const pids = typhon.workers().map(({ pid }) => pid);
      for (const pid of pids) process.kill(pid, "SIGKILL");
      return pids;
    }

    async function replaceWorkers(): Promise<void> {
      const pids = killWorkers();
      await until("the workers are replaced", () => {
        const now = typhon.workers().map(({ pid }) => pid);
        return now.length > 0 && now.every((pid) => !pids.includes(pid));
      });
    }

    async function serves(text: string): Promise<void> {
      await until(`it serves ${text}`, async () => {
        const response = await getOnce(typhon, "/");
        return response.status === 200 && response.text === text;
      });
    }

    before(async () => {
      folder = makeScratch(FILE);
      release("r1");
      const current = join(folder, "current");
      // The kernel knows the folder without links; a shell tells the name with them in PWD.
      const args = ["app:app", "--workers", "1", "--bind", "127.0.0.1:0", ...more];
      typhon = await startTyphon(FILE, args, {
        defaults: false,
        cwd: current,
        env: { PWD: current },
      });
    });

    test("a worker that replaces a dead one runs the release of the others", async () => {
      await serves("r1 r1");
      release("r2");
      await replaceWorkers();
      await serves("r1 r1");
    });

    test("a reload follows the link: code, libraries and working directory are the new release's", async () => {
      typhon.signal("SIGHUP");
      await typhon.output.waitFor(/new code serves/);
      await serves("r2 r2");
    });

    test("a release that is deleted is left when a worker dies: the log says why", async () => {
      release("r3");
      rmSync(join(folder, "r2"), { recursive: true });
      const from = typhon.output.all.length;
      await replaceWorkers();
      await serves("r3 r3");
      const reason = /INFO {2}the folder \S+\/r2 is gone: loading the application's code again/;
      await typhon.output.waitFor(reason, from);
    });

    test("a link that leads nowhere does not end what serves, and is followed when it leads somewhere", async () => {
      rmSync(join(folder, "r3"), { recursive: true });
      // No worker comes up in their place until the link leads somewhere.
      killWorkers();
      await typhon.output.waitFor(/the new code does not load\n.*the folder \S+\/current is gone/);
      release("r4");
      await serves("r4 r4");
    });
  });
