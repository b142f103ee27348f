// examples/embedded: a program that serves an application by createServer, as its README starts it. It imports the
// built package under its name.

import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";

import { getOnce } from "../support/raw-client.ts";
import { CHECKOUT } from "../support/scratch.ts";
import { startTyphon } from "../support/typhon.ts";

test("the example serves, loads new code on SIGHUP and stops on SIGTERM", async (t) => {
  const program = join(CHECKOUT, "examples/embedded/server.ts");
  const options = { command: process.execPath, defaults: false };
  const typhon = await startTyphon(t, [program, "127.0.0.1:0"], options);
  assert.equal((await getOnce(typhon, "/you")).text, "hello, you\n");
  typhon.signal("SIGHUP");
  await typhon.output.waitFor(/new code serves/);
  assert.equal((await getOnce(typhon, "/")).text, "hello, world\n");
  await typhon.output.waitFor(/"GET \/you HTTP\/1\.1" 200/);
  await typhon.stop();
});
