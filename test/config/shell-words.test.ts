// GUNICORN_CMD_ARGS: words as Python's shlex.split makes them.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { test } from "node:test";

import fc from "fast-check";

import { OperatorError } from "../../src/config/operator-error.ts";
import { splitShellWords } from "../../src/config/shell-words.ts";
import { requirePython } from "../support/scratch.ts";

const SHLEX = `
import json, shlex, sys
def split(text):
    try:
        return shlex.split(text)
    except ValueError:
        return None
print(json.dumps([split(text) for text in json.load(sys.stdin)]))
`;

function split(text: string): string[] | null {
  try {
    return splitShellWords(text, "GUNICORN_CMD_ARGS");
  } catch (error) {
    assert.ok(error instanceof OperatorError);
    return null;
  }
}

test("words, quotes and backslashes are those of shlex.split", () => {
  const unit = fc.constantFrom(
    "a",
    "b",
    "-",
    "=",
    "'",
    '"',
    "\\",
    " ",
    "\t",
    "\n",
    "\r",
    "#",
    "$",
    "ö",
  );
  const seed = Date.now();
  const texts = fc.sample(fc.string({ unit, maxLength: 14 }), { seed, numRuns: 4000 });
  const input = JSON.stringify(texts);
  const output = execFileSync(requirePython(), ["-c", SHLEX], { input, encoding: "utf8" });
  const expected: unknown = JSON.parse(output);
  assert.ok(Array.isArray(expected));
  assert.ok(expected.filter((words) => words === null).length > 100);
  for (const [at, text] of texts.entries())
    assert.deepEqual(split(text), expected[at], `${JSON.stringify(text)} of seed ${seed}`);
});

test("a quote that is not closed, and a backslash at the end, are mistakes", () => {
  assert.throws(() => splitShellWords("-w '4", "GUNICORN_CMD_ARGS"), {
    text: "GUNICORN_CMD_ARGS has a quote ' that is not closed",
  });
  assert.throws(() => splitShellWords("-w 4\\", "GUNICORN_CMD_ARGS"), {
    text: "GUNICORN_CMD_ARGS ends with a backslash",
  });
});
