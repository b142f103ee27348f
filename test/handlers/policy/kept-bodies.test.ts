// Bodies that are sent more than once: the engine frees the memory of a large body when it was sent, but not of these.

import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";

import { FixedResponseHandler } from "../../../src/handlers/builtin/fixed-response.ts";
import { CompressingHandler } from "../../../src/handlers/policy/compression.ts";
import { ErrorPages } from "../../../src/handlers/policy/error-pages.ts";
import { ERRORS } from "../../../src/http/error.ts";
import type { Handler } from "../../../src/http/exchange.ts";
import { startHttp1Engine } from "../../support/exchange-engines.ts";
import { FILE } from "../../support/file-scope.ts";
import { makeScratch } from "../../support/scratch.ts";

const TEXT = "text ".repeat(40_000);

/** Asks for the same body three times. */
async function lengths(handler: Handler, fields: [string, string][] = []): Promise<number[]> {
  const engine = await startHttp1Engine(
    (exchange) => handler.handle(exchange),
    () => undefined,
  );
  try {
    const found: number[] = [];
    for (let count = 0; count < 3; count += 1) {
      const response = await (await engine.ask({ fields })).response();
      assert.equal(response.isWhole, true);
      found.push(response.body.length);
    }
    return found;
  } finally {
    engine.close();
  }
}

test("a large fixed response is the same each time, coded or not", async () => {
  const handler = new FixedResponseHandler(200, "text/plain", TEXT);
  assert.deepEqual(await lengths(handler), [TEXT.length, TEXT.length, TEXT.length]);
  const coded = await lengths(new CompressingHandler(handler), [["Accept-Encoding", "gzip"]]);
  assert.ok(Math.min(...coded) > 0 && new Set(coded).size === 1, String(coded));
  assert.deepEqual(await lengths(handler), [TEXT.length, TEXT.length, TEXT.length]);
});

test("a large error page is the same each time", async () => {
  const folder = makeScratch(FILE);
  writeFileSync(join(folder, "404.html"), TEXT);
  const pages = await ErrorPages.open(folder);
  const handler: Handler = {
    handle: (exchange) => {
      const page = pages.of(ERRORS.NOT_FOUND);
      assert.ok(page !== null);
      exchange.respond(page[0], page[1]);
    },
  };
  assert.deepEqual(await lengths(handler), [TEXT.length, TEXT.length, TEXT.length]);
});
