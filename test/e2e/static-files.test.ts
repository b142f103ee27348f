// Files as clients get them: methods, conditions, ranges, coded files, folders, pages for what is missing, and
// files that change. Over real sockets, with curl and Python's client as well.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import {
  appendFileSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { before, test } from "node:test";
import { promisify } from "node:util";
import {
  brotliCompressSync,
  gzipSync,
  zstdCompressSync,
  zstdDecompressSync,
  brotliDecompressSync,
} from "node:zlib";

import fc from "fast-check";

import { until } from "../support/deadline.ts";
import { FILE } from "../support/file-scope.ts";
import { askOnce, fieldOf, RawClient } from "../support/raw-client.ts";
import { makeScratch, requirePython } from "../support/scratch.ts";
import { serveStatic, type StaticSite } from "../support/static-site.ts";

const TEXT = "All human beings are born free and equal. ".repeat(100);
const LARGE = Buffer.from(Uint32Array.from({ length: 1_500_000 }, (_, index) => index * 7).buffer);
/** Long ago: such a file is settled. */
const OLD = 1_700_000_000;

let root: string;
let site: StaticSite;

before(async () => {
  root = makeScratch(FILE);
  put("file.txt", "public\n");
  put("text.txt", TEXT);
  put("empty.txt", "");
  put("large.bin", LARGE);
  put("pages/index.html", "<p>index");
  put("pages/other.html", "<p>other");
  put("pages/index.htm", "<p>short");
  put("pages/ö.html", "<p>umlaut");
  put("pages/.index.html", "SECRET");
  put("bare/x.txt", "x");
  put("list/<b>&\"'.txt", "x".repeat(2000));
  put("list/b 10.txt", "x");
  put("list/b 9.txt", "x");
  put("list/z-folder/x", "x");
  put("list/.hidden", "SECRET");
  put("spa/index.html", "<p>app");
  put("spa/app.js", "app()");
  put("errors/404.html", "<p>nothing here");
  put("coded/app.js", TEXT);
  put("coded/app.js.br", brotliCompressSync(TEXT));
  put("coded/app.js.zst", zstdCompressSync(TEXT));
  put("coded/app.js.gz", gzipSync(TEXT));
  put("coded/stale.css", TEXT);
  put("coded/stale.css.br", brotliCompressSync("old"), OLD - 1);
  put("coded/photo.png", TEXT);
  put("coded/photo.png.gz", gzipSync("old"));
  symlinkSync("/etc/hostname", join(root, "list/outside"));
  site = await serveStatic(
    FILE,
    { folder: root },
    { folder: join(root, "list"), path: "/list", listing: true },
    { folder: join(root, "spa"), path: "/app", fallback: "index.html" },
    { folder: join(root, "errors"), path: "/errors" },
    { folder: root, path: "/short", index: ["none.html", "index.htm", "index.html"] },
    { folder: root, path: "/umlaut", index: [latin("ö.html")], fallback: latin("pages/ö.html") },
    { folder: root, path: "/no-index", index: [] },
    { folder: root, path: "/listed", index: [], listing: true },
    { folder: root, path: "/coded", stripPrefix: false },
  );
});

/** A readable name as its bytes, each as one character. */
function latin(name: string): string {
  return Buffer.from(name).toString("latin1");
}

function put(name: string, content: string | Buffer, seconds = OLD): void {
  const path = join(root, name);
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, content);
  utimesSync(path, seconds, seconds);
}

test("a file with its fields, to GET and HEAD alike", async () => {
  const client = await RawClient.connect(site);
  for (const turn of ["from the disk", "from memory"]) {
    const { status, text, fields } = await client.get("/file.txt");
    assert.deepEqual([status, text], [200, "public\n"], turn);
    const get = Object.fromEntries(fields);
    assert.deepEqual(get["content-type"], ["text/plain; charset=utf-8"]);
    assert.deepEqual(get["etag"], [`"${OLD.toString(16)}-7"`]);
    assert.deepEqual(get["last-modified"], ["Tue, 14 Nov 2023 22:13:20 GMT"]);
    assert.deepEqual(get["accept-ranges"], ["bytes"]);
    assert.deepEqual(get["x-content-type-options"], ["nosniff"]);
    const head = await client.ask("HEAD /file.txt HTTP/1.1\r\nHost: a\r\n\r\n");
    const { "x-request-id": _, date: __, ...other } = Object.fromEntries(head.fields);
    const { "x-request-id": ___, date: ____, ...expected } = get;
    assert.deepEqual(other, expected);
  }
  assert.deepEqual((await client.get("/empty.txt")).body.length, 0);
  assert((await client.get("/large.bin")).body.equals(LARGE));
  client.destroy();
});

