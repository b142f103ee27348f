// Files below a folder, and nothing outside: links, special files, folders that are replaced meanwhile, and that
// no descriptor is left open.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import {
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { test } from "node:test";

import { canOpenBelow, FileTree, type OpenFile } from "../../src/net/file-tree.ts";
import { until } from "../support/deadline.ts";
import { FileLimit } from "../support/file-count.ts";
import { makeScratch, type Scope } from "../support/scratch.ts";

interface Fixture {
  readonly count: FileLimit;
  readonly outside: string;
  readonly root: string;
  readonly tree: FileTree;
  readonly denied: string[];
}

function makeFixture(scope: Scope, followLinks = false, limit = 100): Fixture {
  const outside = makeScratch(scope);
  const root = join(outside, "root");
  mkdirSync(join(root, "a/b"), { recursive: true });
  writeFileSync(join(outside, "secret.txt"), "secret");
  writeFileSync(join(root, "file.txt"), "file");
  writeFileSync(join(root, "a/b/deep.txt"), "deep");
  const denied: string[] = [];
  const count = new FileLimit(limit);
  const onDenied = (path: string): void => void denied.push(path);
  return {
    outside,
    root,
    denied,
    count,
    tree: new FileTree({ root, followLinks, count, onDenied }),
  };
}

async function open(tree: FileTree, path: string): Promise<OpenFile | null> {
  const place = await tree.find(path.split("/"));
  try {
    return place?.kind === "file" ? await place.open() : null;
  } finally {
    place?.release();
  }
}

/** The content of a file; null where there is none; "folder". */
async function read(tree: FileTree, path: string): Promise<string | null> {
  const place = await tree.find(path === "" ? [] : path.split("/"));
  place?.release();
  if (place?.kind === "folder") return "folder";
  const file = await open(tree, path);
  if (file === null) return null;
  try {
    return String(await file.readAll());
  } finally {
    file.close();
  }
}

/** Descriptors of this process that lead below a folder. */
function openBelow(folder: string): string[] {
  return readdirSync("/proc/self/fd").flatMap((fd) => {
    try {
      const target = readlinkSync(`/proc/self/fd/${fd}`);
      return target.startsWith(folder) ? [target] : [];
    } catch {
      return [];
    }
  });
}

test("finds files and folders; what is missing is null", async (t) => {
  const { tree } = makeFixture(t);
  assert(canOpenBelow());
  assert.equal(await read(tree, "file.txt"), "file");
  assert.equal(await read(tree, "a/b/deep.txt"), "deep");
  assert.equal(await read(tree, "a/b"), "folder");
  assert.equal(await read(tree, ""), "folder");
  for (const path of ["missing", "missing/x", "file.txt/x", "a/b/x", "x".repeat(300)])
    assert.equal(await read(tree, path), null, path);
});

test("a name of bytes that are no UTF-8 is found", async (t) => {
  const { tree, root } = makeFixture(t);
  writeFileSync(Buffer.from(join(root, "caf\xe9"), "latin1"), "bytes");
  assert.equal(await read(tree, "caf\xe9"), "bytes");
});

test("links are followed while they stay below the root", async (t) => {
  const { tree, root, outside } = makeFixture(t);
  const links: Record<string, string> = {
    plain: "file.txt",
    "a/up": "../file.txt",
    "a/far": "../a/./b/../b/deep.txt",
    folder: "a/b",
    absolute: join(root, "file.txt"),
    chain: "plain",
    slash: "a/b/",
  };
  for (const [name, target] of Object.entries(links)) symlinkSync(target, join(root, name));
  for (const path of ["plain", "a/up", "absolute", "chain"])
    assert.equal(await read(tree, path), "file", path);
  for (const path of ["a/far", "folder/deep.txt", "slash/deep.txt"])
    assert.equal(await read(tree, path), "deep", path);
  const leaving: Record<string, string> = {
    parent: "../secret.txt",
    home: "..",
    "a/deep": "../../secret.txt",
    elsewhere: join(outside, "secret.txt"),
    etc: "/etc",
    self: "self",
    empty: "file.txt/",
    back: "../root/file.txt",
    sibling: `${root}-other/x`,
  };
  for (const [name, target] of Object.entries(leaving)) symlinkSync(target, join(root, name));
  for (const path of [
    ...Object.keys(leaving),
    "home/secret.txt",
    "home/root/file.txt",
    "etc/passwd",
    "self/x",
  ])
    assert.equal(await read(tree, path), null, path);
});

test("the root may be a link itself, and its absolute links may name either path", async (t) => {
  const { root, outside } = makeFixture(t);
  symlinkSync(root, join(outside, "current"));
  symlinkSync(join(outside, "current/a/b/deep.txt"), join(root, "one"));
  symlinkSync(join(root, "a/b/deep.txt"), join(root, "other"));
  const count = new FileLimit(10);
  const tree = new FileTree({ root: join(outside, "current"), followLinks: false, count });
  assert.equal(await read(tree, "one"), "deep");
  assert.equal(await read(tree, "other"), "deep");
});

