// What another TLS implementation's command, `openssl s_client`, gets from a server: resumption across hosts,
// renegotiation, old versions, and ends of connections.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";

import { TestAuthority } from "../support/certificates.ts";
import { PATIENCE_MS, until, within } from "../support/deadline.ts";
import { makeScratch } from "../support/scratch.ts";
import { TlsServer } from "../front/tls-server.ts";

const AUTHORITY = new TestAuthority("Tests");
const A = AUTHORITY.issue({ names: ["a.example"] });
const B = AUTHORITY.issue({ names: ["b.example"] });
const people = new TestAuthority("People");
const clients = [{ host: "b.example", mode: "required", caCerts: people.cert }] as const;

/** Runs s_client, which gets `input` when the handshake is over. Returns all that it writes. */
async function client(
  port: number,
  options: readonly string[],
  input = "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
): Promise<string> {
  const args = ["s_client", "-connect", `127.0.0.1:${port}`, ...options];
  const child = spawn("openssl", args, { stdio: ["pipe", "pipe", "pipe"] });
  let text = "";
  const ended = once(child, "close");
  const onOutput = (bytes: Buffer): void => {
    const isFirst = !text.includes("Verify return code");
    text += bytes.toString("latin1");
    if (isFirst && text.includes("Verify return code")) child.stdin.write(input);
  };
  child.stdout.on("data", onOutput);
  child.stderr.on("data", onOutput);
  child.stdin.on("error", () => undefined);
  try {
    await within(PATIENCE_MS, ended, "s_client ends");
  } finally {
    child.kill();
  }
  return text;
}

describe("openssl s_client", () => {
  it("resumes a session with the same host only", async (t) => {
    const server = await TlsServer.start(t, { certificates: [A, B], clients });
    for (const version of ["-tls1_2", "-tls1_3"]) {
      const session = join(makeScratch(t), "session.pem");
      const first = await client(server.port, [
        version,
        "-servername",
        "a.example",
        "-sess_out",
        session,
      ]);
      assert.match(first, /HTTP\/1\.1 200 OK/);
      assert.match(first, /^New, TLSv1\.[23], Cipher is /m);
      assert(existsSync(session));
      const again = await client(server.port, [
        version,
        "-servername",
        "a.example",
        "-sess_in",
        session,
      ]);
      assert.match(again, /^Reused, TLSv1\.[23], Cipher is /m);
      assert.match(again, /"serverName":"a\.example"/);
      const other = await client(server.port, [
        version,
        "-servername",
        "c.example",
        "-sess_in",
        session,
      ]);
      assert.match(other, /"serverName":"c\.example"/);
      // A host that asks for a certificate gets none by resumption.
      const strict = await client(server.port, [
        version,
        "-servername",
        "b.example",
        "-sess_in",
        session,
      ]);
      assert.doesNotMatch(strict, /^Reused|HTTP\/1\.1 200/m, version);
    }
  });

  it("cannot renegotiate", async (t) => {
    const server = await TlsServer.start(t, { certificates: [A] });
    const text = await client(server.port, ["-tls1_2"], "R\n");
    assert.match(text, /RENEGOTIATING\n.*no renegotiation/);
    await until("it is closed", () => server.arrivals.size === 0);
  });

  it("gets no version before TLS 1.2", async (t) => {
    const server = await TlsServer.start(t, { certificates: [A] });
    for (const version of ["-tls1", "-tls1_1"]) {
      const text = await client(server.port, [version, "-cipher", "DEFAULT@SECLEVEL=0"]);
      assert.match(text, /alert protocol version/);
    }
    assert.match(await client(server.port, ["-tls1_2"]), /HTTP\/1\.1 200 OK/);
  });

  it("sees the end of a complete response", async (t) => {
    const server = await TlsServer.start(t, { certificates: [A] });
    const text = await client(server.port, ["-servername", "unknown.example"]);
    assert.match(text, /"serverName":"unknown\.example"/);
    // close_notify; a cut connection is an "unexpected eof".
    assert.match(text, /closed/);
    assert.doesNotMatch(text, /unexpected eof/);
  });

  it("gets the preferred protocol and cipher of the server", async (t) => {
    const server = await TlsServer.start(t, { certificates: [A] });
    const ciphers = "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-ECDSA-AES128-GCM-SHA256";
    const text = await client(server.port, [
      "-tls1_2",
      "-cipher",
      ciphers,
      "-alpn",
      "foo,http/1.1",
    ]);
    assert.match(text, /Cipher is ECDHE-ECDSA-AES128-GCM-SHA256/);
    assert.match(text, /ALPN protocol: http\/1\.1/);
    assert.match(text, /Compression: NONE/);
    assert.match(text, /Secure Renegotiation IS (?:NOT )?supported/);
  });
});