test("only GET and HEAD read a file; OPTIONS and 405 name the methods", async () => {
  const options = await askOnce(site, "OPTIONS /file.txt HTTP/1.1\r\nHost: a\r\n\r\n");
  assert.deepEqual([options.status, fieldOf(options, "allow")], [204, "GET, HEAD, OPTIONS"]);
  for (const method of ["POST", "PUT", "DELETE", "PATCH", "get"]) {
    const refused = await askOnce(site, `${method} /file.txt HTTP/1.1\r\nHost: a\r\n\r\n`);
    assert.deepEqual([refused.status, fieldOf(refused, "allow")], [405, "GET, HEAD, OPTIONS"]);
  }
});

test("conditions: 304 and 412, for small and large files", async () => {
  const client = await RawClient.connect(site);
  for (const path of ["/file.txt", "/large.bin"]) {
    const { fields } = await client.ask(`HEAD ${path} HTTP/1.1\r\nHost: a\r\n\r\n`);
    const etag = fields.get("etag")?.[0] ?? "";
    const date = fields.get("last-modified")?.[0] ?? "";
    const ask = async (field: string): Promise<number> =>
      (await client.get(path, `${field}\r\n`)).status;
    assert.equal(await ask(`If-None-Match: W/${etag}, "x"`), 304);
    assert.equal(await ask("If-None-Match: *"), 304);
    assert.equal(await ask('If-None-Match: "x"'), 200);
    assert.equal(await ask(`If-Modified-Since: ${date}`), 304);
    assert.equal(await ask("If-Modified-Since: Mon, 01 Jan 2001 00:00:00 GMT"), 200);
    assert.equal(await ask('If-Match: "x"'), 412);
    assert.equal(await ask(`If-Match: ${etag}`), 200);
    assert.equal(await ask("If-Unmodified-Since: Mon, 01 Jan 2001 00:00:00 GMT"), 412);
  }
  const unchanged = await client.get("/file.txt", "If-None-Match: *\r\n");
  assert.equal(unchanged.fields.has("content-type"), false);
  assert.equal(unchanged.fields.has("content-length"), false);
  client.destroy();
});

test("ranges: one, several, none that can be had, of small and large files", async () => {
  const client = await RawClient.connect(site);
  const ask = (path: string, range: string) => client.get(path, `Range: ${range}\r\n`);
  const part = await ask("/file.txt", "bytes=2-3");
  assert.deepEqual(
    [part.status, part.text, fieldOf(part, "content-range")],
    [206, "bl", "bytes 2-3/7"],
  );
  const end = await ask("/large.bin", "bytes=-1000000");
  assert.equal(end.status, 206);
  assert(end.body.equals(LARGE.subarray(-1_000_000)));
  const none = await ask("/large.bin", "bytes=6000000-");
  assert.deepEqual([none.status, fieldOf(none, "content-range")], [416, "bytes */6000000"]);
  const many = await ask("/large.bin", "bytes=0-9,3000000-4999999");
  const boundary = /boundary=(\w+)$/.exec(fieldOf(many, "content-type"))?.[1] ?? "?";
  const pieces = many.body.toString("latin1").split(`--${boundary}`);
  assert.equal(pieces.length, 4);
  const second = Buffer.from(pieces[2]?.split("\r\n\r\n", 1)[0] ?? "", "latin1");
  assert.match(second.toString(), /Content-Range: bytes 3000000-4999999\/6000000$/);
  assert(many.body.includes(LARGE.subarray(3_000_000, 5_000_000)));
  assert.equal((await ask("/file.txt", "bytes=3-2")).status, 200);
  assert.equal(
    (await client.get("/file.txt", 'Range: bytes=0-1\r\nIf-Range: "x"\r\n')).status,
    200,
  );
  client.destroy();
});

