// The table of errors, and that docs/errors.md is the table.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import { ERRORS, errorResponse, type HttpError } from "../../src/http/error.ts";
import { reasonPhrase } from "../../src/http/status.ts";

const table: readonly HttpError[] = Object.values(ERRORS);

test("every error stands under its code, with a known status and a text", () => {
  for (const [code, error] of Object.entries<HttpError>(ERRORS)) {
    assert.equal(error.code, code);
    assert.match(code, /^[A-Z][A-Z0-9_]+$/);
    assert.notEqual(reasonPhrase(error.status), "", code);
    assert.match(error.text, /^[A-Z].*\.$/, code);
  }
});

test("every 503 tells when to come again, every 405 which methods there are", () => {
  const names = (error: HttpError): string[] => error.fields.map(([name]) => name);
  for (const error of table) {
    assert.equal(names(error).includes("Retry-After"), error.status === 503, error.code);
    assert.equal(names(error).includes("Allow"), error.status === 405, error.code);
  }
});

test("the response to an error says status, text and code, and is made once", () => {
  const [head, body] = errorResponse(ERRORS.QUEUE_FULL);
  assert.deepEqual([head.status, head.reason], [503, "Service Unavailable"]);
  assert.deepEqual(head.names, ["Content-Type", "Retry-After"]);
  assert.equal(
    String(body),
    "503 Service Unavailable\nToo many requests wait; try again later. (QUEUE_FULL)\n",
  );
  assert.equal(errorResponse(ERRORS.QUEUE_FULL), errorResponse(ERRORS.QUEUE_FULL));
});

test("docs/errors.md has each error with its status and text", () => {
  const lines = readFileSync(new URL("../../docs/errors.md", import.meta.url), "utf8").split("\n");
  const rows = lines.filter((line) => line.startsWith("| `"));
  const expected = table.map(({ code, status, text }) => `| \`${code}\` | ${status} | ${text} |`);
  assert.deepEqual(rows, expected);
});
