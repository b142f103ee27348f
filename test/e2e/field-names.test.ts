// Field names that an application would take for others, and fields of proxies from peers that are none: neither
// reaches an application, under ASGI, in a WebSocket handshake, or in a WSGI application mounted in an ASGI one.

import assert from "node:assert/strict";
import { before, test } from "node:test";

import { FILE } from "../support/file-scope.ts";
import { readRecord } from "../support/json.ts";
import { askOnce, RawClient } from "../support/raw-client.ts";
import { startTyphon, type Typhon } from "../support/typhon.ts";

/** A proxy that no test is. */
const ELSEWHERE = ["--workers", "1", "--forwarded-allow-ips", "192.0.2.1"];

let typhon: Typhon;
let refusing: Typhon;

before(async () => {
  [typhon, refusing] = await Promise.all([
    startTyphon(FILE, ["mounted:app", ...ELSEWHERE]),
    startTyphon(FILE, ["raw:app", "--workers", "1", "--header-map", "refuse"]),
  ]);
});

const FORGED = [
  "X_Forwarded_For: 6.6.6.1",
  "X-Forwarded_Proto: https",
  "X_User: root",
  "Proxy: http://evil.example",
  "Content_Length: 7",
  "X_Request_ID: forged",
  "X-Forwarded-For: 6.6.6.2",
  "X-Forwarded-Proto: https",
  "X-Forwarded-Host: evil.example",
  "X-Forwarded-Port: 666",
  "X-Forwarded-Prefix: /evil",
  "X-Forwarded-Ssl: on",
  "X-Forwarded-User: root",
  "X-Real-IP: 6.6.6.3",
  "Forwarded: for=6.6.6.4",
  "True-Client-IP: 6.6.6.5",
];
const HANDSHAKE = [
  "Connection: Upgrade",
  "Upgrade: websocket",
  "Sec-WebSocket-Version: 13",
  "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
];

async function show(path: string, ...fields: string[]): Promise<Readonly<Record<string, unknown>>> {
  const lines = ["Host: a.example", "X-User: alice", ...fields].map((line) => `${line}\r\n`);
  const answer = await askOnce(typhon, `GET ${path} HTTP/1.1\r\n${lines.join("")}\r\n`);
  assert.equal(answer.status, 200, answer.text);
  return readRecord(answer.text);
}

for (const [what, fields] of [
  ["an ASGI application", []],
  ["a WebSocket handshake", HANDSHAKE],
] as const)
  test(`${what} gets no forged field`, async () => {
    const plain = Object.keys(await show("/", ...fields));
    const forged = await show("/", ...fields, ...FORGED);
    assert.deepEqual(Object.keys(forged), plain);
    assert.equal(forged["x-user"], "alice");
    assert.notEqual(forged["x-request-id"], "forged");
  });

test("a WSGI application that is mounted in an ASGI one believes no forged field", async () => {
  const plain = await show("/wsgi/a");
  const forged = await show("/wsgi/a", ...FORGED);
  assert.deepEqual(Object.keys(forged), Object.keys(plain));
  for (const name of ["HTTP_X_USER", "REMOTE_ADDR", "HTTP_HOST", "SERVER_PORT", "SCRIPT_NAME"])
    assert.equal(forged[name], plain[name], name);
  assert.equal(forged["wsgi.url_scheme"], plain["wsgi.url_scheme"]);
});

test("trailers are dropped, whatever their names", async () => {
  const answer = await askOnce(
    typhon,
    "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" +
      "1\r\na\r\n0\r\nX_User: root\r\nX-Real-IP: 6.6.6.6\r\n\r\n",
  );
  assert.equal(answer.status, 200, answer.text);
  assert.doesNotMatch(answer.text, /root|6\.6\.6/);
});

test("--header-map refuse: a name with _ is refused with 400, and the connection goes on", async () => {
  const client = await RawClient.connect(refusing);
  client.write("GET /environ HTTP/1.1\r\nHost: a\r\nX_A: 1\r\n\r\n");
  const refused = await client.readResponse();
  assert.equal(refused.status, 400);
  assert.match(refused.text, /FIELD_NAME_UNDERSCORE/);
  client.write("GET /environ HTTP/1.1\r\nHost: a\r\nX-A: 1\r\nProxy: p\r\n\r\n");
  const served = readRecord((await client.readResponse()).text);
  assert.equal(served["HTTP_X_A"], "1");
  assert.equal(served["HTTP_PROXY"], undefined);
  client.destroy();
});
