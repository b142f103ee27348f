// Access lines: the combined log's words first, ours behind, and no client's byte outside its quotes.

import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { ERRORS } from "../../src/http/error.ts";
import { Exchange, type ConnectionFacts } from "../../src/http/exchange.ts";
import type { RequestHead } from "../../src/http/message.ts";
import { AccessLog } from "../../src/observe/access-log.ts";
import { MemoryStream } from "../support/memory-engine.ts";
import { tlsFacts } from "../support/tls-facts.ts";
import { scratchSink } from "./scratch-log.ts";

const IGNORE = (): void => undefined;
const FACTS: ConnectionFacts = {
  tls: null,
  scheme: "http",
  remoteAddress: "192.0.2.1",
  remotePort: 1234,
  localAddress: "192.0.2.2",
  localPort: 80,
};

function head(fields: Readonly<Record<string, string>>, target = "/a?b=c"): RequestHead {
  return {
    method: "GET",
    target,
    path: "/a",
    query: "b=c",
    version: "1.1",
    names: Object.keys(fields),
    values: Object.values(fields),
    fields: 0,
    bodyLength: 0,
    protocol: "",
  };
}

interface Changes {
  readonly remoteAddress?: string;
  readonly requestId?: string;
  readonly status?: number;
  readonly bytesSent?: number;
  readonly user?: string;
  readonly handling?: Partial<Exchange["handling"]>;
}

/** A finished exchange, as if its client and its handler had done this. */
function exchangeOf(requestHead: RequestHead, changes: Changes = {}, facts = FACTS): Exchange {
  const exchange = new Exchange(requestHead, facts, new MemoryStream(IGNORE));
  const { handling, ...rest } = changes;
  exchange.handling = { worker: 2, queuedMs: 0.14, runMs: 3.46, isAbandoned: false, ...handling };
  const usual = { requestId: "abc-1", status: 200, bytesSent: 1234, bytesReceived: 5 };
  return Object.assign(exchange, usual, rest);
}

async function lineOf(format: "text" | "json", exchange: Exchange): Promise<string> {
  const { sink, read } = scratchSink();
  new AccessLog(sink, format).write(exchange);
  return read();
}

/** What a reader of the combined log takes apart, and our words behind it. */
const COMBINED =
  /^(\S+) - - \[\d\d\/\w{3}\/\d{4}:\d\d:\d\d:\d\d [+-]\d{4}\] "([^"]*)" (\d{3}) (\d+) "([^"]*)" "([^"]*)" id=(\S+) queue_ms=(\d+\.\d) app_ms=(\d+\.\d) total_ms=\d+\.\d received=(\d+) worker=(\S+)\n$/;