test("any range is the same slice of the file", async () => {
  const client = await RawClient.connect(site);
  const point = fc.integer({ min: 0, max: TEXT.length - 1 });
  await fc.assert(
    fc.asyncProperty(point, point, async (one, other) => {
      const [start, last] = one < other ? [one, other] : [other, one];
      const { status, text } = await client.get("/text.txt", `Range: bytes=${start}-${last}\r\n`);
      assert.deepEqual([status, text], [206, TEXT.slice(start, last + 1)]);
    }),
    { numRuns: 100 },
  );
  client.destroy();
});

test("a coded file beside a file is used as the client weighs codings", async () => {
  const client = await RawClient.connect(site);
  const ask = (path: string, accept: string, more = "") =>
    client.get(path, `Accept-Encoding: ${accept}\r\n${more}`);
  const cases: readonly (readonly [accept: string, coding: string])[] = [
    ["gzip, deflate, br, zstd", "br"],
    ["gzip;q=1, br;q=0.5", "gzip"],
    ["zstd, gzip", "zstd"],
    ["br;q=0, *", "zstd"],
    ["identity", ""],
    ["br;q=0, gzip;q=0, zstd;q=0", ""],
  ];
  const tags = new Set<string>();
  for (const [accept, coding] of cases) {
    const { fields } = await ask("/coded/app.js", accept);
    assert.equal(fields.get("content-encoding")?.[0] ?? "", coding, accept);
    assert.deepEqual(fields.get("vary"), ["Accept-Encoding"]);
    assert.deepEqual(fields.get("content-type"), ["text/javascript; charset=utf-8"]);
    tags.add(fields.get("etag")?.[0] ?? "");
  }
  assert.equal(tags.size, 4, "each coding has its own entity tag");
  const zstd = await ask("/coded/app.js", "zstd");
  assert.equal(String(zstdDecompressSync(zstd.body)), TEXT);
  const range = await ask("/coded/app.js", "zstd", "Range: bytes=5-9\r\n");
  assert.equal(range.status, 206);
  assert(range.body.equals(zstd.body.subarray(5, 10)), "ranges are of the coded bytes");
  const etag = fieldOf(zstd, "etag");
  const same = await ask("/coded/app.js", "zstd", `If-None-Match: ${etag}\r\n`);
  assert.deepEqual([same.status, fieldOf(same, "vary")], [304, "Accept-Encoding"]);
  assert.equal((await ask("/coded/app.js", "br", `If-None-Match: ${etag}\r\n`)).status, 200);
  assert.equal((await client.get("/coded/app.js")).text, TEXT);
  // Older than its file: the server codes the file itself. Beside a file that is compressed already: not used.
  const stale = await ask("/coded/stale.css", "br");
  assert.equal(String(brotliDecompressSync(stale.body)), TEXT);
  const photo = await ask("/coded/photo.png", "br, gzip");
  assert.equal(photo.text, TEXT);
  assert.equal(photo.fields.has("vary"), false);
  client.destroy();
});

test("folders: index.html, a redirect to the slash, no list unless it is asked for", async () => {
  const client = await RawClient.connect(site);
  assert.equal((await client.get("/pages/")).text, "<p>index");
  const redirect = await client.get("/pages?a=b%20c");
  assert.deepEqual([redirect.status, fieldOf(redirect, "location")], [301, "/pages/?a=b%20c"]);
  for (const path of ["//evil.example/..%2fpages", "/%2fevil.example/..%2fpages", "/x/..//pages"])
    assert.equal(fieldOf(await client.get(path), "location"), "/pages/", path);
  for (const path of ["/bare/", "/bare", "/pages/index.html/"])
    assert.equal((await client.get(path)).status, 404, path);
  client.destroy();
});

test("the index is the first of its names that there is; without one a folder is none or a list", async () => {
  const client = await RawClient.connect(site);
  for (const [path, text] of [
    ["/short/pages/", "<p>short"],
    ["/umlaut/pages/", "<p>umlaut"],
    ["/umlaut/nowhere", "<p>umlaut"],
    ["/no-index/pages/index.html", "<p>index"],
    ["/short/pages/index.html", "<p>index"],
  ] as const)
    assert.equal((await client.get(path)).text, text, path);
  assert.equal(fieldOf(await client.get("/short/pages"), "location"), "/short/pages/");
  for (const path of ["/no-index/pages/", "/no-index/pages", "/short/bare/", "/short/bare"])
    assert.equal((await client.get(path)).status, 404, path);
  assert.match((await client.get("/listed/pages/")).text, /<a href="\.\/index\.html">/);
  client.destroy();
});

