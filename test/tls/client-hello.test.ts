// What is read from the first message of a handshake, in whatever pieces it comes, and that no bytes make the
// reader throw or keep more than its limit.

import assert from "node:assert/strict";
import { describe, it } from "node:test";

import fc from "fast-check";

import {
  ClientHelloReader,
  MAX_FIRST_BYTES,
  MAX_HELLO_BYTES,
  type FirstBytes,
} from "../../src/tls/client-hello.ts";
import {
  extension,
  helloMessage,
  namedServer,
  offered,
  realHello,
  records,
  vector,
} from "./hello-bytes.ts";

const NOTHING = { serverName: "", protocols: [] };

/** Reads bytes in pieces that end at the given indexes; each piece is valid only during its call. */
function read(bytes: Buffer, ends: readonly number[] = []): FirstBytes {
  const reader = new ClientHelloReader();
  const borders = [...ends.toSorted((a, b) => a - b), bytes.length];
  let at = 0;
  let found: FirstBytes = "more";
  for (const end of borders) {
    const piece = Buffer.from(bytes.subarray(at, end));
    if (piece.length === 0) continue;
    found = reader.push(piece);
    piece.fill(0xee);
    at = end;
    assert.deepEqual(reader.bytes, bytes.subarray(0, at));
    if (found !== "more") break;
  }
  return found;
}

describe("the first message of a handshake", () => {
  it("says the server name and the protocols that Node's client sends", async () => {
    const bytes = await realHello({
      servername: "Shop.Example.com",
      ALPNProtocols: ["h2", "http/1.1"],
    });
    const expected = { serverName: "shop.example.com", protocols: ["h2", "http/1.1"] };
    assert.deepEqual(read(bytes), expected);
    for (let end = 1; end < bytes.length; end += 1)
      assert.deepEqual(read(bytes, [end]), expected, `in two pieces, at ${end}`);
    assert.deepEqual(read(bytes, [...bytes.keys()]), expected, "byte by byte");
  });

  it("says nothing where the client names no host", async () => {
    assert.deepEqual(read(await realHello({ maxVersion: "TLSv1.2" })), NOTHING);
  });

  it("is the same in any split into records and pieces", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 300 }),
        fc.array(fc.nat(2000)),
        fc.array(fc.stringMatching(/^[a-z0-9/.-]{1,20}$/), { maxLength: 5 }),
        (bytesEach, ends, protocols) => {
          const message = helloMessage([
            offered(protocols),
            namedServer("a.example"),
            extension(42, Buffer.alloc(70)),
          ]);
          const bytes = records(message, bytesEach);
          const borders = ends.map((end) => end % bytes.length);
          assert.deepEqual(read(bytes, borders), { serverName: "a.example", protocols });
        },
      ),
    );
  });

  it("names no host where the name is none", () => {
    const names = [
      "",
      "192.0.2.1",
      "::1",
      "a b.example",
      "a..example",
      ".example",
      "a.example.",
      "-a.example",
      "x\0y",
      "é.example",
      "../../etc",
      `${"a".repeat(64)}.example`,
      `${"a.".repeat(127)}example`,
    ];
    for (const name of names)
      assert.deepEqual(read(records(helloMessage([namedServer(name)]))), NOTHING, name);
    assert.deepEqual(read(records(helloMessage([namedServer("a.example", 1)]))), NOTHING);
    assert.deepEqual(
      read(records(helloMessage([extension(0, vector(2, Buffer.alloc(0)))]))),
      NOTHING,
    );
  });

  it("is left to OpenSSL where it is odd", () => {
    const message = helloMessage([namedServer("a.example")]);
    const truncated = Buffer.concat([Buffer.from([1]), vector(3, message.subarray(4, -3))]);
    const odd = {
      "another message": Buffer.concat([Buffer.from([2]), message.subarray(1)]),
      "no extensions": helloMessage(null),
      "an extension that ends early": truncated,
      "too long": Buffer.from([1, 0, 0x40, 1]),
    };
    for (const [what, bytes] of Object.entries(odd))
      assert.deepEqual(read(records(bytes)), NOTHING, what);
    assert.deepEqual(read(Buffer.from([0x16, 3, 1, 0, 0])), NOTHING, "an empty record");
    const alert = Buffer.concat([
      records(message.subarray(0, 20)),
      Buffer.from([0x15, 3, 1, 0, 2, 1, 0]),
    ]);
    assert.deepEqual(read(alert), NOTHING, "an alert inside");
  });

  it("is no TLS if its first byte is none of a handshake", () => {
    for (const text of ["GET / HTTP/1.1\r\n", "PRI * HTTP/2.0\r\n", "\x80\x2e\x01", "\x15"])
      assert.equal(read(Buffer.from(text, "latin1")), "plain");
  });

  it("is awaited up to a limit", () => {
    const message = Buffer.concat([Buffer.from([1]), vector(3, Buffer.alloc(MAX_HELLO_BYTES))]);
    const bytes = records(message, 1);
    assert.equal(read(bytes.subarray(0, MAX_FIRST_BYTES - 1)), "more");
    assert.deepEqual(read(bytes, [MAX_FIRST_BYTES - 1, MAX_FIRST_BYTES]), NOTHING);
  });

  it("makes nothing throw, whatever its bytes", () => {
    const whole = helloMessage([offered(["h2"]), namedServer("a.example")]);
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(whole.length - 1), fc.nat(255))), (changes) => {
        const message = Buffer.from(whole);
        for (const [at, byte] of changes) message[at] = byte;
        const found = read(records(message));
        assert(found === "more" || typeof found === "object");
      }),
      { numRuns: 2000 },
    );
  });
});
