// A folder of its own for a test, gone when the test is over, and the places of the checkout that
// tests use.

import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";

/** Where something that has to be undone is registered: a test's context, or node:test's own hooks. */
export interface Scope {
  readonly after: (undo: () => Promise<void> | void) => void;
}

export const CHECKOUT = resolve(import.meta.dirname, "../..");
export const APPS = join(CHECKOUT, "test/apps");
/** The command, as its users start it. */
export const COMMAND = join(CHECKOUT, "bin/typhon");
/** The interpreter with Flask and Django; tools/setup-python.sh makes it. */
const PYTHON = join(CHECKOUT, ".venv-test/bin/python");

/** Makes a folder that is removed at the end of the scope. */
export function makeScratch(scope: Scope): string {
  const folder = mkdtempSync(join(tmpdir(), "typhon-test-"));
  // A file that is being made meanwhile would end the removal with ENOTEMPTY.
  scope.after(() => rmSync(folder, { recursive: true, force: true, maxRetries: 5 }));
  return folder;
}

/** Fails early and clearly where the environment of the tests is missing. */
export function requirePython(): string {
  if (!existsSync(PYTHON)) throw new Error("no .venv-test; run: sh tools/setup-python.sh");
  return PYTHON;
}
