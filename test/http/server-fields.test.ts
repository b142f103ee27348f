// The fields that the server adds to every response; the Date field's value, and reason phrases.

import assert from "node:assert/strict";
import { cpSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { pathToFileURL } from "node:url";

import { ResponseChanges } from "../../src/handlers/policy/response-changes.ts";
import { ERRORS } from "../../src/http/error.ts";
import type { Exchange } from "../../src/http/exchange.ts";
import { responseHead } from "../../src/http/response-head.ts";
import { addResponseFields, currentDate, hstsValue } from "../../src/http/server-fields.ts";
import { reasonPhrase } from "../../src/http/status.ts";
import type * as Engines from "../support/exchange-engines.ts";
import { startHttp1EngineWith, startHttp2EngineWith } from "../support/exchange-engines.ts";
import { CHECKOUT, makeScratch } from "../support/scratch.ts";

test("is IMF-fixdate of this second (RFC 9110 §5.6.7)", (context) => {
  context.mock.timers.enable({ apis: ["Date"], now: Date.UTC(1994, 10, 6, 8, 49, 37, 999) });
  assert.equal(currentDate(), "Sun, 06 Nov 1994 08:49:37 GMT");
  assert.equal(currentDate(), "Sun, 06 Nov 1994 08:49:37 GMT");
  context.mock.timers.setTime(Date.UTC(1994, 10, 6, 8, 49, 38));
  assert.equal(currentDate(), "Sun, 06 Nov 1994 08:49:38 GMT");
});

test("known statuses have a phrase, others none", () => {
  assert.equal(reasonPhrase(200), "OK");
  assert.equal(reasonPhrase(431), "Request Header Fields Too Large");
  assert.equal(reasonPhrase(299), "");
});

// The promise of server-fields.ts: a field for all responses is added there and nowhere else. The test
// does so, in a copy of the sources.
const ADDED = ["  return all;", '  return add(all, "X-Everywhere", "yes");'] as const;
const COPIED = [
  "src/http",
  "src/http1",
  "src/http2",
  "src/net",
  "test/support/exchange-engines.ts",
  "test/support/memory-engine.ts",
  "test/support/raw-client.ts",
  "test/support/deadline.ts",
];

test("a field that one file adds is on every kind of response of every engine", async (context) => {
  const folder = makeScratch(context);
  for (const path of COPIED) cpSync(join(CHECKOUT, path), join(folder, path), { recursive: true });
  writeFileSync(join(folder, "package.json"), '{ "type": "module" }');
  const file = join(folder, "src/http/server-fields.ts");
  const source = readFileSync(file, "utf8");
  assert.equal(source.split(ADDED[0]).length, 2, "the place where a field is added");
  writeFileSync(file, source.replace(...ADDED));
  const path = join(folder, "test/support/exchange-engines.ts");
  const engines: typeof Engines = await import(pathToFileURL(path).href);
  const { startMemoryEngine, startHttp1Engine, startHttp2Engine } = engines;
  for (const start of [startMemoryEngine, startHttp1Engine, startHttp2Engine]) {
    const responses = await everyResponse(start);
    assert.equal(responses.size, 9);
    for (const [kind, { fields }] of responses)
      assert.deepEqual(fields.get("x-everywhere"), ["yes"], kind);
  }
});

test("Strict-Transport-Security is on every response over TLS, and on none without (RFC 6797 §7.2)", async () => {
  const hsts = hstsValue(31_536_000);
  assert.equal(hsts, "max-age=31536000");
  for (const [value, scheme, expected] of [
    [hsts, "https", [hsts]],
    [hsts, "http", undefined],
    [hstsValue(0), "https", undefined],
  ] as const) {
    for (const startWith of [startHttp1EngineWith, startHttp2EngineWith]) {
      const responses = await everyResponse(startWith(value, scheme));
      assert.equal(responses.size, 9);
      for (const [kind, { fields }] of responses)
        assert.deepEqual(fields.get("strict-transport-security"), expected, `${kind} ${scheme}`);
    }
  }
});

test("an application's own Strict-Transport-Security, or a route that removes it, wins", () => {
  const add = (names: string[], name: string): string[] => [...names, name];
  const own = responseHead(200, "OK", [["strict-transport-security", "max-age=5"]]);
  assert.deepEqual(addResponseFields([], add, own, "", "max-age=9"), ["Date"]);
  const fields = { setHeaders: [], removeHeaders: ["Strict-Transport-Security"], cacheControl: "" };
  const changed = new ResponseChanges(fields, null).changeHead(responseHead(200, "OK", []));
  assert.deepEqual(addResponseFields([], add, changed, "", "max-age=9"), ["Date"]);
});

/** One response of each kind that a client can get. */
async function everyResponse(
  start: Engines.StartEngine,
): Promise<ReadonlyMap<string, Engines.SeenResponse>> {
  const ok = responseHead(200, "OK", []);
  const acts: Readonly<Record<string, (exchange: Exchange) => void>> = {
    "/respond": (exchange) => exchange.respond(ok, Buffer.from("x")),
    "/start": (exchange) => {
      exchange.start(ok);
      exchange.end();
    },
    "/error": (exchange) => exchange.fail(ERRORS.APPLICATION_ERROR),
    "/204": (exchange) => exchange.respond(responseHead(204, "", []), Buffer.alloc(0)),
    "/304": (exchange) => exchange.respond(responseHead(304, "", []), Buffer.alloc(0)),
  };
  const engine = await start(
    (exchange) => {
      if (exchange.head.protocol === "") acts[exchange.head.path]?.(exchange);
      else {
        const status = exchange.head.version === "2" ? 200 : 101;
        exchange.upgrade(responseHead(status, "", []))?.stream.resume();
      }
    },
    () => undefined,
  );
  const responses = new Map<string, Engines.SeenResponse>();
  for (const path of Object.keys(acts))
    responses.set(path, await (await engine.ask({ path })).response());
  const head = await engine.ask({ method: "HEAD", path: "/respond" });
  responses.set("HEAD", await head.response());
  const trace = await engine.ask({ method: "TRACE" });
  responses.set("TRACE", await trace.response());
  const upgraded = await engine.ask({ protocol: "websocket" });
  responses.set("upgrade", await upgraded.upgraded());
  upgraded.leave();
  responses.set("unreadable", await engine.askUnreadable());
  engine.close();
  return responses;
}
