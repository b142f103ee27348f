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
  const commit = await git(ROOT, "rev-parse", "HEAD");
  const changes = await git(ROOT, "status", "--porcelain", "--untracked-files=no");
  const state = changes === "" ? "" : " with changes";
  return { title: `this checkout${state}`, folder: ROOT, commit: `${commit}${state}` };
}

/**
 * Builds `revision`, any name that git knows, in a folder that the next comparison finds again.
 * Throws UsageError if there is no such revision.
 */
export async function buildRevision(
  revision: string,
  { root, cache } = { root: ROOT, cache: CACHE },
): Promise<Checkout> {
  const commit = await findCommit(root, revision);
  const folder = join(cache, `revision-${commit.slice(0, 12)}`);
  // The last file of a build: without it the checkout or the build was interrupted.
  const isBuilt = existsSync(join(folder, "dist", ".built"));
  if (!isBuilt) {
    rmSync(folder, { recursive: true, force: true });
    // --force twice: git may still know the folder, even as one that is being made.
    await git(root, "worktree", "add", "--quiet", "-f", "-f", "--detach", folder, commit);
  }
  await provideModules(root, folder);
  if (!isBuilt) await build(folder);
  return { title: await git(root, "rev-parse", "--short", commit), folder, commit };
}

async function findCommit(root: string, revision: string): Promise<string> {
  try {
    const name = `${revision}^{commit}`;
    return await git(root, "rev-parse", "--verify", "--quiet", "--end-of-options", name);
  } catch (error) {
    throw new UsageError(`--against: git knows no revision "${revision}"`, { cause: error });
  }
}

/** Links to the packages of `root` if the lock files agree; else npm installs packages for `folder` alone. */
async function provideModules(root: string, folder: string): Promise<void> {
  const modules = join(folder, "node_modules");
  const lock = (checkout: string): string =>
    readFileSync(join(checkout, "package-lock.json"), "utf8");
  const isLink = lstatSync(modules, { throwIfNoEntry: false })?.isSymbolicLink() === true;
  if (lock(folder) === lock(root)) {
    if (!existsSync(modules)) symlinkSync(join(root, "node_modules"), modules);
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

async function git(root: string, ...args: readonly string[]): Promise<string> {
  return (await runProgram("git", ["-C", root, ...args])).trim();
}
