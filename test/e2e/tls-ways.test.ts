// Ways to a secure server besides certificates of one's own: a local authority for development, HTTP/2 without TLS,
// and a balancer in front that says by the PROXY protocol who the client is.

import assert from "node:assert/strict";
import { chmodSync, existsSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { join } from "node:path";
import { before, describe, test } from "node:test";

import { TestAuthority } from "../support/certificates.ts";
import { until, within, PATIENCE_MS } from "../support/deadline.ts";
import { FILE } from "../support/file-scope.ts";
import { readRecord } from "../support/json.ts";
import { getOnce, RawClient } from "../support/raw-client.ts";
import { makeScratch } from "../support/scratch.ts";
import { Http2Client, openHttp1, type SecureAddress } from "../support/secure-client.ts";
import { runTyphon, startTyphon, withDefaults, type Typhon } from "../support/typhon.ts";

const SECURE = ["--bind", "https://127.0.0.1:0"];

describe("--tls internal", () => {
  test("serves every host by a local authority, which typhon trust names and later starts keep", async (t) => {
    const state = join(makeScratch(t), "state");
    const words = [
      "raw:app",
      "--tls",
      "internal",
      "--acme-dir",
      state,
      "--workers",
      "1",
      ...SECURE,
    ];
    const none = await runTyphon(["trust", "--acme-dir", state]);
    assert.equal(none.code, 2);
    const check = await runTyphon(["check", ...withDefaults(words)]);
    assert.equal(check.code, 0, check.stderr);
    assert.equal(existsSync(state), false, "typhon check has made a folder");
    const first = await startTyphon(t, words);
    const trust = await runTyphon(["trust", "--acme-dir", state]);
    const [, path = ""] = /^ {2}(\/\S+\.pem)$/m.exec(trust.stdout) ?? [];
    const ca = readFileSync(path, "utf8");
    assert.equal(statSync(state).mode & 0o077, 0);
    const client = await Http2Client.connect({ port: first.port, host: "localhost", ca });
    assert.equal((await client.ask("/environ")).status, 200);
    client.destroy();
    await first.stop();
    const second = await startTyphon(t, words);
    const again = await openHttp1({ port: second.port, host: "localhost", ca });
    assert.equal((await again.get("/environ")).status, 200);
    again.destroy();
  });

  test("says which folder it cannot use, and exits with 2", async (t) => {
    const file = join(makeScratch(t), "file");
    writeFileSync(file, "");
    const words = ["raw:app", "--tls", "internal", "--acme-dir", join(file, "state"), ...SECURE];
    const run = await runTyphon(withDefaults(words));
    assert.equal(run.code, 2);
    assert.match(run.stderr, /^typhon: --acme-dir .*file\/state' is no folder that this user may/);
    // Where the folder is there and its contents are not as they were left.
    const state = makeScratch(t);
    writeFileSync(join(state, "local-authority"), "");
    const other = await runTyphon(
      withDefaults(["raw:app", "--tls", "internal", "--acme-dir", state, ...SECURE]),
    );
    assert.equal(other.code, 2, other.stderr);
    assert.match(other.stderr, /^typhon: [^\n]*local-authority[^\n]*\n$/);
  });
});

test("--h2c: HTTP/2 with prior knowledge beside HTTP/1.1", async (t) => {
  const typhon = await startTyphon(t, ["raw:app", "--h2c", "--workers", "1"]);
  const two = await Http2Client.connectPlain(typhon.port);
  const answers = await Promise.all([1, 2, 3].map(() => two.ask("/environ")));
  for (const { text } of answers) assert.equal(readRecord(text)["SERVER_PROTOCOL"], "HTTP/2.0");
  two.destroy();
  assert.equal((await getOnce(typhon, "/environ")).status, 200);
});

/** PROXY v2 of a TCP connection over IPv4 (proxy-protocol.txt §2.2). */
const VERSION_2 = Buffer.concat([
  Buffer.from("\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c", "latin1"),
  Buffer.from([203, 0, 113, 9, 192, 0, 2, 1, 0x0f, 0xa1, 1, 0xbb]),
]);
const VERSION_1 = Buffer.from("PROXY TCP4 203.0.113.7 192.0.2.1 4000 443\r\n");

describe("--proxy-protocol", () => {
  const folder = makeScratch(FILE);
  const authority = new TestAuthority("Servers");
  const log = join(folder, "access.log");
  let typhon: Typhon;

  before(async () => {
    const { cert, key } = authority.issue({ names: ["a.example"] });
    writeFileSync(join(folder, "a.pem"), cert + key);
    chmodSync(join(folder, "a.pem"), 0o600);
    const words = ["--proxy-protocol", "--certfile", join(folder, "a.pem"), "--access-log", log];
    const binds = [...SECURE, "--bind", "http://127.0.0.1:0", "--no-http-redirect"];
    typhon = await startTyphon(FILE, ["raw:app", "--workers", "1", ...words, ...binds]);
  });

  async function behind(port: number, header: Buffer): Promise<Socket> {
    const socket = connect(port, "127.0.0.1");
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    socket.once("connect", resolve).once("error", reject);
    await promise;
    socket.write(header);
    return socket;
  }

  for (const [name, header, client] of [
    ["version 1", VERSION_1, "203.0.113.7:4000"],
    ["version 2", VERSION_2, "203.0.113.9:4001"],
  ] as const) {
    test(`${name} says who the client is, with TLS and without`, async () => {
      const secure = async (): Promise<SecureAddress> => ({
        port: typhon.port,
        host: "a.example",
        ca: authority.cert,
        socket: await behind(typhon.port, header),
      });
      const one = await openHttp1(await secure());
      const two = await Http2Client.connect(await secure());
      const plain = RawClient.over(await behind(typhon.secondPort, header));
      const texts = [
        (await one.get("/environ?tls1")).text,
        (await two.ask("/environ?tls2")).text,
        (await plain.get("/environ?plain")).text,
      ];
      for (const text of texts) {
        const environ = readRecord(text);
        assert.equal([environ["REMOTE_ADDR"], environ["REMOTE_PORT"]].join(":"), client);
      }
      for (const open of [one, two, plain]) open.destroy();
      const [address = ""] = client.split(":");
      const lines = (): string[] =>
        readFileSync(log, "utf8")
          .split("\n")
          .filter((line) => line.startsWith(`${address} `));
      await until("the lines of the access log", () => lines().length === 3);
    });
  }

  test("ends a connection without a header", async () => {
    const plain = await RawClient.connect({ port: typhon.secondPort });
    plain.write("GET /environ HTTP/1.1\r\nHost: a\r\n\r\n");
    const bytes = await within(PATIENCE_MS, plain.readUntilCut(), "the end");
    assert.equal(bytes.length, 0);
    plain.destroy();
  });
});

describe("a reload of typhon.toml that begins or ends TLS", () => {
  const authority = new TestAuthority("Servers");
  const { cert, key } = authority.issue({ names: ["a.example"] });
  const SITE = 'bind = "http://127.0.0.1:0"\npid = "pid"\n[[routes]]\nrespond = 204\n';
  const SECURE_SITE = `certfile = "a.pem"\nhttp-redirect = true\n${SITE.replace('"http://127.0.0.1:0"', '["https://127.0.0.1:0", "http://127.0.0.1:0"]')}`;

  for (const [name, first, second, status] of [
    ["begins", SITE, SECURE_SITE, 204],
    ["ends", SECURE_SITE, SITE, 308],
  ] as const)
    test(`${name} it after a restart, and the redirect is as before until then`, async (t) => {
      const cwd = makeScratch(t);
      writeFileSync(join(cwd, "a.pem"), cert + key);
      writeFileSync(join(cwd, "typhon.toml"), first);
      const typhon = await startTyphon(t, [], { cwd, defaults: false });
      writeFileSync(join(cwd, "typhon.toml"), second);
      const run = await runTyphon(["reload", "--pid", join(cwd, "pid")]);
      assert.equal(run.code, 0, run.stderr);
      assert.match(run.stdout, /certfile, domain, tls[^\n]*: holds after a restart\n/);
      const port = name === "begins" ? typhon.port : typhon.secondPort;
      assert.equal((await getOnce({ port }, "/")).status, status);
    });
});
