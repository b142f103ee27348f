// The options of the newest gunicorn and uvicorn, as their own parsers list them: none is unexplained.
// tools/setup-foreign.sh installs both.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { test } from "node:test";

import { readFlags } from "../../../src/config/flags.ts";
import { FOREIGN_OPTIONS } from "../../../src/config/foreign-options.ts";
import { OperatorError } from "../../../src/config/operator-error.ts";
import { readRecord } from "../../support/json.ts";
import { HOOKS } from "../../support/foreign-names.ts";
import { CHECKOUT } from "../../support/scratch.ts";

const LIST = `
import json, sys
import click
from gunicorn import config, __version__ as gunicorn
import uvicorn, uvicorn.main
def kind(setting):
    return "switch" if setting.action in ("store_true", "store_false", "store_const") or setting.nargs == "?" else "value"
flags = [[flag, kind(setting)] for setting in config.KNOWN_SETTINGS for flag in setting.cli or []]
for option in sys.modules["uvicorn.main"].main.params:
    if isinstance(option, click.Option):
        flags += [[flag, "switch" if option.is_flag else "value"] for flag in option.opts + option.secondary_opts]
print(json.dumps({
    "versions": [gunicorn, uvicorn.__version__],
    "flags": flags,
    "settings": [setting.name for setting in config.KNOWN_SETTINGS],
}))
`;

const python = join(CHECKOUT, "test/.cache/foreign/bin/python");
const lists = readRecord(execFileSync(python, ["-c", LIST], { encoding: "utf8" }));

function unknownness(words: readonly string[]): string {
  try {
    readFlags(words);
    return "";
  } catch (error) {
    assert.ok(error instanceof OperatorError, String(error));
    return /^unknown option|needs a value|takes no value|^unexpected/.test(error.text)
      ? error.text
      : "";
  }
}

test("each flag is known, and takes a value or none as there", (t) => {
  const { flags, versions } = lists;
  assert.ok(Array.isArray(flags) && flags.length > 150, String(flags));
  t.diagnostic(`gunicorn, uvicorn: ${String(versions)}`);
  const faults = flags
    .map(([flag, kind]: [string, string]) =>
      unknownness(kind === "value" ? ["a:a", flag, "1"] : [flag, "a:a"]),
    )
    .filter(Boolean);
  assert.deepEqual(faults, []);
});

test("each setting of gunicorn.conf.py is explained, or is a hook", () => {
  const { settings } = lists;
  assert.ok(Array.isArray(settings) && settings.length > 100, String(settings));
  const explained = new Set(FOREIGN_OPTIONS.map(({ setting }) => setting));
  const unexplained = settings.filter((name: string) => !explained.has(name) && !HOOKS.test(name));
  // A file of settings names no other file.
  assert.deepEqual(unexplained, ["config"]);
});
