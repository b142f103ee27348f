// The folder for compiled code is used only where it is the user's own: run in a Node of its own,
// because the cache of a process can be switched on once.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  statSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, test } from "node:test";

const scratch = mkdtempSync(join(tmpdir(), "typhon-cache-"));
after(() => rmSync(scratch, { recursive: true }));

const MODULE = new URL("../../src/cli/compile-cache.ts", import.meta.url).href;
const SCRIPT = `
  const { useCompileCache } = await import(${JSON.stringify(MODULE)});
  const { getCompileCacheDir } = await import("node:module");
  useCompileCache(process.env);
  console.log(getCompileCacheDir() ?? "none");`;

/** The folder that a process with these variables uses, or "none". */
function folderOf(environment: Record<string, string>): string {
  return execFileSync(process.execPath, ["--input-type=module", "--eval", SCRIPT], {
    env: environment,
    encoding: "utf8",
  }).trim();
}

function home(name: string): string {
  const path = join(scratch, name);
  mkdirSync(path);
  return path;
}

describe("useCompileCache", () => {
  test("uses a folder of the user's alone, and makes it", () => {
    const own = home("own");
    assert.ok(folderOf({ HOME: own }).startsWith(join(own, ".cache", "typhon")));
    assert.equal(statSync(join(own, ".cache", "typhon")).mode & 0o077, 0);
  });
  test("XDG_CACHE_HOME wins over HOME", () => {
    const [own, caches] = [home("other"), home("caches")];
    assert.ok(folderOf({ HOME: own, XDG_CACHE_HOME: caches }).startsWith(join(caches, "typhon")));
    assert.equal(existsSync(join(own, ".cache")), false);
  });
  test("does nothing without a home, with a relative one, or with one that is not there", () => {
    assert.equal(folderOf({}), "none");
    assert.equal(folderOf({ HOME: "relative" }), "none");
    assert.equal(folderOf({ HOME: join(scratch, "gone") }), "none");
    assert.equal(existsSync(join(scratch, "gone")), false);
  });
  test("does not take a folder that others may write to", () => {
    const own = home("open");
    mkdirSync(join(own, ".cache", "typhon"), { recursive: true });
    chmodSync(join(own, ".cache", "typhon"), 0o777);
    assert.equal(folderOf({ HOME: own }), "none");
  });
  test("does not touch the home of another user, as sudo may keep it", () => {
    // Only root can give a folder away; for anyone else / is a home of another user.
    const isRoot = process.getuid?.() === 0;
    const foreign = isRoot ? home("foreign") : "/";
    if (isRoot) chownSync(foreign, 12_345, 12_345);
    assert.equal(folderOf({ HOME: foreign }), "none");
    assert.equal(existsSync(join(foreign, ".cache", "typhon")), false);
  });
});
