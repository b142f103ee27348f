// Clients of other makes over HTTP/2 against the real command: curl, nghttp, and from Python httpx and h2
// (http2_clients.py); with TLS and, by prior knowledge, without. Each with the application of ASGI; curl and
// nghttp with that of WSGI as well.

import assert from "node:assert/strict";
import { execFile, execFileSync } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { before, describe, it } from "node:test";
import { promisify } from "node:util";

import { makeCertificate, type Certificate } from "../../support/openssl-certificate.ts";
import { FILE } from "../../support/file-scope.ts";
import { CHECKOUT, makeScratch } from "../../support/scratch.ts";
import { startTyphon, type Typhon } from "../../support/typhon.ts";

const CLIENTS = join(import.meta.dirname, "http2_clients.py");
const PYTHON = join(CHECKOUT, ".venv-http2/bin/python");
const PATIENCE_MS = 180_000;
const UPLOAD_BYTES = 10_000_000;
const STREAMS = 100;

const run = async (command: string, words: readonly string[]): Promise<string> => {
  const options = { timeout: PATIENCE_MS, maxBuffer: 64 << 20 };
  return (await promisify(execFile)(command, words, options)).stdout;
};

let folder: string;
let certificate: Certificate;
before(() => {
  execFileSync("sh", [join(CHECKOUT, "tools/setup-http2.sh")], { stdio: "inherit" });
  folder = makeScratch(FILE);
  certificate = makeCertificate(FILE);
  writeFileSync(join(folder, "upload"), randomBytes(UPLOAD_BYTES));
});

const file = (name: string): string => join(folder, name);
const sumOf = (path: string): string =>
  createHash("sha256").update(readFileSync(path)).digest("hex");

for (const scheme of ["https", "http"] as const) {
  for (const app of ["asgi", "wsgi"] as const) {
    describe(`${app} over ${scheme}`, () => {
      let typhon: Typhon;
      let url: string;
      before(async () => {
        const { certfile, keyfile } = certificate;
        const secure = ["--certfile", certfile, "--keyfile", keyfile];
        const words = [`http2_pages:${app}`, "--app-dir", import.meta.dirname, "--workers", "2"];
        typhon = await startTyphon(FILE, [...words, ...(scheme === "https" ? secure : ["--h2c"])]);
        url = `${scheme}://localhost:${typhon.port}`;
      });

      /** curl's output; a status from 400 on fails, and so does another version of HTTP. */
      const curl = async (...words: string[]): Promise<string> => {
        const version = scheme === "https" ? "--http2" : "--http2-prior-knowledge";
        const given = ["-4", version, "--cacert", certificate.authority, "-sS", "-f", ...words];
        return await run("curl", given);
      };

      it("curl: GET, HEAD, 204 and 304", async () => {
        const shown = ["-w", " %{http_version} %{http_code} %{size_download}"];
        assert.equal(await curl(...shown, `${url}/`), "Hello, World! 2 200 13");
        const head = await curl(...shown, "-I", `${url}/`);
        assert.match(head, /content-length: 13\r\n.*\r\n\r\n 2 200 0$/s);
        for (const status of [204, 304])
          assert.equal(await curl(...shown, `${url}/${status}`), ` 2 ${status} 0`);
      });

      it("curl: 10 MB there and back, to a slow reader", async () => {
        const words = ["--data-binary", `@${file("upload")}`, "-o", file("back")];
        await curl(...words, "--limit-rate", "6M", `${url}/echo`);
        assert.equal(sumOf(file("back")), sumOf(file("upload")));
      });

      // By prior knowledge curl 7.88 mixes up its parallel transfers, whatever the server.
      const most = scheme === "http" ? 1 : STREAMS;
      it(`curl: ${most} streams at once on one connection`, async () => {
        const targets = ["--parallel-max", String(most), `${url}/script/[1-${most}]`];
        const shown = await curl(
          "-Z",
          "-o",
          "/dev/null",
          "-w",
          "%{http_version} %{num_connects}\\n",
          ...targets,
        );
        const lines = shown.trim().split("\n");
        assert.equal(lines.length, most);
        assert(
          lines.every((line) => line.startsWith("2 ")),
          shown,
        );
        const connects = lines.reduce((sum, line) => sum + Number(line.split(" ")[1]), 0);
        assert.equal(connects, 1);
      });

      it("nghttp: a hundred requests on one connection, small windows, padding", async () => {
        const small = ["--window-bits=14", "--connection-window-bits=16", "--padding=64"];
        const given = ["--no-verify-peer", "-n", "-s", "-m", String(STREAMS), ...small];
        const shown = await run("nghttp", [...given, `${url}/blocks?4`]);
        assert.equal(shown.match(/\b200\b +256K \/blocks\?4$/gm)?.length, STREAMS, shown);
      });

      it("nghttp: content with a trailer section", async () => {
        const given = ["--no-verify-peer", "--trailer", "x-sum: 1", "-d", file("upload")];
        const back = await promisify(execFile)("nghttp", [...given, `${url}/echo`], {
          timeout: PATIENCE_MS,
          maxBuffer: 64 << 20,
          encoding: "buffer",
        });
        assert.deepEqual(back.stdout, readFileSync(file("upload")));
      });

      if (app === "wsgi") return;
      let lines: readonly string[] = [];
      before(async () => {
        const authority = scheme === "https" ? certificate.authority : "";
        lines = (await run(PYTHON, [CLIENTS, typhon.url, authority])).trim().split("\n");
      });
      for (const [name, part] of [
        ["httpx: GET, HEAD, 204, 304, 10 MB there and back", "httpx_gets_and_posts"],
        ["httpx: 100 requests at once", "httpx_asks_100_at_once"],
        ["h2: 100 streams that are open at the same time", "h2_opens_100_streams_at_once"],
        ["h2: a stream that is not read holds up no other", "h2_reads_slowly"],
        ["h2: 10 MB there and back over a small window", "h2_uploads_10_mb_and_reads_slowly"],
        ["h2: trailers in both directions", "h2_sends_and_gets_trailers"],
        ["h2: early hints", "h2_gets_early_hints"],
        ["h2: streams are reset in the middle", "h2_resets_in_the_middle"],
        ["h2: HEAD, 204 and 304", "h2_gets_nothing_where_nothing_belongs"],
        ["h2: a WebSocket by extended CONNECT (RFC 8441)", "h2_opens_a_web_socket"],
      ] as const)
        it(name, () => {
          const line = lines.find((one) => one.split(" ")[1] === part);
          assert.equal(line, `ok ${part}`);
        });
    });
  }
}
