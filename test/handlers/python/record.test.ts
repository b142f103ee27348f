// The record of a request, as a worker reads it: one value at each place, whatever the connection was.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, it } from "node:test";

import { Exchange } from "../../../src/http/exchange.ts";
import type { RequestHead } from "../../../src/http/message.ts";
import type { TlsFacts } from "../../../src/http/tls-facts.ts";
import { recordNames, recordValues } from "../../../src/handlers/python/record.ts";
import { MemoryStream } from "../../support/memory-engine.ts";
import { CLIENT, tlsFacts } from "../../support/tls-facts.ts";

const HEAD: RequestHead = {
  method: "GET",
  target: "/",
  path: "/",
  query: "",
  version: "2",
  names: ["host"],
  values: ["a.example"],
  fields: 0,
  bodyLength: 0,
  protocol: "",
};

function exchangeOf(tls: TlsFacts | null, head = HEAD): Exchange {
  const facts = {
    scheme: tls === null ? "http" : "https",
    tls,
    remoteAddress: "192.0.2.1",
    remotePort: 51_234,
    localAddress: "192.0.2.2",
    localPort: 443,
  } as const;
  const exchange = new Exchange(head, facts, new MemoryStream(() => undefined));
  exchange.requestId = "r-9";
  return exchange;
}

/** The TLS value, and what it says. */
function tlsOf(facts: TlsFacts): { readonly text: string; readonly said: unknown } {
  const values = recordValues(exchangeOf(facts), "", "").split("\0");
  const text = values.at(-3) ?? "";
  return { text, said: JSON.parse(text) };
}

describe("the record of a request", () => {
  it("is the vector of a request over TLS, by HTTP/2", () => {
    const url = new URL("../../vectors/pages.json", import.meta.url);
    const vectors: readonly { readonly name: string; readonly values: string }[] = JSON.parse(
      readFileSync(url, "utf8"),
    );
    const vector = vectors.find(({ name }) => name === "over TLS, by HTTP/2");
    const exchange = exchangeOf(tlsFacts());
    assert.equal(recordValues(exchange, "", ""), vector?.values);
    assert.equal(recordNames(exchange.head), "host");
  });

  it("has an empty value in the place of TLS for a connection without", () => {
    const values = recordValues(exchangeOf(null), "3", "/b").split("\0");
    assert.deepEqual(values.slice(4, 6), ["HTTP/2.0", "http"]);
    assert.deepEqual(values.slice(-4), ["a.example", "", "3", "/b"]);
  });

  for (const version of ["1.0", "1.1"] as const)
    it(`names HTTP/${version}`, () => {
      const values = recordValues(exchangeOf(null, { ...HEAD, version }), "", "").split("\0");
      assert.equal(values[4], `HTTP/${version}`);
    });

  it("has the client's certificate in ASCII, whatever is in its names", () => {
    const client = { ...CLIENT, subject: "CN=Zoë €\0\n\u{1f40d}" };
    const { text, said } = tlsOf(tlsFacts({ client }));
    assert.match(text, /^[ -~]+$/);
    assert.deepEqual(said, {
      version: "TLSv1.3",
      version_code: 0x0304,
      cipher: "TLS_AES_128_GCM_SHA256",
      cipher_code: 0x1301,
      server_name: "a.example",
      client: {
        chain: CLIENT.chain,
        subject: client.subject,
        issuer: CLIENT.issuer,
        serial_number: CLIENT.serialNumber,
        alternative_names: CLIENT.alternativeNames,
        not_before: CLIENT.notBefore,
        not_after: CLIENT.notAfter,
      },
    });
  });

  it("cannot be given a field by a name that the client has sent", () => {
    const values = recordValues(exchangeOf(tlsFacts({ serverName: "a\0b" })), "", "").split("\0");
    assert.equal(values.length, 15);
  });

  it("tells each connection its own handshake", () => {
    const [first, second] = ["a", "b"].map((serverName) => tlsFacts({ serverName }));
    assert(first !== undefined && second !== undefined);
    const texts = [first, second, first].map((facts) => tlsOf(facts).text);
    assert.equal(texts[0], texts[2]);
    assert.notEqual(texts[0], texts[1]);
  });
});
