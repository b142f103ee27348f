// The files of an application's code: which names count as code, and the bytecode that Python keeps of the
// files in __pycache__. Python takes bytecode for fresh if its source has the same size and was written in
// the same second. A change soon after a load could therefore go unnoticed, so bytecode of changed files is
// deleted before a load, and Python compiles the files again.

import { readdir, stat, unlink } from "node:fs/promises";
import { basename, dirname, join, matchesGlob, relative } from "node:path";

/** The file that marks a folder as a virtual environment. */
export const VENV_MARK = "pyvenv.cfg";
/** Most folders that are looked at. A project has hundreds; Linux allows a user 8,000 watches or more. */
export const MAX_FOLDERS = 8000;

const CACHE_FOLDER = "__pycache__";
const IGNORED_FOLDERS = new Set([CACHE_FOLDER, "node_modules", "site-packages"]);
const CODE_FILE = /(?:\.(?:py|toml|ini|cfg|html|jinja|jinja2|env)|^\.env(?:\.[\w-]+)?)$/;
/** Files of which a page consists, beside its document, and CGI programs: no code is loaded of them. */
const PAGE_FILE = /\.(?:css|m?js|htm|xhtml|cgi|pl|php)$/;
/** Elsewhere applications write pictures themselves, such as uploads and plots: a page that reloads would lose a form. */
const ASSET =
  /\/(?:static|assets|public)\/.*\.(?:svg|png|jpe?g|gif|webp|avif|ico|woff2?|ttf|otf|wasm|webmanifest|map)$/;
/** Files that editors and checkers write beside a file: .#app.py, .app.py, ~app.py, flycheck_app.py, app_flymake.py. */
const TEMPORARY_FILE = /^(?:\.(?!env\b)|[~#]|flycheck_)|_flymake\.py$/;
/** "app.cpython-311.pyc", "app.cpython-311.opt-1.pyc" → "app". */
const COMPILED = /^(.+?)\.[^.]+(?:\.opt-\w+)?\.pyc$/;

/** Whether a change of a file of that name means new code. */
export function isCodeFile(name: string): boolean {
  return CODE_FILE.test(name) && !TEMPORARY_FILE.test(name) && name !== VENV_MARK;
}

/** Whether a change of the file at `path` means another page, and no new code. */
export function isPageFile(path: string): boolean {
  return (PAGE_FILE.test(path) || ASSET.test(path)) && !TEMPORARY_FILE.test(basename(path));
}

/** Glob patterns of further files that are code, and of files and folders that are none: "*.yaml", "tests/*". */
export interface FilePatterns {
  readonly include: readonly string[];
  readonly exclude: readonly string[];
}

/** Whether a file in one of `folders`, or a folder above it, fits a pattern by its name or the end of its path. */
export function fitsPattern(
  path: string,
  folders: readonly string[],
  patterns: readonly string[],
): boolean {
  const below = folders
    .map((folder) => relative(folder, path))
    .find((way) => !way.startsWith(".."));
  return patterns.some((pattern) => {
    const isAbsolute = pattern.startsWith("/");
    const [name, glob] = isAbsolute ? [path, pattern] : [below ?? path, `**/${pattern}`];
    const whole = glob.replace(/\/+$/, "");
    return matchesGlob(name, whole) || matchesGlob(name, `${whole}/**`);
  });
}

/** Whether a folder of that name may hold code of the application. */
export function isCodeFolder(name: string): boolean {
  return !name.startsWith(".") && !IGNORED_FOLDERS.has(name);
}

/** Deletes the bytecode of `files`. Never fails: bytecode that cannot be deleted is left to Python's own check. */
export async function dropBytecode(files: Iterable<string>): Promise<void> {
  const byFolder = new Map<string, Set<string>>();
  for (const file of files) {
    if (!file.endsWith(".py")) continue;
    const stems = byFolder.get(dirname(file)) ?? new Set();
    byFolder.set(dirname(file), stems.add(basename(file, ".py")));
  }
  for (const [folder, stems] of byFolder)
    for (const { path, stem } of await listCompiled(folder))
      if (stems.has(stem)) await unlink(path).catch(() => undefined);
}

/** Deletes bytecode older than its source, in `folders` and all code folders below. Never fails. */
export async function dropOutdatedBytecode(folders: readonly string[]): Promise<void> {
  const queue = [...folders];
  // The loop also visits the folders that it appends.
  for (const [at, folder] of queue.entries()) {
    if (at >= MAX_FOLDERS) return;
    const entries = await readdir(folder, { withFileTypes: true }).catch(() => []);
    if (at >= folders.length && entries.some(({ name }) => name === VENV_MARK)) continue;
    if (entries.some(({ name }) => name === CACHE_FOLDER)) await dropOutdated(folder);
    for (const entry of entries)
      if (entry.isDirectory() && isCodeFolder(entry.name)) queue.push(join(folder, entry.name));
  }
}

async function dropOutdated(folder: string): Promise<void> {
  for (const { path, stem } of await listCompiled(folder)) {
    const [compiled, source] = await Promise.all(
      [path, join(folder, `${stem}.py`)].map((file) => stat(file).catch(() => null)),
    );
    const isOutdated = compiled && source && compiled.mtimeMs < source.mtimeMs;
    if (isOutdated) await unlink(path).catch(() => undefined);
  }
}

/** The bytecode of a folder's files; empty if the folder has no __pycache__. */
async function listCompiled(folder: string): Promise<{ path: string; stem: string }[]> {
  const cache = join(folder, CACHE_FOLDER);
  const names = await readdir(cache).catch(() => []);
  return names.flatMap((name) => {
    const stem = COMPILED.exec(name)?.[1];
    return stem === undefined ? [] : [{ path: join(cache, name), stem }];
  });
}
