// The two checkouts of a comparison: this one as it is, changes that are not committed included, and
// another revision in a git worktree below benchmarks/.cache. Each has its own build. The packages of
// npm are shared where both revisions lock the same ones.

import { existsSync, lstatSync, readFileSync, rmSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { UsageError } from "./arguments.ts";
import { CACHE, ROOT } from "./places.ts";
import { runProgram } from "./program.ts";

/** A checkout with a build that is newer than its sources: bin/typhon runs that build. */
export interface Checkout {
  /** Heading of its figures. */
  readonly title: string;
  readonly folder: string;
  readonly commit: string;
}

/** Builds the checkout that these benchmarks are part of. */
export async function buildThisCheckout(): Promise<Checkout> {
  await build(ROOT);
  const commit = await git("rev-parse", "HEAD");
  const changes = await git("status", "--porcelain", "--untracked-files=no");
  const state = changes === "" ? "" : " with changes";
  return { title: `this checkout${state}`, folder: ROOT, commit: `${commit}${state}` };
}

/**
 * Builds `revision`, any name that git knows, in a folder that the next comparison finds again.
 * Throws UsageError if there is no such revision.
 */
export async function buildRevision(revision: string, cache = CACHE): Promise<Checkout> {
  const commit = await findCommit(revision);
  const folder = join(cache, `revision-${commit.slice(0, 12)}`);
  if (!existsSync(join(folder, ".git"))) {
    // --force: the folder of an earlier comparison may have been deleted behind git's back.
    await git("worktree", "add", "--quiet", "--force", "--detach", folder, commit);
  }
  await provideModules(folder);
  // The last step of a build: without this file an earlier one was interrupted.
  if (!existsSync(join(folder, "dist", ".built"))) await build(folder);
  return { title: await git("rev-parse", "--short", commit), folder, commit };
}

async function findCommit(revision: string): Promise<string> {
  try {
    return await git(
      "rev-parse",
      "--verify",
      "--quiet",
      "--end-of-options",
      `${revision}^{commit}`,
    );
  } catch (error) {
    throw new UsageError(`--against: git knows no revision "${revision}"`, { cause: error });
  }
}

/** A symbolic link to our packages if the lock files agree, else packages of its own by npm. */
async function provideModules(folder: string): Promise<void> {
  const modules = join(folder, "node_modules");
  const lock = (checkout: string): string =>
    readFileSync(join(checkout, "package-lock.json"), "utf8");
  const isLink = lstatSync(modules, { throwIfNoEntry: false })?.isSymbolicLink() === true;
  if (lock(folder) === lock(ROOT)) {
    if (!existsSync(modules)) symlinkSync(join(ROOT, "node_modules"), modules);
    return;
  }
  if (isLink) rmSync(modules);
  // npm writes this file when all packages are there.
  if (existsSync(join(modules, ".package-lock.json"))) return;
  await runProgram("npm", ["ci", "--prefix", folder, "--no-audit", "--no-fund"]);
}

async function build(folder: string): Promise<void> {
  await runProgram("sh", [join(folder, "tools", "build.sh")]);
}

async function git(...args: readonly string[]): Promise<string> {
  return (await runProgram("git", ["-C", ROOT, ...args])).trim();
}
