// The words of the command line: what is a flag, what its text, what the application.

import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { readFlags } from "../../src/config/flags.ts";

describe("readFlags", () => {
  test("finds the application anywhere between the flags", () => {
    const flags = readFlags(["-w4", "app:app", "--threads=2", "-p", "80"]);
    assert.equal(flags.app, "app:app");
    assert.deepEqual(
      [...flags.texts],
      [
        ["workers", ["4"]],
        ["threads", ["2"]],
        ["port", ["80"]],
      ],
    );
  });
  test("a text may begin with a dash, as - does for standard output", () => {
    assert.deepEqual(readFlags(["a", "--access-log", "-"]).texts.get("access-log"), ["-"]);
    assert.deepEqual(readFlags(["a", "--workers", "-1"]).texts.get("workers"), ["-1"]);
  });
  test("suggests the nearest flag for an unknown one", () => {
    const unknown =
      (word: string): (() => unknown) =>
      () =>
        readFlags(["a", word]);
    assert.throws(
      unknown("--worker"),
      /^OperatorError: unknown option --worker; did you mean --workers\?$/,
    );
    assert.throws(unknown("--tiemout=3"), /did you mean --timeout\?/);
    assert.throws(
      unknown("--reload-everything"),
      /unknown option --reload-everything; see typhon --help/,
    );
    assert.throws(unknown("-z"), /unknown option -z; see typhon --help/);
  });
  test("refuses a flag without its value", () => {
    assert.throws(() => readFlags(["a", "--port"]), /^OperatorError: --port needs a value/);
    assert.throws(() => readFlags(["a", "-p", "--host", "b"]), /-p needs a value/);
    assert.throws(() => readFlags(["a", "--tls", "-p", "80"]), /--tls needs a value/);
  });
  test("refuses a second application", () => {
    assert.throws(() => readFlags(["a:b", "c:d"]), /unexpected 'c:d': one application is served/);
  });
  test("help and version win over any mistake", () => {
    assert.equal(readFlags(["--nonsense", "--help"]).wantsHelp, true);
    assert.equal(readFlags(["a", "b", "-h"]).wantsHelp, true);
    assert.equal(readFlags(["--version", "--port"]).wantsVersion, true);
  });
  test("words after -- are no flags", () => {
    assert.equal(readFlags(["--", "app:app"]).app, "app:app");
  });
});
