// The environ of a request: PEP 3333's keys, decoding, colliding names, and which proxies are trusted.

import assert from "node:assert/strict";
import { join } from "node:path";
import { before, test } from "node:test";

import { FILE } from "../support/file-scope.ts";
import { readRecord } from "../support/json.ts";
import { askOnce, fieldOf, getOnce, type Address } from "../support/raw-client.ts";
import { APPS, makeScratch } from "../support/scratch.ts";
import { startTyphon, type Typhon } from "../support/typhon.ts";

let typhon: Typhon;

/** One worker with one thread, mounted below a path, in a folder of its own, behind a proxy it does not trust, with underscores. */
let other: Typhon;
let folder: string;

before(async () => {
  folder = makeScratch(FILE);
  const own =
    "--workers 1 --threads 1 --root-path /shop --forwarded-allow-ips 10.0.0.0/8 --header-map dangerous";
  [typhon, other] = await Promise.all([
    startTyphon(FILE, ["raw:app", "--workers", "2", "--env", "GREETING=hello"]),
    startTyphon(FILE, ["raw:app", ...own.split(" ")], { cwd: folder }),
  ]);
});

type Environ = Readonly<Record<string, unknown>>;

async function environOf(request: string, address: Address = typhon): Promise<Environ> {
  const answer = await askOnce(address, request);
  assert.equal(answer.status, 200, answer.text);
  return readRecord(answer.text);
}

function getWith(fields: string, target = "/environ"): string {
  return `GET ${target} HTTP/1.1\r\nHost: shop.example:8080\r\n${fields}\r\n`;
}

function pick(environ: Environ, ...names: string[]): unknown[] {
  return names.map((name) => environ[name]);
}

