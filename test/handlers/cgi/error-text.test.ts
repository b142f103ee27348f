// The pieces of a program's standard error become entries of the log.

import assert from "node:assert/strict";
import { it } from "node:test";

import { ErrorText } from "../../../src/handlers/cgi/error-text.ts";

it("pieces that come soon after one another are one entry, without a wait for the end", (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const entries: string[] = [];
  const text = new ErrorText((entry) => void entries.push(entry));
  text.add("Traceback\n");
  t.mock.timers.tick(60);
  text.add("  f(0)\n");
  t.mock.timers.tick(39);
  assert.deepEqual(entries, []);
  t.mock.timers.tick(1);
  assert.deepEqual(entries, ["Traceback\n  f(0)\n"]);
  text.add("later");
  t.mock.timers.tick(100);
  assert.deepEqual(entries, ["Traceback\n  f(0)\n", "later"]);
});

it("the end of the program writes what waits, once", (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const entries: string[] = [];
  const text = new ErrorText((entry) => void entries.push(entry));
  text.flush();
  text.add("one");
  text.flush();
  text.flush();
  t.mock.timers.tick(1000);
  assert.deepEqual(entries, ["one"]);
});