test("links that leave the root are followed where that is wanted", async (t) => {
  const { tree, root } = makeFixture(t, true);
  symlinkSync("../secret.txt", join(root, "out"));
  symlinkSync("..", join(root, "home"));
  assert.equal(await read(tree, "out"), "secret");
  assert.equal(await read(tree, "home/secret.txt"), "secret");
  assert.equal(await read(tree, "home"), "folder");
});

test("a FIFO, a socket or a device is nothing, also behind a link", async (t) => {
  const { tree, root } = makeFixture(t, true);
  execFileSync("mkfifo", [join(root, "fifo")]);
  symlinkSync("/dev/zero", join(root, "device"));
  for (const path of ["fifo", "device", "fifo/x"]) assert.equal(await read(tree, path), null, path);
});

test("a folder that is exchanged for a link again and again never leads outside", async (t) => {
  const { tree, root, outside } = makeFixture(t);
  writeFileSync(join(outside, "deep.txt"), "SECRET");
  mkdirSync(join(outside, "b"));
  writeFileSync(join(outside, "b/deep.txt"), "SECRET");
  const seen = new Set<string | null>();
  const state = { isOver: false };
  const exchange = async (): Promise<void> => {
    for (let turn = 0; !state.isOver; turn += 1) {
      const link = join(outside, `link-${turn}`);
      symlinkSync(outside, link);
      renameSync(join(root, "a"), join(outside, "kept"));
      renameSync(link, join(root, "a"));
      await new Promise(setImmediate);
      rmSync(join(root, "a"));
      renameSync(join(outside, "kept"), join(root, "a"));
      await new Promise(setImmediate);
    }
  };
  const exchanging = exchange();
  for (let turn = 0; turn < 500; turn += 1) {
    // A new tree keeps no folder open: each walk begins at the root.
    const count = new FileLimit(10);
    const fresh = turn % 2 === 0 ? tree : new FileTree({ root, followLinks: false, count });
    for (const path of ["a/deep.txt", "a/b/deep.txt"]) seen.add(await read(fresh, path));
  }
  state.isOver = true;
  await exchanging;
  assert(!seen.has("SECRET"));
  assert(seen.has("deep"), [...seen].join());
});

test("readAll gives the file as it was opened, or null if it changes meanwhile", async (t) => {
  const { tree, root } = makeFixture(t);
  const path = join(root, "file.txt");
  const file = await open(tree, "file.txt");
  assert(file !== null);
  renameSync(path, `${path}.old`);
  writeFileSync(path, "new!");
  // A file that has lost its name may be an old one.
  assert.equal(await file.readAll(), null);
  file.close();
  const next = await open(tree, "file.txt");
  assert(next !== null);
  assert.equal(String(await next.readAll()), "new!");
  truncateSync(path, 2);
  assert.equal(await next.readAll(), null);
  writeFileSync(path, "grown longer");
  assert.equal(await next.readAll(), null);
  next.close();
  assert.equal(readFileSync(path, "utf8"), "grown longer");
});

test("more than the limit of open files are refused, and closing makes room", async (t) => {
  const { tree, count } = makeFixture(t, false, 1);
  const file = await open(tree, "file.txt");
  assert(file !== null);
  await assert.rejects(open(tree, "a/b/deep.txt"), { code: "EMFILE" });
  file.close();
  file.close();
  await until("there is room", () => count.mayOpen());
  const other = await open(tree, "a/b/deep.txt");
  assert(other !== null);
  await assert.rejects(open(tree, "file.txt"), { code: "EMFILE" });
  other.close();
});

test("thousands of files in many folders leave no descriptor open", async (t) => {
  const { tree, root } = makeFixture(t, false, 10_000);
  const paths = Array.from({ length: 3000 }, (_, index) => `d${index % 400}/f${index}`);
  for (let index = 0; index < 400; index += 1) mkdirSync(join(root, `d${index}`));
  for (const path of paths) writeFileSync(join(root, path), path);
  const contents = await Promise.all(paths.map((path) => read(tree, path)));
  assert.deepEqual(contents, paths);
  // Folders are held for a moment, never more than a bounded number.
  assert(openBelow(root).length <= 300, String(openBelow(root).length));
  await until("all are closed", () => openBelow(root).length === 0);
});

test("nothing is found at a hidden place, by its name or through a link", async (t) => {
  const { root, count } = makeFixture(t);
  const tree = new FileTree({ root, followLinks: false, count, hidden: ["a/b", "file.txt"] });
  symlinkSync("a/b", join(root, "relative"));
  symlinkSync(join(root, "a/b/deep.txt"), join(root, "absolute"));
  symlinkSync("../file.txt", join(root, "a/up"));
  for (const path of ["a/b", "a/b/deep.txt", "file.txt", "relative/deep.txt", "absolute", "a/up"])
    assert.equal(await read(tree, path), null, path);
  assert.equal(await read(tree, "a"), "folder");
});
