// Responses as text: which fields the server adds, and which it never sends.

import assert from "node:assert/strict";
import { test } from "node:test";

import { ERRORS, errorResponse } from "../../src/http/error.ts";
import { responseHead } from "../../src/http/response-head.ts";
import { chunkLine, CLOSE, headText } from "../../src/http1/serializer.ts";

const DATE = /Date: \w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT\r\n/;

test("adds Server, Date, the request's id and Content-Length", () => {
  const text = headText(responseHead(200, "OK", [["X", "y"]]), "id-1", 5, CLOSE);
  assert.match(text, DATE);
  assert.equal(
    text.replace(DATE, ""),
    "HTTP/1.1 200 OK\r\nX: y\r\nServer: typhon\r\nX-Request-ID: id-1\r\nContent-Length: 5\r\nConnection: close\r\n\r\n",
  );
});

test("leaves the application's own Server, Date and Content-Length", () => {
  const head = responseHead(200, "", [
    ["server", "mine"],
    ["DATE", "never"],
    ["content-length", "3"],
  ]);
  assert.equal(
    headText(head, "", -1, ""),
    "HTTP/1.1 200 OK\r\nserver: mine\r\nDATE: never\r\ncontent-length: 3\r\n\r\n",
  );
});

test("the application's own X-Request-ID stays, else the request's is added", () => {
  const head = responseHead(200, "OK", [["x-request-id", "app"]]);
  for (const requestId of ["front", ""]) {
    const text = headText(head, requestId, -1, "");
    assert.deepEqual(text.match(/x-request-id: .*/gi), ["x-request-id: app"]);
  }
  assert.match(
    headText(responseHead(200, "OK", []), "front", -1, ""),
    /\r\nX-Request-ID: front\r\n/,
  );
});

test("a 204 has no Content-Length (RFC 9110 §8.6)", () => {
  const head = responseHead(204, "", [["Content-Length", "0"]]);
  assert.doesNotMatch(headText(head, "", -1, ""), /content-length/i);
});

test("a 426 offers the WebSocket by fields of the connection (RFC 9110 §15.5.22)", () => {
  const [head] = errorResponse(ERRORS.WEBSOCKET_VERSION);
  const text = headText(head, "", 0, CLOSE);
  assert.match(text, /\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n/);
  const own = responseHead(426, "", [["X", "y"]]);
  assert.doesNotMatch(headText(own, "", 0, CLOSE), /\r\nUpgrade:/);
});

test("sizes of chunks are hexadecimal", () => {
  assert.equal(chunkLine(255), "ff\r\n");
});
