// Which responses get the reload script, on every engine, and what else changes then: the length, the fields that
// would let a browser keep the page, nothing of a fragment.

import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { gunzipSync } from "node:zlib";

import { CompressingHandler } from "../../../src/handlers/policy/compression.ts";
import { DevelopedPages } from "../../../src/handlers/development/developed-pages.ts";
import { PageReloads } from "../../../src/handlers/development/page-reloads.ts";
import { purposeOf } from "../../../src/handlers/development/script-tag.ts";
import { ERRORS } from "../../../src/http/error.ts";
import type { Exchange } from "../../../src/http/exchange.ts";
import { HAS_CONDITION, type RequestHead } from "../../../src/http/message.ts";
import { responseHead } from "../../../src/http/response-head.ts";
import {
  startHttp1Engine,
  startHttp2Engine,
  startMemoryEngine,
  type ExchangeEngine,
  type SeenResponse,
  type StartEngine,
} from "../../support/exchange-engines.ts";

type Fields = readonly (readonly [name: string, value: string])[];

const DOCUMENT: Fields = [["Sec-Fetch-Dest", "document"]];
const OLD_BROWSER: Fields = [["Accept", "text/html,*/*;q=0.8"]];
const HTML = ["Content-Type", "text/html; charset=utf-8"] as const;
const PAGE = "<!doctype html>\n<p>page</p>";
const reloads = new PageReloads();
const TAG = `\n<script src="/.typhon/reload.js" data-version="${reloads.version}" async></script>\n`;