test("a list is sorted and escaped, and shows what is served", async () => {
  const client = await RawClient.connect(site);
  const { status, text, fields } = await client.get("/list/");
  assert.equal(status, 200);
  assert.match(fields.get("content-security-policy")?.[0] ?? "", /default-src 'none'/);
  const links = [...text.matchAll(/<a href="([^"]*)">([^<]*)<\/a>/g)].map(([, link, name]) => [
    link,
    name,
  ]);
  assert.deepEqual(links, [
    ["./z-folder/", "z-folder/"],
    ["./%3Cb%3E&amp;%22&#39;.txt", "&lt;b&gt;&amp;&quot;&#39;.txt"],
    ["./b%209.txt", "b 9.txt"],
    ["./b%2010.txt", "b 10.txt"],
  ]);
  assert.match(text, /2\.0 KiB<td>2023-11-14 22:13/);
  for (const [link = ""] of links) {
    const target = link.slice(1).replaceAll("&amp;", "&").replaceAll("&#39;", "'");
    assert.equal((await client.get(`/list${target}`)).status, 200, link);
  }
  assert.match((await client.get("/list/z-folder/")).text, /<a href="\.\.\/">/);
  assert.equal(fieldOf(await client.get("/list"), "location"), "/list/");
  client.destroy();
});

test("a single-page application gets its page for paths of pages only", async () => {
  const client = await RawClient.connect(site);
  for (const path of ["/app/", "/app/orders/7", "/app/users/john.doe", "/app/orders/"]) {
    const { status, text } = await client.get(path);
    assert.deepEqual([status, text], [200, "<p>app"], path);
  }
  assert.equal((await client.get("/app/app.js")).text, "app()");
  for (const path of ["/app/missing.js", "/app/.env", "/app/a/missing.png"])
    assert.equal((await client.get(path)).status, 404, path);
  const { fields } = await client.get("/app/x");
  const etag = fields.get("etag")?.[0] ?? "";
  assert.equal((await client.get("/app/y", `If-None-Match: ${etag}\r\n`)).status, 304);
  client.destroy();
});

test("404.html of the folder is the page for what is missing", async () => {
  const client = await RawClient.connect(site);
  for (const path of ["/errors/x", "/errors/.env", "/errors/a/b/"]) {
    const { status, text, fields } = await client.get(
      path,
      "If-None-Match: *\r\nRange: bytes=0-1\r\n",
    );
    assert.deepEqual([status, text], [404, "<p>nothing here"], path);
    assert.equal(fields.has("etag"), false);
  }
  const { status, body, fields } = await client.ask("HEAD /errors/x HTTP/1.1\r\nHost: a\r\n\r\n");
  assert.deepEqual([status, body.length, fields.get("content-length")], [404, 0, ["15"]]);
  client.destroy();
});

test("what changes is seen after a second at most, whole", async () => {
  const client = await RawClient.connect(site);
  const path = join(root, "changing.txt");
  const bodies = new Set<string>();
  let version = 0;
  const replace = (): void => {
    version += 1;
    writeFileSync(`${path}.new`, String(version % 10).repeat(50_000 + version));
    renameSync(`${path}.new`, path);
  };
  replace();
  for (let turn = 0; turn < 300; turn += 1) {
    if (turn % 3 === 0) replace();
    const { text } = await client.get("/changing.txt");
    assert.match(text, /^(\d)\1*$/, "a mix of two versions");
    bodies.add(text);
  }
  const last = String(version % 10).repeat(50_000 + version);
  const since = performance.now();
  await until("the last version", async () => (await client.get("/changing.txt")).text === last);
  assert(performance.now() - since < 5000);
  rmSync(path);
  await until("it is gone", async () => (await client.get("/changing.txt")).status === 404);
  writeFileSync(path, "back");
  assert.equal((await client.get("/changing.txt")).text, "back", "a new file is there at once");
  client.destroy();
});

