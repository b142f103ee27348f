// A local redirect: what is left of the request, what is forgotten, and what stays for the log.

import assert from "node:assert/strict";
import { test } from "node:test";

import { Exchange } from "../../src/http/exchange.ts";
import { MAX_LOCAL_REDIRECTS, redirectedHead } from "../../src/http/local-redirect.ts";
import { HAS_RANGE, type RequestHead } from "../../src/http/message.ts";
import { responseHead } from "../../src/http/response-head.ts";
import { FACTS, MemoryStream } from "../support/memory-engine.ts";

const POST: RequestHead = {
  method: "POST",
  target: "/a?b",
  path: "/a",
  query: "b",
  version: "1.1",
  names: [
    "host",
    "content-type",
    "range",
    "transfer-encoding",
    "content-encoding",
    "expect",
    "cookie",
  ],
  values: ["h", "a/b", "bytes=0-1", "chunked", "gzip", "100-continue", "c=d"],
  fields: HAS_RANGE,
  bodyLength: null,
  protocol: "",
};

test("the request for the other path is a GET without what belonged to the body", () => {
  assert.deepEqual(redirectedHead(POST, "/x", "y=z"), {
    method: "GET",
    target: "/x?y=z",
    path: "/x",
    query: "y=z",
    version: "1.1",
    names: ["host", "range", "cookie"],
    values: ["h", "bytes=0-1", "c=d"],
    fields: HAS_RANGE,
    bodyLength: 0,
    protocol: "",
  });
  assert.equal(redirectedHead(POST, "/x", "").target, "/x");
});

test("the client of a HEAD request still takes no body", () => {
  const stream = new MemoryStream(() => undefined);
  const exchange = new Exchange({ ...POST, method: "HEAD", bodyLength: 0 }, FACTS, stream);
  assert(exchange.redirect("/x", ""));
  assert.equal(exchange.head.method, "HEAD");
  exchange.respond(responseHead(200, "OK", []), Buffer.from("body"));
  assert.equal(Buffer.concat(stream.chunks).length, 0);
});

test("what the first route has found out and set is forgotten", () => {
  const stream = new MemoryStream(() => undefined);
  const exchange = new Exchange(POST, FACTS, stream);
  exchange.effectiveHead = { ...POST, names: ["host"], values: ["proxied"] };
  exchange.user = "anna";
  exchange.application = "cgi";
  exchange.listener = { onDrain: () => undefined, onGone: () => assert.fail("forgotten") };
  assert(exchange.redirect("/x", ""));
  const { user, application, policy, coder, listener, redirects } = exchange;
  assert.deepEqual(
    { user, application, policy, coder, listener, redirects },
    { user: "", application: "", policy: null, coder: null, listener: null, redirects: 1 },
  );
  assert.deepEqual(exchange.effectiveHead.values, ["proxied"]);
  assert.equal(exchange.sentHead, POST);
});

test("there are ten, and none when a response has begun", () => {
  const exchange = new Exchange(POST, FACTS, new MemoryStream(() => undefined));
  for (let count = 0; count < MAX_LOCAL_REDIRECTS; count += 1) assert(exchange.redirect("/x", ""));
  assert(!exchange.redirect("/x", ""));
  const other = new Exchange(POST, FACTS, new MemoryStream(() => undefined));
  other.start(responseHead(200, "OK", []));
  assert(!other.redirect("/x", ""));
});