test("has every key that PEP 3333 asks for, with the right type", async () => {
  const environ = await environOf(getWith("", "/environ/a?x=1&y=%20"));
  assert.deepEqual(
    pick(environ, "REQUEST_METHOD", "SCRIPT_NAME", "PATH_INFO", "QUERY_STRING", "SERVER_PROTOCOL"),
    ["GET", "", "/environ/a", "x=1&y=%20", "HTTP/1.1"],
  );
  assert.deepEqual(pick(environ, "wsgi.version", "wsgi.url_scheme", "wsgi.run_once"), [
    [1, 0],
    "http",
    false,
  ]);
  assert.deepEqual(pick(environ, "wsgi.multithread", "wsgi.multiprocess"), [true, true]);
  assert.equal(environ["wsgi.input_terminated"], true);
  assert.equal(environ["HTTP_HOST"], "shop.example:8080");
  assert.equal(environ["REMOTE_ADDR"], "127.0.0.1");
  assert.match(String(environ["REMOTE_PORT"]), /^\d+$/);
  assert.match(String(environ["SERVER_PORT"]), /^\d+$/);
  assert.match(String(environ["SERVER_SOFTWARE"]), /^typhon\//i);
  assert.equal(typeof environ["SERVER_NAME"], "string");
  assert.notEqual(environ["SERVER_NAME"], "");
});

test("tells the target as sent in REQUEST_URI and RAW_URI", async () => {
  const target = "/environ/%7Euser%2Fx//y;p?q=%26";
  const environ = await environOf(getWith("", target));
  assert.deepEqual(pick(environ, "REQUEST_URI", "RAW_URI"), [target, target]);
});

test("decodes the path once, to bytes shown as latin-1", async () => {
  const environ = await environOf(getWith("", "/environ/caf%C3%A9/%2541/+/%E2%82%AC"));
  assert.equal(environ["PATH_INFO"], "/environ/caf\u00c3\u00a9/%41/+/\u00e2\u0082\u00ac");
});

test("gives the body's type and length without HTTP_", async () => {
  const environ = await environOf(
    "POST /environ HTTP/1.1\r\nHost: a\r\nContent-Type: text/x\r\nContent-Length: 3\r\n\r\nabc",
  );
  assert.deepEqual(pick(environ, "CONTENT_TYPE", "CONTENT_LENGTH"), ["text/x", "3"]);
  assert.deepEqual(pick(environ, "HTTP_CONTENT_TYPE", "HTTP_CONTENT_LENGTH"), [
    undefined,
    undefined,
  ]);
});

test("joins repeated fields with a comma, cookies with a semicolon", async () => {
  const environ = await environOf(getWith("X-A: 1\r\nx-a: 2\r\nCookie: a=1\r\nCookie: b=2\r\n"));
  assert.equal(environ["HTTP_X_A"], "1, 2");
  assert.equal(environ["HTTP_COOKIE"], "a=1; b=2");
});

test("drops names that would collide, and Proxy", async () => {
  const environ = await environOf(
    getWith("X_A: underscore\r\nX-A: dash\r\nProxy: http://evil\r\n"),
  );
  assert.equal(environ["HTTP_X_A"], "dash");
  assert.equal(environ["HTTP_PROXY"], undefined);
});

test("takes an underscored name for nothing, alone as well", async () => {
  const environ = await environOf(getWith("X_Forwarded_For: 1.2.3.4\r\nREMOTE_ADDR: 6.6.6.6\r\n"));
  assert.equal(environ["HTTP_X_FORWARDED_FOR"], undefined);
  assert.equal(environ["HTTP_REMOTE_ADDR"], undefined);
  assert.equal(environ["REMOTE_ADDR"], "127.0.0.1");
});

test("passes names with _ on with --header-map dangerous, but none of a proxy or of the framing", async () => {
  const forged = "Content_Length: 9\r\nX_Forwarded_For: 6.6.6.6\r\nX_Real-IP: 6.6.6.6\r\n";
  const environ = await environOf(getWith(`X_A: 1\r\nX-A: 2\r\nX_B: 3\r\n${forged}`), other);
  assert.deepEqual(pick(environ, "HTTP_X_A", "HTTP_X_B"), ["1, 2", "3"]);
  for (const name of ["CONTENT_LENGTH", "HTTP_X_FORWARDED_FOR", "HTTP_X_REAL_IP"])
    assert.equal(environ[name], undefined, name);
});

test("refuses an encoded NUL in the path", async () => {
  const answer = await getOnce(typhon, "/environ/a%00REMOTE_ADDR");
  assert.equal(answer.status, 400);
});

test("lets an encoded NUL in the query pass as text", async () => {
  const environ = await environOf(getWith("", "/environ?q=1%00127.0.0.1"));
  assert.equal(environ["QUERY_STRING"], "q=1%00127.0.0.1");
  assert.equal(environ["REMOTE_ADDR"], "127.0.0.1");
});

test("takes path, query and host from an absolute target", async () => {
  const environ = await environOf(
    "GET http://other.example/environ/x?y HTTP/1.1\r\nHost: other.example\r\n\r\n",
  );
  assert.deepEqual(pick(environ, "PATH_INFO", "QUERY_STRING", "HTTP_HOST"), [
    "/environ/x",
    "y",
    "other.example",
  ]);
});

test("runs in the folder it was started in, with the application's folder first on sys.path", async () => {
  const environ = await environOf(getWith(""), other);
  assert.equal(environ["test.cwd"], folder);
  const path = environ["test.sys.path"];
  assert(Array.isArray(path));
  assert.equal(path[0], APPS);
  assert.equal(path.filter((entry) => String(entry).includes("typhon_worker")).length, 0);
  assert(!path.includes(join(APPS, "../../python")), "our own folder is on sys.path");
});

test("says that one worker with one thread is neither multithread nor multiprocess", async () => {
  const environ = await environOf(getWith(""), other);
  assert.deepEqual(pick(environ, "wsgi.multithread", "wsgi.multiprocess"), [false, false]);
});

test("mounts the application under --root-path", async () => {
  const inside = await environOf(getWith("", "/shop/environ"), other);
  assert.deepEqual(pick(inside, "SCRIPT_NAME", "PATH_INFO"), ["/shop", "/environ"]);
  const beside = await environOf(getWith("", "/shopping"), other);
  assert.deepEqual(pick(beside, "SCRIPT_NAME", "PATH_INFO"), ["/shop", "/shopping"]);
});

const FORWARDED =
  "X-Forwarded-For: 6.6.6.6, 203.0.113.7\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: real.example\r\n";

test("believes a proxy that may be believed, from right to left", async () => {
  const environ = await environOf(getWith(FORWARDED));
  assert.equal(environ["REMOTE_ADDR"], "203.0.113.7");
  assert.equal(environ["wsgi.url_scheme"], "https");
  assert.equal(environ["HTTP_HOST"], "real.example");
});

test("believes Forwarded from a proxy that may be believed (RFC 7239)", async () => {
  const environ = await environOf(
    getWith('Forwarded: for=6.6.6.6, for="[2001:db8::7]:4711";proto=https;host=real.example\r\n'),
  );
  assert.equal(environ["REMOTE_ADDR"], "2001:db8::7");
  assert.equal(environ["wsgi.url_scheme"], "https");
});

test("believes nobody else and removes what they say", async () => {
  const environ = await environOf(
    getWith(`${FORWARDED}Forwarded: for=6.6.6.6\r\nX-Request-ID: chosen\r\n`),
    other,
  );
  assert.equal(environ["REMOTE_ADDR"], "127.0.0.1");
  assert.equal(environ["wsgi.url_scheme"], "http");
  assert.equal(environ["HTTP_HOST"], "shop.example:8080");
  for (const name of ["FOR", "PROTO", "HOST"])
    assert.equal(environ[`HTTP_X_FORWARDED_${name}`], undefined);
  assert.equal(environ["HTTP_FORWARDED"], undefined);
  assert.notEqual(environ["HTTP_X_REQUEST_ID"], "chosen");
});

test("gives each request an id, the same in environ and in the answer", async () => {
  const ids = new Set<string>();
  for (let count = 0; count < 20; count += 1) {
    const answer = await getOnce(typhon, "/environ");
    const environ = readRecord(answer.text);
    const id = fieldOf(answer, "x-request-id");
    assert.equal(environ["HTTP_X_REQUEST_ID"], id);
    ids.add(id);
  }
  assert.equal(ids.size, 20);
});

test("takes the id of a trusted X-Request-ID, and none that is not a plain word", async () => {
  const taken = await askOnce(typhon, getWith("X-Request-ID: abc-123\r\n"));
  assert.equal(fieldOf(taken, "x-request-id"), "abc-123");
  for (const bad of ["two words", 'quo"te', "x".repeat(5000), "\u00e9"]) {
    const made = await askOnce(typhon, getWith(`X-Request-ID: ${bad}\r\n`));
    assert.equal(made.status, 200);
    assert.notEqual(fieldOf(made, "x-request-id"), bad);
  }
});

test("takes a record that does not fit a page: long cookies, many fields", async () => {
  const cookie = "c".repeat(6000);
  const fields = Array.from({ length: 80 }, (_, at) => `X-Field-${at}: ${"v".repeat(60)}\r\n`).join(
    "",
  );
  const environ = await environOf(getWith(`Cookie: ${cookie}\r\n${fields}`));
  assert.equal(environ["HTTP_COOKIE"], cookie);
  assert.equal(environ["HTTP_X_FIELD_79"], "v".repeat(60));
});
