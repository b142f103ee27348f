// The cases of the Autobahn test suite against the real command: an application of ASGI, for which the front
// speaks WebSocket, and one of WSGI, which speaks it itself behind the front's relay. The cases are fetched
// (tools/setup-autobahn.sh), not copied, and run by kosoku (autobahn.py beside this file).

import assert from "node:assert/strict";
import { execFile, execFileSync } from "node:child_process";
import { join } from "node:path";
import { before, test, type TestContext } from "node:test";
import { promisify } from "node:util";

import { FILE } from "../../support/file-scope.ts";
import { CHECKOUT } from "../../support/scratch.ts";
import { startTyphon } from "../../support/typhon.ts";

const PYTHON = join(CHECKOUT, ".venv-autobahn/bin/python");
const RUNNER = join(import.meta.dirname, "autobahn.py");
/** Most of the time is the client's: it compresses hundreds of thousands of messages. */
const SUITE_MS = 1_800_000;

/** Cases, by verdict, that need not be OK. */
type Open = Readonly<Record<string, RegExp>>;

/** The specification leaves these open. */
const INFORMATIONAL = /^7\.(?:1\.6|13\.\d)$/;
/** The front checks the UTF-8 of a text when its message is complete (docs/behavior.md). */
const FRONT: Open = { INFORMATIONAL, "NON-STRICT": /^6\.4\.\d$/ };
/** The library of the application is less strict about faults behind a good message. */
const LIBRARY: Open = {
  INFORMATIONAL,
  "NON-STRICT": /^(?:3\.[234]|4\.[12]\.[345]|5\.15|6\.4\.\d)$/,
};

before(() => {
  execFileSync("sh", [join(CHECKOUT, "tools/setup-autobahn.sh")], { stdio: "inherit" });
});

/** Runs cases against an application; each is a test of its own. */
async function runCases(
  t: TestContext,
  application: string,
  open: Open,
  cases: readonly string[],
): Promise<number> {
  const typhon = await startTyphon(FILE, [
    application,
    "--app-dir",
    import.meta.dirname,
    "--workers",
    "1",
  ]);
  const url = typhon.url.replace("http", "ws");
  const { stdout } = await promisify(execFile)(PYTHON, [RUNNER, url, ...cases], {
    timeout: SUITE_MS,
  });
  const lines = stdout.trimEnd().split("\n");
  for (const line of lines) {
    const [number = "", behavior = "", close = "", description = "", ...reasons] = line.split("\t");
    await t.test(`${number} ${description.slice(0, 100)}`, () => {
      const why = `${behavior} / ${close}: ${reasons.join(" ")}`;
      for (const verdict of [behavior, close])
        assert.ok(verdict === "OK" || open[verdict]?.test(number), why);
    });
  }
  return lines.length;
}

test("an application of ASGI: all cases", async (t) => {
  assert.equal(await runCases(t, "echo:asgi", FRONT, []), 517);
});

// The library is slow at the many messages of sections 12 and 13, and the relay does not look into messages.
test("an application of WSGI, behind the relay: all cases but those about compression", async (t) => {
  const sections = ["1", "2", "3", "4", "5", "6", "7", "9", "10"];
  assert.equal(
    await runCases(
      t,
      "echo:wsgi",
      LIBRARY,
      sections.map((section) => `${section}.*`),
    ),
    301,
  );
});
