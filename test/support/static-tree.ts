// The tree in which the cases of test/vectors/static.json ask: a folder that is served, and secrets beside and in
// the folder that are not.

import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { dirname, join } from "node:path";

import type { Scope } from "./scratch.ts";

type Text = string | readonly (string | { readonly repeat: readonly [string, number] })[];

interface StaticCase {
  readonly id: string;
  readonly method: string;
  readonly target: Text;
  readonly headers?: Readonly<Record<string, string>>;
  readonly status: readonly number[];
  /** Part of the content of a 200 or 206. */
  readonly body?: string;
  readonly note: string;
}

const SECRET = [
  "secret.txt",
  "public_private/x.txt",
  "public/.git/config",
  "public/.env",
  "public/sub/.htpasswd",
];
const PUBLIC = [
  "file.txt",
  "a..b.txt",
  "a b.txt",
  "café.txt",
  "100%.txt",
  "a+b.txt",
  "sub/x.txt",
  "plain/unlisted.txt",
];

/** Makes the tree in a folder; returns the folder that is to be served. */
export async function makeTree(scope: Scope, folder: string): Promise<string> {
  const root = join(folder, "public");
  for (const name of SECRET) write(join(folder, name), "SECRET\n");
  for (const name of PUBLIC) write(join(root, name), "public\n");
  symlinkSync("../secret.txt", join(root, "link.txt"));
  symlinkSync("..", join(root, "linkdir"));
  symlinkSync("file.txt", join(root, "inside.txt"));
  execFileSync("mkfifo", [join(root, "fifo")]);
  const server = createServer();
  const { promise, resolve } = Promise.withResolvers<void>();
  server.listen(join(root, "sock"), resolve);
  scope.after(() => void server.close());
  await promise;
  return root;
}

/** The cases, with the request of each below a prefix as bytes. */
export function readStaticCases(prefix: string): (StaticCase & { readonly request: Buffer })[] {
  const url = new URL("../vectors/static.json", import.meta.url);
  const parsed: StaticCase[] = JSON.parse(readFileSync(url, "utf8"));
  return parsed.map((one) => {
    const target = textOf(one.target).replaceAll("{p}", prefix);
    const fields = Object.entries(one.headers ?? {}).map(
      ([name, value]) => `${name}: ${value}\r\n`,
    );
    const head = `${one.method} ${target} HTTP/1.1\r\nHost: a\r\n${fields.join("")}\r\n`;
    return { ...one, request: Buffer.from(head, "latin1") };
  });
}

function write(path: string, text: string): void {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, text);
}

function textOf(text: Text): string {
  if (typeof text === "string") return text;
  return text
    .map((piece) => (typeof piece === "string" ? piece : piece.repeat[0].repeat(piece.repeat[1])))
    .join("");
}