function testPages(name: string, start: StartEngine): void {
  describe(`pages in development, ${name}`, () => {
    let engine: ExchangeEngine;
    let act: (exchange: Exchange) => void = () => undefined;
    let seenHead: RequestHead | null = null;

    before(async () => {
      const inner = {
        handle: (exchange: Exchange): void => {
          seenHead = exchange.effectiveHead;
          act(exchange);
        },
      };
      const handler = new DevelopedPages(new CompressingHandler(inner), reloads);
      engine = await start(
        (exchange) => handler.handle(exchange),
        () => undefined,
      );
    });
    after(() => engine.close());

    async function get(
      handle: (exchange: Exchange) => void,
      fields: Fields = DOCUMENT,
      method = "GET",
    ): Promise<SeenResponse> {
      act = handle;
      return await (await engine.ask({ fields, method })).response();
    }

    /** A response of one piece. */
    const whole =
      (body: string | Buffer, fields: Fields = [HTML], status = 200) =>
      (exchange: Exchange): void =>
        exchange.respond(responseHead(status, "", fields), Buffer.from(body));

    /** A response of several pieces. */
    const pieces =
      (parts: readonly string[], fields: Fields = [HTML]) =>
      (exchange: Exchange): void => {
        exchange.start(responseHead(200, "OK", fields));
        for (const part of parts) exchange.write(Buffer.from(part));
        exchange.end();
      };

    const isPage = (seen: SeenResponse, body: string, length: string | undefined): void => {
      assert.equal(seen.isWhole, true);
      assert.equal(seen.body.toString(), body);
      assert.deepEqual(seen.fields.get("content-length")?.join(), length);
    };

    it("have the script behind the document, with its length", async () => {
      const length = String(PAGE.length + TAG.length);
      isPage(await get(whole(PAGE)), PAGE + TAG, length);
      const sized: Fields = [HTML, ["Content-Length", String(PAGE.length)]];
      isPage(await get(whole(PAGE, sized)), PAGE + TAG, length);
      isPage(await get(pieces([PAGE], sized)), PAGE + TAG, length);
      isPage(await get(pieces(["<!doc", "type html>"])), `<!doctype html>${TAG}`, undefined);
      isPage(await get(whole("hello")), `hello${TAG}`, String(5 + TAG.length));
    });

    it("have it in error pages as well", async () => {
      const seen = await get(whole(PAGE, [HTML], 500));
      assert.equal(seen.body.toString(), PAGE + TAG);
    });

    it("are what the server itself responds with to a browser", async () => {
      const fail = (exchange: Exchange): void => exchange.fail(ERRORS.QUEUE_FULL);
      const seen = await get(fail);
      assert.equal(seen.status, 503);
      assert.deepEqual(seen.fields.get("retry-after"), ["1"]);
      assert.match(seen.body.toString(), /^<!doctype html>[\s\S]*<h1>503 Service[\s\S]*QUEUE_FULL/);
      assert(seen.body.toString().endsWith(TAG));
      const plain = await get(fail, [["Accept", "*/*"]]);
      assert.match(plain.body.toString(), /^503 Service Unavailable\n/);
    });

    it("are not stored, and asked for without conditions", async () => {
      const stored: Fields = [
        HTML,
        ["ETag", '"a"'],
        ["Last-Modified", "Mon, 01 Jan 2024 00:00:00 GMT"],
        ["Cache-Control", "max-age=9"],
        ["Accept-Ranges", "bytes"],
        ["X-Other", "b"],
      ];
      const { fields } = await get(whole(PAGE, stored), [...DOCUMENT, ["If-None-Match", '"a"']]);
      assert.deepEqual(fields.get("cache-control"), ["no-store"]);
      assert.deepEqual(fields.get("x-other"), ["b"]);
      for (const gone of ["etag", "last-modified", "accept-ranges"])
        assert.equal(fields.get(gone), undefined, gone);
      assert(seenHead !== null);
      assert(!seenHead.names.includes("if-none-match"));
      assert.equal(seenHead.fields & HAS_CONDITION, 0);
    });

    it("have the script inside of what is compressed", async () => {
      const long = PAGE.padEnd(5000, "x");
      for (const handle of [whole(long), pieces([long.slice(0, 3000), long.slice(3000)])]) {
        const seen = await get(handle, [...DOCUMENT, ["Accept-Encoding", "gzip"]]);
        assert.deepEqual(seen.fields.get("content-encoding"), ["gzip"]);
        assert.equal(gunzipSync(seen.body).toString(), long + TAG);
        // The application is not asked to compress.
        assert.equal(seenHead?.names.includes("accept-encoding"), false);
      }
    });

    it("have the nonce that their policy asks for", async () => {
      const policy: Fields = [
        HTML,
        ["Content-Security-Policy", "script-src 'nonce-r4nd/m==' 'strict-dynamic'"],
      ];
      const { body } = await get(whole(PAGE, policy));
      assert.match(body.toString(), / data-version="[\w-]+" nonce="r4nd\/m==" async><\/script>\n$/);
    });

    it("are known by their begin where a browser does not say what it loads", async () => {
      for (const begin of [
        "<!DOCTYPE HTML>",
        "<html lang=en>",
        "\uFEFF \n<!-- a --><!doctype html>",
      ]) {
        const [one, more] = [
          await get(whole(`${begin}b`), OLD_BROWSER),
          await get(pieces([begin, "b"]), OLD_BROWSER),
        ];
        for (const { body } of [one, more]) assert.equal(body.toString(), `${begin}b${TAG}`);
      }
    });

    it("are told from text that begins with many comments", { timeout: 20_000 }, async () => {
      const comments = "<!---->".repeat(140);
      const text = `${comments}<p>a fragment</p>`;
      assert.equal((await get(whole(text), OLD_BROWSER)).body.toString(), text);
      const page = `${comments}<!doctype html>`;
      assert.equal((await get(whole(page), OLD_BROWSER)).body.toString(), page + TAG);
    });

    it("hold back nothing of a stream", async () => {
      const { promise, resolve } = Promise.withResolvers<Exchange>();
      act = (one) => {
        one.start(responseHead(200, "OK", [HTML]));
        one.write(Buffer.from(PAGE));
        resolve(one);
      };
      const asked = await engine.ask({ fields: OLD_BROWSER, method: "GET" });
      const response = asked.response();
      const exchange = await promise;
      assert.equal(exchange.bytesSent, PAGE.length);
      exchange.end();
      isPage(await response, PAGE + TAG, undefined);
    });

    for (const [what, body, fields, request] of [
      ["a fragment", "<p>part</p>", [HTML], OLD_BROWSER],
      ["an empty body of no document", "", [HTML], OLD_BROWSER],
      ["a script's request", PAGE, [HTML], [["Sec-Fetch-Dest", "empty"], ...OLD_BROWSER]],
      ["a frame", PAGE, [HTML], [["Sec-Fetch-Dest", "iframe"], ...OLD_BROWSER]],
      ["htmx", PAGE, [HTML], [["HX-Request", "true"], ...OLD_BROWSER]],
      ["XMLHttpRequest", PAGE, [HTML], [["X-Requested-With", "XMLHttpRequest"], ...OLD_BROWSER]],
      ["curl", PAGE, [HTML], [["Accept", "*/*"]]],
      ["another type", PAGE, [["Content-Type", "text/plain"]], DOCUMENT],
      ["XHTML", PAGE, [["Content-Type", "application/xhtml+xml"]], DOCUMENT],
      ["UTF-16", PAGE, [["Content-Type", 'text/html; charset="UTF-16LE"']], DOCUMENT],
      ["a coded body", PAGE, [HTML, ["Content-Encoding", "gzip"]], DOCUMENT],
      ["a download", PAGE, [HTML, ["Content-Disposition", "attachment"]], DOCUMENT],
      ["a body with a digest", PAGE, [HTML, ["Content-Digest", "sha-256=:a:"]], DOCUMENT],
    ] satisfies [string, string, Fields, Fields][])
      it(`leave ${what} as it is`, async () => {
        const etag: Fields = [...fields, ["ETag", '"a"']];
        const seen = await get(whole(body, etag), request);
        isPage(seen, body, String(body.length));
        assert.deepEqual(seen.fields.get("etag"), ['"a"']);
        isPage(await get(pieces([body], fields), request), body, undefined);
        // Of a fragment it is known too late that it is none of a page's own files.
        const asked = request === OLD_BROWSER ? undefined : ["no-cache"];
        assert.deepEqual(seen.fields.get("cache-control"), asked);
        const kept = await get(whole(body, [...fields, ["Cache-Control", "max-age=9"]]), request);
        assert.deepEqual(kept.fields.get("cache-control"), ["max-age=9"]);
      });

    it("leave a part, an unchanged page and a response without a body as they are", async () => {
      const range: Fields = [HTML, ["Content-Range", "bytes 0-3/9"]];
      isPage(await get(whole("<!do", range, 206)), "<!do", "4");
      const unchanged = await get(whole("", [["ETag", '"a"']], 304));
      assert.deepEqual([unchanged.status, unchanged.body.length], [304, 0]);
      assert.deepEqual(unchanged.fields.get("etag"), ['"a"']);
      const sized: Fields = [HTML, ["Content-Length", String(PAGE.length)]];
      const head = await get(whole(PAGE, sized), DOCUMENT, "HEAD");
      assert.deepEqual(head.fields.get("content-length"), [String(PAGE.length)]);
      assert.equal(head.body.length, 0);
    });

    it("are cut where the application's own length is wrong", async () => {
      const sized: Fields = [HTML, ["Content-Length", "9"]];
      assert.equal((await get(whole(PAGE, sized))).status, 500);
      assert.equal((await get(pieces(["12345678"], sized))).isWhole, false);
    });
  });
}

testPages("in memory", startMemoryEngine);
testPages("over HTTP/1.1", startHttp1Engine);
testPages("over HTTP/2", startHttp2Engine);

it("purposeOf: the browser's own word decides", () => {
  const purpose = (fields: Fields): string =>
    purposeOf({
      method: "GET",
      target: "/",
      path: "/",
      query: "",
      version: "1.1",
      names: fields.map(([name]) => name.toLowerCase()),
      values: fields.map(([, value]) => value),
      fields: 0,
      bodyLength: 0,
      protocol: "",
    });
  assert.equal(purpose(DOCUMENT), "document");
  assert.equal(purpose([["Sec-Fetch-Dest", "image"], ...OLD_BROWSER]), "other");
  assert.equal(purpose(OLD_BROWSER), "unknown");
  assert.equal(purpose([]), "other");
});
