// The programs of examples/cgi, started as its README says.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";

import { CHECKOUT } from "../support/scratch.ts";
import { startTyphon } from "../support/typhon.ts";

test("the programs of examples/cgi respond", async (t) => {
  const readme = readFileSync(join(CHECKOUT, "examples/cgi/README.md"), "utf8");
  const words = /^bin\/typhon (.*?) +#/m.exec(readme)?.[1]?.split(" ") ?? [];
  assert.deepEqual(words, ["--cgi", "/cgi-bin=examples/cgi/cgi-bin"]);
  const { url } = await startTyphon(t, [...words, "--bind=127.0.0.1:0"], { defaults: false });
  const page = await fetch(`${url}/cgi-bin/hello.py/a/path?b=c`, {
    method: "POST",
    body: new URLSearchParams({ name: "<Zoë>" }),
  });
  const text = await page.text();
  assert.equal(page.status, 200, text);
  assert.match(text, /<th>PATH_INFO<td>\/a\/path\n/);
  assert.match(text, /<th>name<td>&lt;Zoë&gt;\n/);
  // The first line comes while the program runs.
  const clock = await fetch(`${url}/cgi-bin/clock.sh`);
  const reader = clock.body?.getReader();
  const first = new TextDecoder().decode((await reader?.read())?.value);
  assert.match(first, /^[^\n]*\d\d:\d\d:\d\d[^\n]*\n$/);
  await reader?.cancel();
});
