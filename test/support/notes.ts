// Files that an application under test writes for the test to see.

import { existsSync, readFileSync } from "node:fs";

/** Whether a note has been written: its file exists a moment before its content. */
export function isWritten(path: string): boolean {
  return existsSync(path) && readFileSync(path).length > 0;
}
