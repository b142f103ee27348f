// Heads that the server makes itself are checked like an application's; which responses have a body.

import assert from "node:assert/strict";
import { test } from "node:test";

import {
  checkedHead,
  isLive,
  mayHaveBody,
  ResponseFault,
  responseHead,
} from "../../src/http/response-head.ts";

test("heads that the server makes are checked as well", () => {
  assert.throws(() => responseHead(200, "OK", [["X", "a\nb"]]), ResponseFault);
  assert.throws(() => responseHead(200, "O\nK", []), ResponseFault);
  assert.deepEqual(responseHead(200, "OK", [["Allow", "GET"]]).names, ["Allow"]);
});

test("keeps the connection options beside the fields", () => {
  const head = checkedHead(200, "OK", { names: ["X"], values: ["y"] }, "close");
  assert.deepEqual([head.connection, head.names], ["close", ["X"]]);
});

// Django's Set-Cookie begins with a space. Clients of HTTP/2 ignore such a field (RFC 9113 §8.2.1).
test("blanks around a value are no part of it (RFC 9110 §5.5)", () => {
  const names = ["Set-Cookie", "Content-Length", "X-Request-ID", "X-A", "X-B"];
  const values = [" a=1; Path=/", "5 ", "\tabc", " \t ", "b"];
  const head = checkedHead(200, "OK", { names, values });
  assert.deepEqual(head.values, ["a=1; Path=/", "5", "abc", "", "b"]);
  assert.deepEqual([head.contentLength, head.requestId], [5, "abc"]);
  assert.deepEqual(values[0], " a=1; Path=/");
});

test("HEAD, 204 and 304 have no body", () => {
  assert.ok(mayHaveBody("GET", 200) && mayHaveBody("POST", 404));
  assert.ok(!mayHaveBody("HEAD", 200) && !mayHaveBody("GET", 204) && !mayHaveBody("GET", 304));
});

for (const [fields, live] of [
  [[], false],
  [[["Content-Type", "text/event-stream"]], true],
  [[["content-type", "Text/Event-Stream ; charset=utf-8"]], true],
  [[["Content-Type", "multipart/x-mixed-replace;boundary=frame"]], true],
  [[["Content-Type", "text/event-streams"]], false],
  [
    [
      ["X-A", "content-type"],
      ["X-B", "text/event-stream"],
    ],
    false,
  ],
  [
    [
      ["X-Accel-Buffering", "no"],
      ["Content-Type", "video/mp4"],
    ],
    true,
  ],
  [
    [
      ["X-Accel-Buffering", "Yes"],
      ["Content-Type", "text/event-stream"],
    ],
    false,
  ],
] as const)
  test(`a response with ${JSON.stringify(fields)} is ${live ? "" : "not "}live`, () => {
    assert.equal(isLive(responseHead(200, "OK", fields)), live);
  });
