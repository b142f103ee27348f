// Loads that hang in different ways: the place is told while the interpreter's lock is held, while a lock or a
// socket is waited for, and while nobody reads the application's output.

import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";

import { makeScratch } from "../support/scratch.ts";
import { runTyphon, withDefaults } from "../support/typhon.ts";

const WAYS: Readonly<Record<string, readonly [code: string, last: RegExp]>> = {
  "in C code that holds the interpreter's lock": [
    "import re\nre.match('(a+)+$', 'a' * 64 + 'b')\n",
    /in match$|in <module>$/,
  ],
  "on a lock": [
    "import threading\nlock = threading.Lock()\nlock.acquire()\nlock.acquire()\n",
    /line 4, in <module>$/,
  ],
  "on a socket": ["import socket\na, b = socket.socketpair()\na.recv(1)\n", /line 3, in <module>$/],
  "after it has printed a lot": [
    "import sys, time\nsys.stderr.write('x' * 300_000 + '\\n')\ntime.sleep(600)\n",
    /line 3, in <module>$/,
  ],
};

describe("a load that hangs", { concurrency: 2 }, () => {
  for (const [way, [code, last]] of Object.entries(WAYS))
    test(`${way} is told with its place`, async (t) => {
      const folder = makeScratch(t);
      writeFileSync(join(folder, "shop.py"), "import stuck\n");
      writeFileSync(join(folder, "stuck.py"), code);
      const args = ["shop:app", "--app-dir", folder, "--workers", "2", "--start-timeout", "2"];
      const run = await runTyphon(withDefaults(args));
      assert.equal(run.code, 3);
      const [, stack = ""] = run.stderr.split("; it was here:\n");
      assert.match(stack, /shop\.py", line 1, in <module>\n.*stuck\.py", line \d, in <module>/s);
      assert.match(stack.trimEnd(), last);
    });
});
