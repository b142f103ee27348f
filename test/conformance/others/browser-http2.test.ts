// A page with scripts, pictures and a WebSocket in a real browser over TLS: everything comes over HTTP/2, the
// WebSocket too (RFC 8441), on one connection.

import assert from "node:assert/strict";
import { test } from "node:test";

import { Chromium } from "../../support/chromium.ts";
import { FILE } from "../../support/file-scope.ts";
import { makeCertificate } from "../../support/openssl-certificate.ts";
import { startTyphon } from "../../support/typhon.ts";

/** Resource timing names the protocol of ALPN. */
const PROTOCOLS = `[...performance.getEntriesByType("navigation"), ...performance.getEntriesByType("resource")]
  .map(({ name, nextHopProtocol }) => [new URL(name).pathname, nextHopProtocol])`;

/** Sends two messages and gives what comes back. */
const ECHO = `new Promise((resolve, reject) => {
  const socket = new WebSocket(location.href.replace("https", "wss"));
  const came = [];
  socket.binaryType = "arraybuffer";
  socket.onopen = () => { socket.send("text"); socket.send(new Uint8Array(100_000).fill(7)); };
  socket.onmessage = ({ data }) => {
    came.push(typeof data === "string" ? data : new Uint8Array(data).filter((byte) => byte === 7).length);
    if (came.length === 2) socket.close(1000);
  };
  socket.onclose = ({ code, wasClean }) => resolve([...came, code, wasClean]);
  socket.onerror = () => reject(new Error("the WebSocket failed"));
})`;

test("a page, its scripts and pictures, and a WebSocket over HTTP/2", async () => {
  const { certfile, keyfile, spki } = makeCertificate(FILE);
  const words = ["http2_pages:asgi", "--app-dir", import.meta.dirname, "--access-log", "-"];
  const secure = ["--certfile", certfile, "--keyfile", keyfile, "--log-format", "json"];
  const typhon = await startTyphon(FILE, [...words, ...secure]);
  const browser = await Chromium.start(FILE, [`--ignore-certificate-errors-spki-list=${spki}`]);
  const page = await browser.open();
  await page.show(`https://localhost:${typhon.port}/page`);

  assert.deepEqual(await page.run("[window.ran1, window.ran2, window.ran3]"), [true, true, true]);
  assert.deepEqual(await page.run("[first.naturalWidth, second.naturalWidth]"), [9, 9]);
  assert.deepEqual(await page.run(ECHO), ["text", 100_000, 1000, true]);
  const seen = await page.run(PROTOCOLS);
  assert(Array.isArray(seen));
  const paths = [
    "/page",
    "/script/1.js",
    "/script/2.js",
    "/script/3.js",
    "/picture/1.svg",
    "/picture/2.svg",
  ];
  for (const path of paths)
    assert(
      seen.some((one: unknown) => Array.isArray(one) && one[0] === path && one[1] === "h2"),
      `${path}: ${JSON.stringify(seen)}`,
    );
  const upload = `fetch("/echo", { method: "POST", body: "x".repeat(2_000_000) }).then((r) => r.text()).then((t) => t.length)`;
  assert.equal(await page.run(upload), 2_000_000);
  assert.deepEqual(page.errors, []);
  // The handshake of the WebSocket was a stream as well, not a connection of HTTP/1.1.
  await typhon.output.waitFor(/"method":"CONNECT","target":"\/page","protocol":"HTTP\/2\.0"/);
});
