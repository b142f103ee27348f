// Another revision of a repository, built in a folder of its own: a small repository stands for ours.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { lstatSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { test, type TestContext } from "node:test";
import { UsageError } from "../arguments.ts";
import { buildRevision } from "../checkout.ts";

// Counts the builds; what a build leaves at its end is a file .built.
const BUILD = `cd "$(dirname "$0")/.." && mkdir -p dist && cat SOURCE >>dist/builds && : >dist/.built`;

interface Repository {
  readonly root: string;
  readonly cache: string;
  commit(files: Readonly<Record<string, string>>): string;
}

function makeRepository(context: TestContext): Repository {
  const folder = mkdtempSync(join(tmpdir(), "typhon-checkout-"));
  context.after(() => rmSync(folder, { recursive: true, force: true }));
  const root = join(folder, "root");
  const git = (...args: string[]): string => {
    const identity = ["-c", "user.name=Test", "-c", "user.email=test@localhost"];
    return execFileSync("git", ["-C", root, ...identity, ...args], { encoding: "utf8" }).trim();
  };
  mkdirSync(join(root, "node_modules"), { recursive: true });
  mkdirSync(join(root, "tools"));
  git("init", "--quiet");
  writeFileSync(join(root, ".gitignore"), "node_modules/\ndist/\n");
  writeFileSync(join(root, "tools", "build.sh"), BUILD);
  writeFileSync(join(root, "package.json"), `{ "name": "test", "version": "1.0.0" }`);
  return {
    root,
    cache: join(folder, "cache"),
    commit: (files) => {
      for (const [name, text] of Object.entries(files)) writeFileSync(join(root, name), text);
      git("add", ".");
      git("commit", "--quiet", "--message", "test");
      return git("rev-parse", "HEAD");
    },
  };
}

function makeLock(version: string): string {
  const entry = { name: "test", version };
  return JSON.stringify({ ...entry, lockfileVersion: 3, packages: { "": entry } });
}

test("builds another revision once, and shares the packages while the lock files agree", async (t) => {
  const repository = makeRepository(t);
  const old = repository.commit({ SOURCE: "old\n", "package-lock.json": makeLock("1.0.0") });
  repository.commit({ SOURCE: "new\n" });
  const checkout = await buildRevision("HEAD~1", repository);
  assert.equal(checkout.commit, old);
  assert.ok(old.startsWith(checkout.title), checkout.title);
  assert.ok(lstatSync(join(checkout.folder, "node_modules")).isSymbolicLink());
  assert.deepEqual(await buildRevision(old.slice(0, 10), repository), checkout);
  assert.equal(readFileSync(join(checkout.folder, "dist", "builds"), "utf8"), "old\n");
});

test("begins again where a checkout or a build was interrupted, or the folder deleted", async (t) => {
  const repository = makeRepository(t);
  const commit = repository.commit({ SOURCE: "first\n", "package-lock.json": makeLock("1.0.0") });
  const { folder } = await buildRevision("HEAD", repository);
  const builds = (): string => readFileSync(join(folder, "dist", "builds"), "utf8");
  rmSync(join(folder, "dist", ".built"));
  rmSync(join(folder, "SOURCE"));
  await buildRevision(commit, repository);
  assert.equal(builds(), "first\n");
  rmSync(folder, { recursive: true });
  // The state that git leaves behind if it is killed while it makes the worktree.
  const known = join(repository.root, ".git", "worktrees", basename(folder));
  writeFileSync(join(known, "locked"), "initializing");
  await buildRevision(commit, repository);
  assert.equal(builds(), "first\n");
});

test("shares no packages with a revision that locks others", async (t) => {
  const repository = makeRepository(t);
  repository.commit({ SOURCE: "old\n", "package-lock.json": makeLock("1.0.0") });
  const { folder } = await buildRevision("HEAD", repository);
  repository.commit({ "package-lock.json": makeLock("2.0.0") });
  await buildRevision("HEAD~1", repository);
  const modules = lstatSync(join(folder, "node_modules"), { throwIfNoEntry: false });
  assert.notEqual(modules?.isSymbolicLink(), true);
});

test("says which revision git does not know", async (t) => {
  const repository = makeRepository(t);
  repository.commit({ SOURCE: "", "package-lock.json": makeLock("1.0.0") });
  const refusal = (error: Error): boolean =>
    error instanceof UsageError && /--against: git knows no revision "v9"/.test(error.message);
  await assert.rejects(buildRevision("v9", repository), refusal);
  await assert.rejects(buildRevision("--all", repository), UsageError);
});
