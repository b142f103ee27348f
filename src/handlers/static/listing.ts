// The list of a folder as a page: names in order, folders first, sizes and times. Only what would be served is
// listed: no hidden names, no devices, no links that lead out of the served folder.

import { opendir } from "node:fs/promises";

import { escapeHtml } from "../../http/escape-html.ts";
import type { FileTree } from "../../net/file-tree.ts";
import { encodePath } from "./paths.ts";

/** Names of a folder that are looked at. */
const MAX_LISTED = 2000;

interface Row {
  /** Latin-1: one character, one byte. */
  readonly name: string;
  readonly isFolder: boolean;
  readonly bytes: number;
  readonly modifiedMs: number;
}

/** Made for the first listing: it takes 5 ms, for which a start does not wait. */
let order: Intl.Collator | null = null;

/** The page of a folder; null if it is none any more. `path`: of the request, ends with "/". */
export async function listFolder(
  tree: FileTree,
  names: readonly string[],
  path: string,
): Promise<string | null> {
  const place = await tree.find(names);
  if (place === null) return null;
  try {
    if (place.kind !== "folder") return null;
    const found = await readNames(place.path);
    const rows = await Promise.all(found.names.map((name) => rowOf(tree, names, name)));
    const shown = rows.filter((row) => row !== null).toSorted(compareRows);
    return page(shown, textOf(path), { hasParent: names.length > 0, isCut: found.isCut });
  } finally {
    place.release();
  }
}

async function readNames(folder: string): Promise<{ names: string[]; isCut: boolean }> {
  const names: string[] = [];
  // Names are bytes; "latin1" keeps each of them.
  for await (const { name } of await opendir(folder, { encoding: "latin1", bufferSize: 256 })) {
    if (name.startsWith(".")) continue;
    if (names.length === MAX_LISTED) return { names, isCut: true };
    names.push(name);
  }
  return { names, isCut: false };
}

async function rowOf(tree: FileTree, folder: readonly string[], name: string): Promise<Row | null> {
  const place = await tree.find([...folder, name]);
  if (place === null) return null;
  place.release();
  const { stats } = place;
  return {
    name,
    isFolder: stats === null,
    bytes: stats?.size ?? 0,
    modifiedMs: stats?.mtimeMs ?? 0,
  };
}

function compareRows(a: Row, b: Row): number {
  if (a.isFolder !== b.isFolder) return a.isFolder ? -1 : 1;
  order ??= new Intl.Collator("en", { numeric: true });
  return order.compare(textOf(a.name), textOf(b.name)) || (a.name < b.name ? -1 : 1);
}

function page(
  rows: readonly Row[],
  path: string,
  { hasParent, isCut }: { readonly hasParent: boolean; readonly isCut: boolean },
): string {
  const title = escapeHtml(path);
  const parent = hasParent ? '<tr><td><a href="../">../</a><td><td>\n' : "";
  const note = isCut ? `<p>The folder has more names than the ${MAX_LISTED} shown.</p>\n` : "";
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>${title}</title>
<style>
  body { font: 16px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 60rem; padding: 0 1rem; }
  table { border-collapse: collapse; width: 100%; }
  td { border-top: 1px solid #8884; overflow-wrap: anywhere; padding: 0.25rem 1rem 0.25rem 0; }
  td + td { font-variant-numeric: tabular-nums; text-align: right; white-space: nowrap; }
</style>
<h1>${title}</h1>
<table>
${parent}${rows.map(rowText).join("")}</table>
${note}</html>
`;
}

function rowText({ name, isFolder, bytes, modifiedMs }: Row): string {
  const slash = isFolder ? "/" : "";
  // "./": a name with a colon is no scheme.
  const link = `<a href="./${escapeHtml(encodePath(name))}${slash}">${escapeHtml(textOf(name))}${slash}</a>`;
  return `<tr><td>${link}<td>${isFolder ? "" : sizeText(bytes)}<td>${isFolder ? "" : timeText(modifiedMs)}\n`;
}

/** "" for a time beyond those that a Date has: a file system may have any 64-bit number of seconds. */
export function timeText(ms: number): string {
  const time = new Date(ms);
  return Number.isNaN(time.getTime()) ? "" : time.toISOString().slice(0, -8).replace("T", " ");
}

function sizeText(bytes: number): string {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  const step = Math.min(units.length - 1, Math.floor(Math.log2(Math.max(1, bytes)) / 10));
  const value = bytes / 1024 ** step;
  return `${step === 0 || value >= 100 ? value.toFixed(0) : value.toFixed(1)} ${units[step] ?? ""}`;
}

/** Bytes as the text that they most likely are. */
function textOf(latin: string): string {
  return Buffer.from(latin, "latin1").toString("utf8");
}
