// Which program a path names, in a real folder: names, rights, links, and what never runs.

import assert from "node:assert/strict";
import { chmodSync, mkdirSync, renameSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";

import { ProgramFinder } from "../../../src/handlers/cgi/program-finder.ts";
import { FileLimit } from "../../support/file-count.ts";
import { makeScratch } from "../../support/scratch.ts";

const ends: (() => unknown)[] = [];
after(async () => {
  for (const end of ends) await end();
});

let base = "";
let root = "";
const denied: string[] = [];

function program(path: string, mode = 0o755): void {
  writeFileSync(join(root, path), "#!/bin/sh\n");
  chmodSync(join(root, path), mode);
}

before(() => {
  base = makeScratch({ after: (end) => void ends.push(end) });
  root = join(base, "cgi");
  mkdirSync(join(root, "sub/x.cgi.d"), { recursive: true });
  mkdirSync(join(root, ".git"));
  mkdirSync(join(base, "other"));
  program("prog");
  program("module.py", 0o644);
  program("run.py");
  program("text.txt", 0o644);
  program("sub/in.cgi");
  program("sub/x.cgi.d/avatar.jpg", 0o644);
  program(".hidden");
  program(".git/hook");
  program("caf\u00e9");
  program("../other/outside");
  symlinkSync("sub/in.cgi", join(root, "inner"));
  symlinkSync("../other/outside", join(root, "outer"));
  symlinkSync("../other", join(root, "outer-folder"));
  symlinkSync("/bin/sh", join(root, "shell"));
  symlinkSync("prog", join(root, "only"));
});

async function open(place = root, python = "", prefix = "/cgi-bin"): Promise<ProgramFinder> {
  const onDenied = (path: string): void => void denied.push(path);
  return await ProgramFinder.open({ prefix, place, python, count: new FileLimit(100), onDenied });
}

/** "file|scriptName|pathInfo|python", or the word of the outcome. */
async function tell(finder: ProgramFinder, path: string): Promise<string> {
  const found = await finder.find(path);
  if (typeof found === "string") return found;
  const { file, scriptName, pathInfo, python, folder } = found;
  assert.equal(file.slice(0, file.lastIndexOf("/")), folder);
  return [file.replace(Buffer.from(base).toString("latin1"), ""), scriptName, pathInfo, python]
    .join("|")
    .replace(/\|$/, "");
}

describe("the program of a path in a folder", () => {
  for (const [path, expected] of [
    ["/cgi-bin/prog", "/cgi/prog|/cgi-bin/prog|"],
    ["/cgi-bin/prog/", "/cgi/prog|/cgi-bin/prog|/"],
    ["/cgi-bin/prog/a.cgi/.b/c", "/cgi/prog|/cgi-bin/prog|/a.cgi/.b/c"],
    ["/cgi-bin/sub/in.cgi/x", "/cgi/sub/in.cgi|/cgi-bin/sub/in.cgi|/x"],
    ["/cgi-bin/run.py", "/cgi/run.py|/cgi-bin/run.py|"],
    ["/cgi-bin/caf\u00c3\u00a9/x", "/cgi/caf\u00c3\u00a9|/cgi-bin/caf\u00c3\u00a9|/x"],
    ["/cgi-bin/inner/x", "/cgi/inner|/cgi-bin/inner|/x"],
    ["/cgi-bin", "missing"],
    ["/cgi-bin/", "missing"],
    ["/cgi-bin/sub", "missing"],
    ["/cgi-bin/sub/", "missing"],
    ["/cgi-bin/none", "missing"],
    ["/cgi-bin/none/prog", "missing"],
    ["/cgi-bin/.hidden", "missing"],
    ["/cgi-bin/.git/hook", "missing"],
    ["/cgi-bin/outer", "missing"],
    ["/cgi-bin/outer-folder/outside", "missing"],
    ["/cgi-bin/shell", "missing"],
    ["/cgi-bin/module.py", "denied"],
    ["/cgi-bin/text.txt/x", "denied"],
    ["/cgi-bin/sub/x.cgi.d/avatar.jpg", "denied"],
    [`/cgi-bin/${"a/".repeat(3000)}`, "missing"],
    [`/cgi-bin/${"a".repeat(5000)}`, "missing"],
  ] as const)
    it(`${path.slice(0, 60)} is ${expected}`, async () => {
      assert.equal(await tell(await open(), path), expected);
    });

  it("is run by the interpreter where the route says so and the file is not executable", async () => {
    const finder = await open(root, "/usr/bin/python3");
    assert.equal(
      await tell(finder, "/cgi-bin/module.py/x"),
      "/cgi/module.py|/cgi-bin/module.py|/x|/usr/bin/python3",
    );
    assert.equal(await tell(finder, "/cgi-bin/run.py"), "/cgi/run.py|/cgi-bin/run.py|");
    assert.equal(await tell(finder, "/cgi-bin/text.txt"), "denied");
  });

  it("counts as it is now", async () => {
    const finder = await open();
    program("changing", 0o644);
    assert.equal(await tell(finder, "/cgi-bin/changing"), "denied");
    chmodSync(join(root, "changing"), 0o755);
    assert.match(await tell(finder, "/cgi-bin/changing"), /^\/cgi\/changing/);
    renameSync(join(root, "changing"), join(root, "changed"));
    assert.equal(await tell(finder, "/cgi-bin/changing"), "missing");
    assert.match(await tell(finder, "/cgi-bin/changed"), /^\/cgi\/changed/);
  });

  it("is below the root of the site where the route has no path", async () => {
    assert.equal(await tell(await open(root, "", ""), "/prog/x"), "/cgi/prog|/prog|/x");
  });
});

describe("a place that is one program", () => {
  it("gets every path", async () => {
    const finder = await open(join(root, "prog"), "", "/git");
    assert.equal(await tell(finder, "/git"), "/cgi/prog|/git|");
    assert.equal(await tell(finder, "/git/"), "/cgi/prog|/git|/");
    assert.equal(await tell(finder, "/git/.a/sub/in.cgi"), "/cgi/prog|/git|/.a/sub/in.cgi");
    assert.equal(await tell(await open(join(root, "prog"), "", ""), "/x"), "/cgi/prog||/x");
  });

  it("may be a link, since the operator has named it", async () => {
    assert.equal(
      await tell(await open(join(root, "outer")), "/cgi-bin/x"),
      "/cgi/outer|/cgi-bin|/x",
    );
  });

  it("is missing when it has gone, and denied when it may not be run", async () => {
    program("going");
    const finder = await open(join(root, "going"));
    chmodSync(join(root, "going"), 0o644);
    assert.equal(await tell(finder, "/cgi-bin/x"), "denied");
    renameSync(join(root, "going"), join(root, "gone"));
    assert.equal(await tell(finder, "/cgi-bin/x"), "missing");
  });
});

it("a place that is not there is a folder without programs until it is there", async () => {
  const finder = await open(join(base, "later"));
  assert.equal(await tell(finder, "/cgi-bin/prog"), "missing");
  mkdirSync(join(base, "later"));
  program("../later/prog");
  assert.equal(await tell(finder, "/cgi-bin/prog"), "/later/prog|/cgi-bin/prog|");
  assert.deepEqual(denied, []);
});
