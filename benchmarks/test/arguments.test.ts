// The command line of npm run bench.

import assert from "node:assert/strict";
import { test } from "node:test";
import { readArguments, readComparison, UsageError } from "../arguments.ts";
import { ASGI_SERVERS } from "../asgi-servers.ts";
import { ASGI_CASES, CASES, COMPARED_PAGES, WEBSOCKET_CASES, type Case } from "../cases.ts";
import { CGI_CASES } from "../cgi-cases.ts";
import { CGI_SERVERS } from "../cgi-servers.ts";
import { EDGE_CASES } from "../edge-cases.ts";
import { EDGE_SERVERS } from "../edge-servers.ts";
import { SECURE_CASES } from "../secure-cases.ts";
import { SECURE_SERVERS } from "../secure-servers.ts";
import { WHOLE } from "../results.ts";
import { SERVERS } from "../servers.ts";

test("measures everything but WebSockets, and keeps it, without arguments", () => {
  const args = readArguments([]);
  assert.deepEqual(args.suites, WHOLE);
  assert(WHOLE.includes("asgi") && !WHOLE.includes("websocket"));
  const pages = [CASES, ASGI_CASES, WEBSOCKET_CASES, EDGE_CASES, SECURE_CASES, CGI_CASES];
  assert.equal(args.only.length, pages.flat().length);
  assert.deepEqual(
    new Set(args.servers),
    new Set(
      [...SERVERS, ...ASGI_SERVERS, ...EDGE_SERVERS, ...SECURE_SERVERS, ...CGI_SERVERS].map(
        (one) => one.name,
      ),
    ),
  );
  assert.equal(args.rounds, 5);
  assert.equal(args.isWhole, true);
});

test("keeps a whole suite, but not one with fewer servers or rounds", () => {
  assert.equal(readArguments(["--mixed"]).isWhole, true);
  assert.equal(readArguments(["--mixed", "--servers", "typhon,granian"]).isWhole, false);
  assert.equal(readArguments(["--rounds", "3"]).isWhole, false);
  assert.equal(readArguments(["--quick"]).isWhole, false);
  assert.equal(readArguments(["--quick", "--keep"]).isKept, true);
});

test("takes pages as a wish for the closed loop alone", () => {
  const args = readArguments(["--only", "flask,raw-hello", "--workers", "2", "--seconds", "2"]);
  assert.deepEqual(args.suites, ["throughput"]);
  assert.deepEqual(args.only, ["raw-hello", "flask"]);
  assert.deepEqual(args.workers, [2]);
  assert.equal(args.seconds, 2);
});

test("takes ASGI, WebSocket and edge pages as a wish for their own suites", () => {
  const suitesOf = (...args: string[]) => readArguments(args).suites;
  assert.deepEqual(suitesOf("--asgi"), ["asgi"]);
  assert.deepEqual(suitesOf("--websocket"), ["websocket"]);
  assert.deepEqual(suitesOf("--only", "fastapi-json,asgi-upload"), ["asgi"]);
  assert.deepEqual(suitesOf("--edge"), ["edge"]);
  assert.deepEqual(suitesOf("--only", "static-1k,json-gzip"), ["edge"]);
  assert.deepEqual(suitesOf("--only", "cgi-python-1,cgi-c-16"), ["cgi"]);
  assert.deepEqual(suitesOf("--only", "websocket-16,raw-hello"), ["throughput", "websocket"]);
  assert.deepEqual(readArguments(["--asgi", "--servers", "uvicorn"]).servers, ["uvicorn"]);
});

test("no page has the name of another", () => {
  const lists = [
    CASES,
    ASGI_CASES,
    WEBSOCKET_CASES,
    COMPARED_PAGES,
    EDGE_CASES,
    SECURE_CASES,
    CGI_CASES,
  ];
  const pages = new Set<Case>(lists.flat());
  assert.equal(new Set([...pages].map((one) => one.name)).size, pages.size);
});

test("asks for idle connections where memory is asked for", () => {
  assert.deepEqual(readArguments(["--memory"]).suites, ["memory", "connections"]);
});

test("refuses names and numbers that mean nothing, and says what would", () => {
  const refuse = (args: string[], form: RegExp) =>
    assert.throws(
      () => readArguments(args),
      (error) => error instanceof UsageError && form.test(error.message),
    );
  refuse(["--servers", "httpd"], /--servers: no "httpd"; there are typhon, granian/);
  refuse(["--only", "raw"], /--only: no "raw"; there are raw-hello/);
  refuse(["--rounds", "0"], /--rounds: "0" is not a whole number/);
  refuse(["--workers", "1,two"], /--workers: "two" is not/);
  refuse(["--fast"], /--fast/);
});

test("compares with another revision only where it is asked to, in five rounds", () => {
  assert.equal(readComparison(["--quick"]), null);
  assert.deepEqual(readComparison(["--against", "HEAD~1"]), {
    against: "HEAD~1",
    isStart: false,
    cases: (
      "raw-hello raw-10k flask raw-asgi-hello fastapi-hello asgi-upload raw-upload " +
      "websocket-16 websocket-1k websocket-64k " +
      "static-1k static-100k static-100m static-304 static-10000"
    ).split(" "),
    rounds: 5,
    seconds: 3,
    workers: [1],
    isKept: false,
  });
});

test("narrows a comparison, and starts more often than it loads", () => {
  const args = readComparison(["--against=v1", "--cases", "flask,raw-hello", "--workers", "1,2"]);
  assert.deepEqual(args?.cases, ["raw-hello", "flask"]);
  assert.deepEqual(args?.workers, [1, 2]);
  assert.equal(readComparison(["--against", "v1", "--start"])?.rounds, 10);
  assert.equal(readComparison(["--against", "v1", "--start", "--rounds", "2"])?.rounds, 2);
  assert.equal(readComparison(["--against", "v1", "--quick"])?.rounds, 1);
});

test("refuses options that a comparison does not have, and a comparison without a revision", () => {
  for (const words of [["--against", "v1", "--servers", "granian"], ["--against"]])
    assert.throws(() => readComparison(words), UsageError);
  assert.throws(
    () => readComparison(["--against", "v1", "--cases", "django"]),
    /--cases: no "django"; there are raw-hello/,
  );
});
