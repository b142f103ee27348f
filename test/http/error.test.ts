// The table of errors, and that docs/errors.md is the table.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import { ERRORS, type HttpError } from "../../src/http/error.ts";
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

test("what the client did wrong closes the connection, save a method that is refused by choice", () => {
  for (const error of table)
    if (error.status < 500 && error.status !== 405) assert.ok(error.closes, error.code);
});

test("every 503 tells when to come again", () => {
  for (const error of table) assert.equal(error.retryAfter > 0, error.status === 503, error.code);
});

test("docs/errors.md has each error with its status, text and whether it closes", () => {
  const lines = readFileSync(new URL("../../docs/errors.md", import.meta.url), "utf8").split("\n");
  const rows = lines.filter((line) => line.startsWith("| `"));
  const expected = table.map(
    (error) =>
      `| \`${error.code}\` | ${error.status} | ${error.closes ? "closes" : "stays open"} | ${error.text} |`,
  );
  assert.deepEqual(rows, expected);
});
