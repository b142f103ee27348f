// Servers and folders that all tests of a file share, undone when the last test is over. node:test's own
// `after`, called inside `before`, belongs to that hook and would run at its end: it is therefore called
// here, while the file is loaded.

import { after } from "node:test";

import type { Scope } from "./scratch.ts";

const undoing: (() => Promise<void> | void)[] = [];

after(async () => {
  for (const undo of undoing.toReversed()) await undo();
});

/** For servers and folders that are made in `before`. */
export const FILE: Scope = { after: (undo) => void undoing.push(undo) };