describe("AccessLog as text", () => {
  test("has the fields of the combined log, then ours", async () => {
    const fields = { host: "x", referer: "http://r/", "user-agent": "curl/8" };
    const match = COMBINED.exec(await lineOf("text", exchangeOf(head(fields))));
    assert.deepEqual(match?.slice(1), [
      "192.0.2.1",
      "GET /a?b=c HTTP/1.1",
      "200",
      "1234",
      "http://r/",
      "curl/8",
      "abc-1",
      "0.1",
      "3.5",
      "5",
      "2",
    ]);
  });
  test("has the request as it came, also after a local redirect", async () => {
    for (const format of ["text", "json"] as const) {
      const exchange = exchangeOf({ ...head({}), method: "POST" });
      assert.equal(exchange.redirect("/other", ""), true);
      const line = await lineOf(format, exchange);
      assert.match(line, format === "text" ? /"POST \/a\?b=c HTTP/ : /"POST","target":"\/a\?b=c"/);
    }
  });

  test("names HTTP/2 with its minor version, as other servers do", async () => {
    const line = await lineOf("text", exchangeOf({ ...head({}), version: "2" }));
    assert.match(line, /"GET \/a\?b=c HTTP\/2\.0" 200/);
  });
  test("writes - for missing values, and 499 if the client left before a response", async () => {
    const bare = exchangeOf(head({}), {
      remoteAddress: "",
      requestId: "",
      status: 0,
      bytesSent: 0,
      handling: { queuedMs: 0, runMs: 0, worker: 0 },
    });
    const match = COMBINED.exec(await lineOf("text", bare));
    assert.deepEqual(match?.slice(1), [
      "-",
      "GET /a?b=c HTTP/1.1",
      "499",
      "0",
      "-",
      "-",
      "-",
      "0.0",
      "0.0",
      "5",
      "-",
    ]);
  });
  test("no value of a client can change the form of the line", async () => {
    const bytes = Array.from({ length: 256 }, (_, code) => String.fromCharCode(code)).join("");
    const forged = `" 200 0 "-" "-"\r\n127.0.0.1 - - ${bytes}`;
    const exchange = exchangeOf(
      head({ referer: forged, "user-agent": forged }, forged.replaceAll(" ", "")),
      { remoteAddress: "1.2.3.4 - -\n", requestId: `x worker=9\n"` },
    );
    const line = await lineOf("text", exchange);
    assert.match(line, COMBINED);
    assert.match(line, /^[\x20-\x7e]+\n$/);
    assert.match(line, / worker=2\n$/);
  });
  test("has the user whose password was right, whatever the name is", async () => {
    for (const [user, word] of [
      ["anna", "anna"],
      ["", "-"],
      ["-", String.raw`\x2d`],
      ["a b", String.raw`a\x20b`],
      ['x [21/Nov] "GET', String.raw`x\x20[21/Nov]\x20\x22GET`],
      ["j\u00f6rg\u20ac\n", String.raw`j\xf6rg\u{20ac}\x0a`],
    ] as const) {
      const line = await lineOf("text", exchangeOf(head({}), { user }));
      assert.ok(line.startsWith(`192.0.2.1 - ${word} [`), line);
    }
  });
  test("a response that is an error of the server's own has its code", async () => {
    for (const format of ["text", "json"] as const) {
      const exchange = exchangeOf(head({}));
      assert.doesNotMatch(await lineOf(format, exchange), /error/);
      exchange.fail(ERRORS.QUEUE_FULL);
      const line = await lineOf(format, exchange);
      assert.match(
        line,
        format === "text" ? / 503 .* error=QUEUE_FULL\n$/ : /"error":"QUEUE_FULL"/,
      );
    }
  });
  test("a refused message has a line with the code of its error", async () => {
    const { sink, read } = scratchSink();
    new AccessLog(sink, "text").writeRefused("192.0.2.1", ERRORS.REQUEST_LINE_INVALID);
    assert.match(
      await read(),
      /^192\.0\.2\.1 - - \[[^\]]+\] "-" 400 0 "-" "-" error=REQUEST_LINE_INVALID\n$/,
    );
  });
});

describe("AccessLog as JSON", () => {
  test("has the user whose password was right", async () => {
    const line = await lineOf("json", exchangeOf(head({}), { user: "j\u00f6rg" }));
    assert.partialDeepStrictEqual(JSON.parse(line), { user: "j\u00f6rg" });
    assert.ok(!(await lineOf("json", exchangeOf(head({})))).includes('user":'));
  });
  test("has the same values by name, one object a line", async () => {
    const forged = '"}\n{"status":500}\u0085\xff';
    const line = await lineOf("json", exchangeOf(head({ "user-agent": forged })));
    assert.equal(line.indexOf("\n"), line.length - 1);
    assert.partialDeepStrictEqual(JSON.parse(line), {
      event: "access",
      address: "192.0.2.1",
      method: "GET",
      target: "/a?b=c",
      protocol: "HTTP/1.1",
      status: 200,
      bytes: 1234,
      received: 5,
      referer: null,
      userAgent: forged,
      requestId: "abc-1",
      queueMs: 0.1,
      applicationMs: 3.5,
      worker: 2,
    });
  });
  test("names what TLS has agreed, and nothing of it without TLS", async () => {
    const facts: ConnectionFacts = { ...FACTS, scheme: "https", tls: tlsFacts() };
    const request = { ...head({}), version: "2" } as const;
    const line = await lineOf("json", exchangeOf(request, {}, facts));
    assert.partialDeepStrictEqual(JSON.parse(line), {
      protocol: "HTTP/2.0",
      scheme: "https",
      tls: "TLSv1.3",
      cipher: "TLS_AES_128_GCM_SHA256",
    });
    assert.doesNotMatch(await lineOf("json", exchangeOf(request)), /"(?:tls|cipher)"/);
  });
  test("a refused message is an object of its own event", async () => {
    const { sink, read } = scratchSink();
    new AccessLog(sink, "json").writeRefused("", ERRORS.METHOD_TOO_LONG);
    assert.partialDeepStrictEqual(JSON.parse(await read()), {
      event: "refused",
      status: 501,
      error: "METHOD_TOO_LONG",
    });
  });
});
