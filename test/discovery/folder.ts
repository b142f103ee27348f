// Scratch folders for the tests of discovery: files by their paths, and what is found in words.

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, relative } from "node:path";
import { after } from "node:test";

import { discover, type Discovery } from "../../src/discovery/discover.ts";

const scratch = mkdtempSync(join(tmpdir(), "typhon-discovery-"));
after(() => rmSync(scratch, { recursive: true, force: true }));
let made = 0;

export type Tree = Readonly<Record<string, string>>;

/** A new folder with these files. */
export function folderWith(tree: Tree, name = "project"): string {
  const folder = join(scratch, String((made += 1)), name);
  mkdirSync(folder, { recursive: true });
  for (const [path, text] of Object.entries(tree)) {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), text);
  }
  return folder;
}

export interface Given {
  readonly entrypoint?: string;
  readonly names?: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
}

export function look(folder: string, given: Given = {}): Discovery {
  const { entrypoint = null, names = [], environment = {} } = given;
  return discover(folder, { environment, project: { entrypoint, names } });
}

/** "main:app", "flaskr:create_app() in src", "site", or the text of what is said. */
export function words(folder: string, discovery: Discovery): string {
  if (discovery.what === "site") return "site";
  if (discovery.what === "nothing")
    return [discovery.looked, ...discovery.advice].filter((line) => line !== "").join("\n");
  const place = relative(folder, discovery.folder);
  return place === "" ? discovery.app : `${discovery.app} in ${place}`;
}
