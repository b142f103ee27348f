// What a client gets while code does not load: a page or the text, and no password of a URL in either.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { FailureHandler } from "../../../src/handlers/development/failure.ts";
import { startMemoryEngine, type ExchangeEngine } from "../../support/exchange-engines.ts";

const TRACEBACK = `Traceback (most recent call last):
  File "app.py", line 1, in <module>
OSError: <b> postgres://shop:s3cr@et@db/shop is not there
`;
let engine: ExchangeEngine;

before(async () => {
  const handler = new FailureHandler(TRACEBACK);
  engine = await startMemoryEngine(
    (exchange) => handler.handle(exchange),
    () => undefined,
  );
});
after(() => engine.close());

for (const [accept, type] of [
  ["text/html", "text/html; charset=utf-8"],
  ["*/*", "text/plain; charset=utf-8"],
] as const)
  test(`${type} has the traceback without the password`, async () => {
    const asked = await engine.ask({ fields: [["Accept", accept]] });
    const seen = await asked.response();
    const body = seen.body.toString();
    assert.equal(seen.status, 500);
    assert.deepEqual(seen.fields.get("content-type"), [type]);
    assert(body.includes("postgres://shop:********@db/shop is not there"));
    assert.doesNotMatch(body, /s3cr|@et@/);
    assert.equal(body.includes("<b>"), accept === "*/*");
  });
