// Compressed responses as clients see them, on every engine: framing, backpressure, and every way in which a
// response ends.

import assert from "node:assert/strict";
import { after, before, beforeEach, describe, it } from "node:test";
import * as zlib from "node:zlib";

import fc from "fast-check";

import { CompressingHandler, ENCODE_NOW_BYTES } from "../../../src/handlers/policy/compression.ts";
import type { Exchange } from "../../../src/http/exchange.ts";
import { ERRORS } from "../../../src/http/error.ts";
import { responseHead } from "../../../src/http/response-head.ts";
import { MAX_ENCODERS } from "../../../src/net/body-encoder.ts";
import { until } from "../../support/deadline.ts";
import {
  startHttp1Engine,
  startMemoryEngine,
  type ExchangeEngine,
  type SeenResponse,
  type StartEngine,
} from "../../support/exchange-engines.ts";
import type { MemoryRequest } from "../../support/memory-engine.ts";

const TEXT = ["Content-Type", "text/plain"] as const;
const HEAD = responseHead(200, "OK", [TEXT, ["ETag", '"x"'], ["Accept-Ranges", "bytes"]]);
const EMPTY = Buffer.alloc(0);

const accepting = (coding: string): Partial<MemoryRequest> => ({
  fields: [["Accept-Encoding", coding]],
});

/** Text that does not shrink to nothing. */
function textOf(length: number): Buffer {
  let text = "";
  for (let number = 1; text.length < length; number += 1) text += `${(number * 7919) % 10_007} `;
  return Buffer.from(text.slice(0, length));
}

function decoded({ fields, body }: SeenResponse): Buffer {
  const [coding] = fields.get("content-encoding") ?? [];
  if (coding === "zstd") return zlib.zstdDecompressSync(body);
  if (coding === "br") return zlib.brotliDecompressSync(body);
  if (coding === "gzip") return zlib.gunzipSync(body);
  return body;
}

