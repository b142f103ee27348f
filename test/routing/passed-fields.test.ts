// Which fields an application gets: none that it would take for another one, and none of a proxy from a peer that
// is no trusted proxy.

import assert from "node:assert/strict";
import { test } from "node:test";

import { HeadParser } from "../../src/http1/head-parser.ts";
import type { RequestHead } from "../../src/http/message.ts";
import { hasUnderscore, passedHead, type HeaderMap } from "../../src/routing/passed-fields.ts";

function headWith(...names: string[]): RequestHead {
  const lines = names.map((name, index) => `${name}: ${index}\r\n`).join("");
  const head = new HeadParser().parse(`GET / HTTP/1.1\r\nHost: a\r\n${lines}\r\n`, 0);
  assert(head !== null);
  return head;
}

function passed(names: readonly string[], isTrusted: boolean, headerMap: HeaderMap): string[] {
  const head = passedHead(headWith(...names), { isTrusted, host: null, headerMap });
  assert.equal(head.names.length, head.values.length);
  assert.deepEqual([head.names[0], head.values[0]], ["host", "a"]);
  return head.names.slice(1).map((name, index) => `${name}=${head.values[index + 1]}`);
}

const MISTAKEN = [
  "X_A",
  "X-A",
  "Proxy",
  "X_Forwarded_For",
  "X-Forwarded_For",
  "Content_Length",
  "Content_Type",
  "Transfer_Encoding",
  "Host_",
  "X_Request_ID",
  "X_Real-IP",
  "Authorization_",
];

test("names with _ and Proxy are left out, whoever sends them", () => {
  for (const isTrusted of [true, false])
    assert.deepEqual(passed(MISTAKEN, isTrusted, "drop"), ["x-a=1"]);
});

test("with `dangerous` names with _ pass, except those that stand for a field of the server or a proxy", () => {
  for (const isTrusted of [true, false])
    assert.deepEqual(passed(MISTAKEN, isTrusted, "dangerous"), [
      "x_a=0",
      "x-a=1",
      "host_=8",
      "authorization_=11",
    ]);
});

test("a request with a name with _ is known, for `refuse`", () => {
  assert.equal(hasUnderscore(headWith("X-A", "X_A")), true);
  assert.equal(hasUnderscore(headWith("X-A", "Proxy")), false);
  assert.equal(hasUnderscore(headWith()), false);
});

test("fields of a proxy pass from a trusted proxy only", () => {
  const names = ["X-Forwarded-Port", "X-Real-IP", "X-Forwarded-Prefix", "Forwarded", "X-A"];
  assert.deepEqual(passed(names, false, "drop"), ["x-a=4"]);
  assert.equal(passed(names, true, "drop").length, names.length);
});

test("X-Request-ID never passes, because each request has an id of its own", () => {
  for (const isTrusted of [true, false])
    assert.deepEqual(passed(["X-Request-ID", "X-A"], isTrusted, "dangerous"), ["x-a=1"]);
});

test("the host that a trusted proxy names takes the place of Host", () => {
  const rules = { isTrusted: true, host: "b.example", headerMap: "drop" } as const;
  assert.deepEqual(passedHead(headWith("X_A"), rules).values, ["b.example"]);
});
