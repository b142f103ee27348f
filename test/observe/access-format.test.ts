// Access lines of the operator's own format: gunicorn's atoms, and no client's byte outside of its place.

import assert from "node:assert/strict";
import { describe, it } from "node:test";

import { readAccessFormat } from "../../src/config/access-format.ts";
import { ERRORS } from "../../src/http/error.ts";
import { Exchange } from "../../src/http/exchange.ts";
import type { RequestHead } from "../../src/http/message.ts";
import { responseHead } from "../../src/http/response-head.ts";
import { linesOf } from "../../src/observe/access-format.ts";
import type { AccessLines } from "../../src/observe/access-line.ts";
import { MemoryStream } from "../support/memory-engine.ts";

function linesOfFormat(format: string): AccessLines {
  const parts = readAccessFormat(format);
  assert(typeof parts !== "string");
  return linesOf(parts);
}

interface Changes extends Partial<Pick<Exchange, "user" | "remoteAddress" | "bytesSent">> {
  readonly fields?: Readonly<Record<string, string>>;
}

function exchangeOf({ fields = {}, ...changes }: Changes = {}): Exchange {
  const head: RequestHead = {
    method: "GET",
    target: "/a%20b?c=d",
    path: "/a%20b",
    query: "c=d",
    version: "1.1",
    names: Object.keys(fields),
    values: Object.values(fields),
    fields: 0,
    bodyLength: 0,
    protocol: "",
  };
  const connection = {
    tls: null,
    scheme: "http",
    remoteAddress: "192.0.2.1",
    remotePort: 1234,
    localAddress: "192.0.2.2",
    localPort: 80,
  } as const;
  const exchange = new Exchange(head, connection, new MemoryStream(() => undefined));
  exchange.requestId = "abc-1";
  exchange.handling = { worker: 2, queuedMs: 0.14, runMs: 3.46, isAbandoned: false };
  exchange.respond(
    responseHead(200, "OK", [
      ["ETag", '"v1"'],
      ["Content-Type", "text/html"],
    ]),
    Buffer.from("hello"),
  );
  return Object.assign(exchange, changes);
}

function line(format: string, exchange = exchangeOf(), totalMs = 1234.5678): string {
  const text = linesOfFormat(format).line(exchange, Date.now(), totalMs);
  assert(text.endsWith("\n"));
  return text.slice(0, -1);
}

describe("a format of atoms", () => {
  it("has what gunicorn's atoms have", () => {
    const fields = { referer: "http://r/", "user-agent": "curl/8", "x-tenant": "shop" };
    const exchange = exchangeOf({ fields });
    assert.equal(
      line('%(h)s %(l)s %(u)s "%(r)s" %(s)s %(m)s %(U)s %(q)s %(H)s %(b)s %(B)s', exchange),
      '192.0.2.1 - - "GET /a%20b?c=d HTTP/1.1" 200 GET /a%20b c=d HTTP/1.1 5 5',
    );
    assert.equal(
      line("%(f)s|%(a)s|%({X-Tenant}i)s|%({none}i)s", exchange),
      "http://r/|curl/8|shop|-",
    );
    assert.equal(line("%(T)s %(D)s %(M)s %(L)s"), "1 1234568 1235 1.234568");
    assert.equal(line("%(p)s"), `<${process.pid}>`);
    assert.equal(
      line('"%({etag}o)s" %({CONTENT-TYPE}o)s %({x}o)s'),
      String.raw`"\x22v1\x22" text/html -`,
    );
    assert.equal(line("%({x-request-id}o)s"), "abc-1");
    assert.match(line("%(t)s"), /^\[\d\d\/\w{3}\/\d{4}:\d\d:\d\d:\d\d [+-]\d{4}\]$/);
  });

  it("has what Typhon knows beside them", () => {
    assert.equal(
      line("%(id)s %(worker)s %(queue_ms)s %(app_ms)s %(total_ms)s %(received)s %(scheme)s"),
      "abc-1 2 0.1 3.5 1234.6 0 http",
    );
    assert.equal(
      line("%(application)s %(response_id)s %(target)s %(port)s"),
      "- - /a%20b?c=d 1234",
    );
  });

  it("has a dash for no bytes, and percent signs", () => {
    assert.equal(line("%(b)s %(B)s %%", exchangeOf({ bytesSent: 0 })), "- 0 %");
  });

  it("lets a client neither end a quoted field nor add a field", () => {
    const evil = { "user-agent": 'a" 200 \\ \n\u00e9', "x-a": "one two" };
    const exchange = exchangeOf({ fields: evil });
    assert.equal(line('"%(a)s" %(s)s', exchange), String.raw`"a\x22 200 \x5c \x0a\xe9" 200`);
    assert.equal(line("%({x-a}i)s %(s)s", exchange), String.raw`one\x20two 200`);
    assert.equal(line('"%({x-a}i)s"', exchange), '"one two"');
    assert.equal(line("%(u)s", exchangeOf({ user: "-" })), String.raw`\x2d`);
    assert.equal(line("%(u)s", exchangeOf({ user: "anna b" })), String.raw`anna\x20b`);
  });

  it("lets a client end no field by the character behind it", () => {
    const exchange = exchangeOf({
      fields: { "user-agent": "a,200,b]'|c d", host: "[::1]:80" },
      remoteAddress: "2001:db8::1",
    });
    assert.equal(line("%(a)s,%(s)s", exchange), String.raw`a\x2c200\x2cb]'|c\x20d,200`);
    assert.equal(line("'%(a)s' [%(a)s]", exchange).match(/['\]]/g)?.length, 5);
    assert.equal(line("%(a)s|%(a)s", exchange).split("|").length, 3);
    assert.equal(line("%(h)s:%(port)s %({host}i)s", exchange), "2001:db8::1:1234 [::1]:80");
    assert.equal(
      line("%(U)s?%(q)s %(u)s,", exchangeOf({ user: "-" })),
      String.raw`/a%20b?c=d \x2d,`,
    );
  });

  it("is JSON where it begins with a brace", () => {
    const agent = 'a" \\ \n\u00e9\u0085';
    const text = line(
      '{"status": %(s)s, "agent": "%(a)s", "etag": "%({etag}o)s"}',
      exchangeOf({ fields: { "user-agent": agent } }),
    );
    assert(!/[^\x20-\x7e]/.test(text));
    assert.deepEqual(JSON.parse(text), { status: 200, agent, etag: '"v1"' });
  });

  it("has a line for a message that was refused", () => {
    const { refusal } = linesOfFormat('%(h)s %(t)s "%(r)s" %(s)s %(B)s "%(a)s"');
    assert.match(
      refusal("", ERRORS.HEAD_TIMEOUT, Date.now()),
      /^- \[\d\d\/\w{3}\/\d{4}:[\d:]+ [+-]\d{4}\] "-" 408 0 "-"\n$/,
    );
    assert.match(refusal("192.0.2.1", ERRORS.HEAD_TIMEOUT, Date.now()), /^192\.0\.2\.1 \[/);
  });
});