function testCompression(name: string, start: StartEngine): void {
  let engine: ExchangeEngine;
  let act: (exchange: Exchange) => void = () => undefined;
  let exchanges: Exchange[] = [];
  let finished: Exchange[] = [];
  let heard: string[] = [];

  before(async () => {
    const handler = new CompressingHandler({
      handle: (exchange) => {
        exchanges.push(exchange);
        exchange.listener = {
          onDrain: () => heard.push("drain"),
          onGone: (how) => heard.push(how),
        };
        act(exchange);
      },
    });
    engine = await start(
      (exchange) => handler.handle(exchange),
      (exchange) => finished.push(exchange),
    );
  });
  after(() => engine.close());
  beforeEach(() => {
    exchanges = [];
    finished = [];
    heard = [];
  });

  async function responseTo(
    handle: (exchange: Exchange) => void,
    request: Partial<MemoryRequest> = accepting("gzip"),
  ): Promise<SeenResponse> {
    act = handle;
    return await (await engine.ask(request)).response();
  }

  const first = (): Promise<Exchange> => until("the exchange", () => exchanges[0]);
  const turns = async (count: number): Promise<void> => {
    for (let turn = 0; turn < count; turn += 1) await new Promise(setImmediate);
  };

  describe(`a compressed response, ${name}`, () => {
    for (const coding of ["zstd", "br", "gzip"])
      it(`has its exact length if it is short and whole: ${coding}`, async () => {
        const body = textOf(10_000);
        const seen = await responseTo(
          (exchange) => exchange.respond(HEAD, body),
          accepting(coding),
        );
        assert.equal(seen.isWhole, true);
        assert.ok(decoded(seen).equals(body));
        assert.deepEqual(seen.fields.get("content-encoding"), [coding]);
        assert.deepEqual(seen.fields.get("vary"), ["Accept-Encoding"]);
        assert.deepEqual(seen.fields.get("etag"), ['W/"x"']);
        assert.equal(seen.fields.get("accept-ranges"), undefined);
        assert.deepEqual(seen.fields.get("content-length"), [String(seen.body.length)]);
        assert.equal(finished[0]?.bytesSent, seen.body.length);
      });

    it("is coded in another thread if it is long; the caller's buffer may change", async () => {
      for (const length of [ENCODE_NOW_BYTES + 1, 65_536, 500_000]) {
        const body = textOf(length);
        const given = Buffer.from(body);
        const seen = await responseTo((exchange) => {
          exchange.respond(HEAD, given);
          if (length <= 65_536) given.fill(0);
        });
        assert.equal(seen.isWhole, true);
        assert.deepEqual(seen.fields.get("content-encoding"), ["gzip"]);
        assert.equal(seen.fields.get("content-length"), undefined);
        assert.ok(decoded(seen).equals(body), `${length} bytes`);
      }
    });

    it("says for HEAD what it says for GET", async () => {
      const body = textOf(10_000);
      const sized = responseHead(200, "OK", [TEXT, ["Content-Length", "10000"], ["ETag", '"x"']]);
      const fieldsOf = async (method: string, given: Buffer): Promise<[string, unknown][]> => {
        const seen = await responseTo((exchange) => exchange.respond(sized, given), {
          ...accepting("br"),
          method,
        });
        return [...seen.fields].filter(([field]) => field !== "date");
      };
      const get = await fieldsOf("GET", body);
      assert.deepEqual(await fieldsOf("HEAD", body), get);
      // Without the bytes the length is not known, and need not be said.
      const others = get.filter(([field]) => field !== "content-length");
      assert.deepEqual(await fieldsOf("HEAD", EMPTY), others);
    });

    it("is the same after decoding, in whatever pieces it is written", async () => {
      const pieces = fc.array(fc.nat(40_000), { maxLength: 6 });
      const codings = fc.constantFrom("zstd", "br", "gzip");
      await fc.assert(
        fc.asyncProperty(pieces, codings, fc.nat(6), async (lengths, coding, pause) => {
          const chunks = lengths.map((length, index) => textOf(length + index));
          const whole = Buffer.concat(chunks);
          const seen = await responseTo((exchange) => {
            exchange.start(HEAD);
            const writeRest = async (): Promise<void> => {
              for (const [index, chunk] of chunks.entries()) {
                if (index === pause) await turns(2);
                exchange.write(Buffer.from(chunk));
              }
              exchange.end();
            };
            void writeRest();
          }, accepting(coding));
          assert.equal(seen.isWhole, true);
          assert.deepEqual(seen.fields.get("content-encoding"), [coding]);
          assert.ok(decoded(seen).equals(whole));
        }),
        { numRuns: 25 },
      );
    });

    it("has its trailers behind the last byte", async () => {
      const seen = await responseTo(
        (exchange) => {
          exchange.start(HEAD);
          exchange.write(textOf(2000));
          exchange.end({ names: ["x-sum"], values: ["1"] });
        },
        { fields: [...(accepting("gzip").fields ?? []), ["TE", "trailers"]] },
      );
      assert.deepEqual(seen.trailers.get("x-sum"), ["1"]);
      assert.ok(decoded(seen).equals(textOf(2000)));
    });

    for (const [what, length] of [
      ["fewer", 1999],
      ["more", 2001],
    ] as const)
      it(`is cut if the handler writes ${what} bytes than its Content-Length`, async () => {
        const sized = responseHead(200, "OK", [TEXT, ["Content-Length", "2000"]]);
        const seen = await responseTo((exchange) => {
          exchange.start(sized);
          exchange.write(textOf(length));
          exchange.end();
        });
        assert.equal(seen.isWhole, false);
        assert.equal(finished.length, 1);
      });

    it("is cut by its handler at any time, and its end is told once", async () => {
      for (const count of [0, 1, 20]) {
        finished = [];
        const seen = await responseTo((exchange) => {
          exchange.start(HEAD);
          exchange.write(textOf(100_000));
          void turns(count).then(() => exchange.abort());
        });
        assert.equal(seen.isWhole, false);
        await until("the end", () => finished.length > 0);
        await turns(20);
        assert.equal(finished.length, 1);
      }
    });

    it("stops its handler while the client does not read, and goes on afterwards", async () => {
      let hasRoom = true;
      let written = 0;
      const piece = zlib.deflateRawSync(textOf(200_000));
      const write = (exchange: Exchange): void => {
        while (hasRoom && written < 400 * piece.length) {
          hasRoom = exchange.write(Buffer.from(piece));
          written += piece.length;
        }
      };
      act = (exchange) => {
        exchange.start(HEAD);
        exchange.listener = {
          onDrain: () => {
            hasRoom = true;
            write(exchange);
            if (written >= 400 * piece.length) exchange.end();
          },
          onGone: (how) => heard.push(how),
        };
        write(exchange);
      };
      const client = await engine.ask(accepting("gzip"));
      client.pause();
      let last = -1;
      await until("the handler waits", async () => {
        const stands = written === last;
        last = written;
        await turns(200);
        return stands;
      });
      assert.ok(written < 200 * piece.length, `${written} bytes were taken`);
      client.resume();
      const seen = await client.response();
      assert.equal(decoded(seen).length, 400 * piece.length);
    });

    it("ends with its client; the handler hears that only before its own end", async () => {
      for (const isEnded of [false, true]) {
        exchanges = [];
        finished = [];
        heard = [];
        act = (exchange) => {
          exchange.start(HEAD);
          exchange.write(textOf(400_000));
          if (isEnded) exchange.end();
        };
        const client = await engine.ask(accepting("br"));
        client.pause();
        await first();
        client.leave();
        await until("the end", () => finished.length === 1);
        await turns(50);
        assert.deepEqual(
          heard.filter((one) => one !== "drain"),
          isEnded ? [] : ["reset"],
        );
        assert.equal(finished.length, 1);
      }
    });

    it("is cut if its request is refused meanwhile", async () => {
      const seen = await responseTo((exchange) => {
        exchange.respond(HEAD, textOf(400_000));
        assert.equal(exchange.isFinished, true);
        exchange.refuse(ERRORS.BODY_TIMEOUT);
      });
      assert.equal(seen.isWhole, false);
      assert.equal(finished.length, 1);
    });

    it("is sent as it is while too many bodies are coded, and gives its place back", async () => {
      act = (exchange) => {
        exchange.start(HEAD);
        exchange.write(textOf(10));
      };
      for (let count = 0; count < MAX_ENCODERS; count += 1) await engine.ask(accepting("gzip"));
      await until("all of them", () => exchanges.length === MAX_ENCODERS);
      const sized = responseHead(200, "OK", [TEXT, ["Content-Length", "100000"], ["ETag", '"x"']]);
      const refused = await responseTo((exchange) => {
        exchange.start(sized);
        exchange.write(textOf(100_000));
        exchange.end();
      });
      assert.equal(refused.fields.get("content-encoding"), undefined);
      assert.deepEqual(refused.fields.get("vary"), ["Accept-Encoding"]);
      assert.deepEqual(refused.fields.get("etag"), ['"x"']);
      assert.deepEqual(refused.fields.get("content-length"), ["100000"]);
      // What is short needs no place.
      const short = await responseTo((exchange) => exchange.respond(HEAD, textOf(2000)));
      assert.deepEqual(short.fields.get("content-encoding"), ["gzip"]);
      for (const exchange of exchanges) exchange.abort();
      const seen = await responseTo((exchange) => exchange.respond(HEAD, textOf(100_000)));
      assert.ok(decoded(seen).equals(textOf(100_000)));
      assert.deepEqual(seen.fields.get("content-encoding"), ["gzip"]);
    });
  });
}

testCompression("in memory", startMemoryEngine);
testCompression("HTTP/1.1", startHttp1Engine);
