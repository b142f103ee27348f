// Files that an application under test writes for the test to see.

import { existsSync, readFileSync } from "node:fs";

/** Whether it has been written: it is there a moment before what is in it. */
export function isWritten(path: string): boolean {
  return existsSync(path) && readFileSync(path).length > 0;
}