test("a file that is changed in place is seen after a second at most", async () => {
  const client = await RawClient.connect(site);
  put("in-place.txt", "one");
  assert.equal((await client.get("/in-place.txt")).text, "one");
  put("in-place.txt", "two");
  await until("the new content", async () => (await client.get("/in-place.txt")).text === "two");
  put("in-place.txt.gz", gzipSync("two"));
  put("in-place.txt", "six", OLD + 5);
  await until("the newest content", async () => {
    const { body, fields } = await client.get("/in-place.txt", "Accept-Encoding: gzip\r\n");
    return !fields.has("content-encoding") && String(body) === "six";
  });
  client.destroy();
});

test("a large file that becomes shorter is a cut connection; one that grows has its first length", async () => {
  put("shrinking.bin", Buffer.alloc(64_000_000, 1));
  const client = await RawClient.connect(site);
  client.write("GET /shrinking.bin HTTP/1.1\r\nHost: a\r\n\r\n");
  const { fields } = await client.readHead();
  assert.deepEqual(fields.get("content-length"), ["64000000"]);
  truncateSync(join(root, "shrinking.bin"), 1000);
  const rest = await client.readUntilCut();
  assert(rest.length < 64_000_000);
  put("growing.bin", Buffer.alloc(8_000_000, 1));
  const growing = await RawClient.connect(site);
  growing.write("GET /growing.bin HTTP/1.1\r\nHost: a\r\n\r\n");
  const { fields: first } = await growing.readHead();
  appendFileSync(join(root, "growing.bin"), Buffer.alloc(1000, 2));
  const body = await growing.readBytes(Number(first.get("content-length")?.[0]));
  assert(!body.includes(2));
  assert.equal((await growing.get("/file.txt")).text, "public\n");
  growing.destroy();
});

test("many clients and paths leave no file open", async () => {
  const names = Array.from({ length: 300 }, (_, index) => `many/${index % 30}/${index}.bin`);
  for (const name of names) put(name, Buffer.alloc(numberOf(name) % 7 === 0 ? 1_200_000 : 500, 3));
  const clients = await Promise.all(Array.from({ length: 20 }, () => RawClient.connect(site)));
  await Promise.all(
    clients.map(async (client, number) => {
      for (const name of names.slice(number * 15, number * 15 + 15)) {
        const { status, body } = await client.get(`/${name}`);
        assert.deepEqual([status, body.every((byte) => byte === 3)], [200, true]);
      }
      // Half of the clients leave in the middle of a file.
      client.write("GET /large.bin HTTP/1.1\r\nHost: a\r\n\r\n");
      if (number % 2 === 0) await client.readHead();
      client.destroy();
    }),
  );
  await until("nothing of the folder is open", () => openBelow(root).length === 0);
});

test("curl: a download that goes on, and a time condition", async () => {
  const target = join(makeScratch(FILE), "large.bin");
  const curl = (...words: string[]): Promise<string> => run("curl", ["-sS", ...words]);
  await curl("-r", "0-999999", "-o", target, `${site.url}/large.bin`);
  await curl("-C", "-", "-o", target, `${site.url}/large.bin`);
  assert(readFileSync(target).equals(LARGE));
  const status = ["-o", "/dev/null", "-w", "%{http_code}"];
  const condition = ["-z", join(root, "large.bin")];
  assert.equal(await curl(...condition, ...status, `${site.url}/large.bin`), "304");
  assert.equal(await curl("-L", `${site.url}/pages`), "<p>index");
});

test("Python's client: a file, a range, and what is missing", async () => {
  const code = `
import sys, urllib.error, urllib.request
url = sys.argv[1]
with urllib.request.urlopen(url + "/large.bin") as response:
    assert len(response.read()) == 6000000
request = urllib.request.Request(url + "/file.txt", headers={"Range": "bytes=0-2"})
with urllib.request.urlopen(request) as response:
    assert (response.status, response.read()) == (206, b"pub")
try:
    urllib.request.urlopen(url + "/missing")
except urllib.error.HTTPError as error:
    print(error.code)
`;
  assert.equal(await run(requirePython(), ["-c", code, site.url]), "404\n");
});

/** Runs a client beside the server, which is in this process; returns its output. */
async function run(command: string, words: readonly string[]): Promise<string> {
  const { stdout } = await promisify(execFile)(command, words);
  return stdout;
}

function numberOf(name: string): number {
  return Number(/(\d+)\.bin$/.exec(name)?.[1]);
}

/** Descriptors of this process, which is the server's, that lead below a folder. */
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
