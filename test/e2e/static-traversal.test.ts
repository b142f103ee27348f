// Nothing outside a served folder is opened: the cases of test/vectors/static.json and random spellings of paths,
// under strace, which sees each call to the kernel. The Debian package strace is needed.

import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { readFileSync, realpathSync } from "node:fs";
import { join } from "node:path";
import { before, test } from "node:test";

import fc from "fast-check";

import { PATIENCE_MS, until, within } from "../support/deadline.ts";
import { FILE } from "../support/file-scope.ts";
import { askOnce, RawClient, type RawResponse } from "../support/raw-client.ts";
import { CHECKOUT, makeScratch } from "../support/scratch.ts";
import { makeTree, readStaticCases } from "../support/static-tree.ts";

const PREFIX = "/static";
/** Read by the C library, when it makes memory for a thread. */
const OF_LIBC = "/sys/devices/system/cpu/online";
const CALLS = "open,openat,openat2,execve,readlink,readlinkat";

let root: string;
let port: number;
/** Stops the server, and returns what strace has written. */
let trace: () => Promise<string>;

before(async () => {
  const { error } = spawnSync("strace", ["--version"]);
  assert.equal(error, undefined, "strace is missing: sudo apt-get install strace");
  const folder = makeScratch(FILE);
  root = realpathSync(await makeTree(FILE, folder));
  const file = join(folder, "trace");
  const program = join(CHECKOUT, "test/support/serve-folder.ts");
  // -y names what each descriptor is.
  const words = ["-f", "-y", "-s", "9000", "-e", `trace=${CALLS}`, "-o", file];
  const server = spawn("strace", [...words, process.execPath, program, root, PREFIX], {
    // Node would write compiled modules into its cache.
    env: { ...process.env, NODE_DISABLE_COMPILE_CACHE: "1" },
    stdio: ["ignore", "pipe", "inherit"],
  });
  const exited = once(server, "exit");
  let output = "";
  server.stdout.setEncoding("utf8").on("data", (text: string) => (output += text));
  await until("the server listens", () => output.includes("\n"), 60_000);
  const [url = "", pid = ""] = output.trim().split(" ");
  port = Number(new URL(url).port);
  trace = async () => {
    // strace ends with its program.
    if (server.exitCode === null) process.kill(Number(pid), "SIGTERM");
    await within(PATIENCE_MS, exited, "the server ends");
    return readFileSync(file, "latin1");
  };
  FILE.after(async () => void (await trace()));
});

/** What holds for each response, whatever was asked. */
function checkResponse(response: RawResponse, what: string): void {
  assert.doesNotMatch(response.text, /SECRET|root:|unlisted/, what);
  for (const value of response.fields.get("location") ?? [])
    assert.match(value, /^\/(?![/\\])/, what);
}

test("each case gets one of its statuses", async () => {
  const faults: string[] = [];
  for (const one of readStaticCases(PREFIX)) {
    const response = await askOnce({ port }, one.request);
    checkResponse(response, one.id);
    const { status, text } = response;
    if (!one.status.includes(status)) faults.push(`${one.id}: ${status}`);
    if (
      one.body !== undefined &&
      status < 300 &&
      !text.includes(one.body) &&
      !(one.body === "public" && text === "")
    )
      faults.push(`${one.id}: ${text}`);
    if (status === 405 && !response.fields.has("allow")) faults.push(`${one.id}: no Allow`);
  }
  assert.deepEqual(faults, []);
});

test("all that is not served gets the same 404", async () => {
  const client = await RawClient.connect({ port });
  const paths = [
    "missing",
    ".env",
    ".git/config",
    "link.txt",
    "linkdir/",
    "fifo",
    "sock",
    "plain/",
    "plain",
    "FILE.TXT",
  ];
  const texts = new Set<string>();
  for (const path of paths) {
    const { status, text, fields } = await client.get(`${PREFIX}/${path}`);
    const names = [...fields.keys()].join();
    texts.add(`${status} ${names} ${text}`);
  }
  client.destroy();
  assert.equal(texts.size, 1, [...texts].join("\n"));
});

test("no spelling of a path shows a secret", async () => {
  const names = [
    "..",
    ".",
    "",
    "public",
    "secret.txt",
    "public_private",
    "x.txt",
    ".env",
    ".git",
    "config",
    "linkdir",
    "link.txt",
    "sub",
    "file.txt",
    "static",
  ];
  const slashes = ["/", "//", "%2f", "%2F", "\\", "%5c", "%c0%af", "/./"];
  const encode = (text: string, how: number): string =>
    how === 0
      ? text
      : text.replaceAll(/[.a-z]/g, (c) => (c.charCodeAt(0) % how === 0 ? hexOf(c) : c));
  const path = fc
    .array(
      fc.tuple(
        fc.constantFrom(...slashes),
        fc.constantFrom(...names),
        fc.integer({ min: 0, max: 3 }),
      ),
      { minLength: 1, maxLength: 8 },
    )
    .map((steps) => steps.map(([slash, name, how]) => slash + encode(name, how)).join(""));
  const client = await RawClient.connect({ port });
  await fc.assert(
    fc.asyncProperty(path, async (rest) => {
      const response = await client.get(PREFIX + rest.replaceAll("\\", "%5C"));
      checkResponse(response, rest);
      assert([200, 301, 404].includes(response.status), `${response.status} ${rest}`);
    }),
    { numRuns: 400 },
  );
  client.destroy();
});

test("nothing outside the folder was opened", async () => {
  const lines = (await trace()).split("\n");
  const first = lines.findIndex((line) => line.includes(`"${root}", `) && line.includes("O_PATH"));
  assert.notEqual(first, -1, "the folder itself was opened");
  const calls = lines
    .slice(first)
    .filter((line) => /\b(?:open|openat|openat2|execve)(?:\(| resumed)/.test(line));
  const faults: string[] = [];
  let opened = 0;
  for (const line of calls) {
    // One name below a held folder, a held folder itself, or the root.
    const asked = /"((?:[^"\\]|\\.)*)"/.exec(line)?.[1] ?? "";
    if (line.includes(OF_LIBC)) continue;
    const isOneName =
      line.includes(" resumed") ||
      asked === root ||
      /^\/proc\/self\/fd\/\d+(?:\/[^/]+)?$/.test(asked);
    const got = /= \d+<(.*)>$/.exec(line)?.[1];
    if (got !== undefined) opened += 1;
    const isInside = got === undefined || got === root || got.startsWith(`${root}/`);
    if (!isOneName || !isInside) faults.push(line);
  }
  assert.deepEqual(faults, []);
  assert(opened > 10, `only ${opened} were opened`);
});

function hexOf(character: string): string {
  return `%${character.charCodeAt(0).toString(16)}`;
}
