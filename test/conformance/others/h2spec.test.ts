// h2spec (tools/setup-h2spec.sh): its cases about HTTP/2 and HPACK against the real command, over TLS and, with
// prior knowledge, without.

import assert from "node:assert/strict";
import { execFile, spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { before, test, type TestContext } from "node:test";
import { promisify } from "node:util";

import { makeCertificate } from "../../support/openssl-certificate.ts";
import { FILE } from "../../support/file-scope.ts";
import { CHECKOUT, makeScratch } from "../../support/scratch.ts";
import { startTyphon } from "../../support/typhon.ts";

/** All cases of the version that is pinned. */
const CASES = 145;
/** Of all cases; one that waits in vain takes two seconds. */
const SUITE_MS = 300_000;
const ENTITIES: Readonly<Record<string, string>> = {
  lt: "<",
  gt: ">",
  amp: "&",
  quot: '"',
  "#34": '"',
  "#39": "'",
};

let h2spec: string;
before(() => {
  const setup = spawnSync("sh", [join(CHECKOUT, "tools/setup-h2spec.sh")], {
    encoding: "utf8",
    stdio: ["ignore", "pipe", "inherit"],
  });
  assert.equal(setup.status, 0, "tools/setup-h2spec.sh");
  h2spec = setup.stdout.trim();
});

/** Runs all cases; each is a test of its own. `open`: the fault that a case may have. Returns their number. */
async function runCases(
  t: TestContext,
  options: readonly string[],
  words: readonly string[],
  open: Readonly<Record<string, RegExp>> = {},
): Promise<number> {
  const report = join(makeScratch(FILE), "report.xml");
  const typhon = await startTyphon(FILE, [
    "http2_pages:asgi",
    "--app-dir",
    import.meta.dirname,
    ...options,
  ]);
  const given = ["-h", "127.0.0.1", "-p", String(typhon.port), "-j", report, ...words];
  // Exit code 1 says that a case has failed: the report tells which.
  await promisify(execFile)(h2spec, given, { timeout: SUITE_MS }).catch((error: unknown) =>
    assert.equal(Reflect.get(Object(error), "code"), 1, String(error)),
  );
  const cases = readCases(readFileSync(report, "utf8"));
  for (const { name, fault } of cases)
    await t.test(name, () => assert.ok(fault === "" || open[name]?.test(fault), fault));
  return cases.length;
}

/** The cases of a report in JUnit's format; `fault`: the text of a failure, an error or a skip. */
function readCases(report: string): { readonly name: string; readonly fault: string }[] {
  return [
    ...report.matchAll(/<testcase package="([^"]*)" classname="([^"]*)"[^>]*>(.*?)<\/testcase>/gs),
  ].map(([, section = "", title = "", inner = ""]) => ({
    name: `${section}: ${unescape(title)}`,
    fault: unescape(inner.trim()),
  }));
}

function unescape(text: string): string {
  return text.replaceAll(/&([#\w]+);/g, (all, name: string) => ENTITIES[name] ?? all);
}

test("over TLS, by ALPN", async (t) => {
  const { certfile, keyfile } = makeCertificate(FILE);
  assert.equal(
    await runCases(t, ["--certfile", certfile, "--keyfile", keyfile], ["-t", "-k"]),
    CASES,
  );
});

test("without TLS, by prior knowledge", async (t) => {
  // Bytes that are no preface of HTTP/2 are a request of HTTP/1.1 on such a port: they get a 400.
  const open = {
    "http2/3.5: Sends invalid connection preface": /looked like an HTTP\/1\.1 header/,
  };
  assert.equal(await runCases(t, ["--h2c"], [], open), CASES);
});
