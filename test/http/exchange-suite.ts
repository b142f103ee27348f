// What a response means, whatever the HTTP version: the same tests for every engine. An engine that passes
// them has only its framing to test by itself.

import assert from "node:assert/strict";
import { after, before, beforeEach, describe, it } from "node:test";

import { ERRORS } from "../../src/http/error.ts";
import type { Exchange } from "../../src/http/exchange.ts";
import {
  MAX_EARLY_HINT_BYTES,
  MAX_EARLY_HINTS,
  type FieldSection,
} from "../../src/http/field-section.ts";
import { responseHead } from "../../src/http/response-head.ts";
import { BudgetShare } from "../../src/net/budget-share.ts";
import { MemoryBudget } from "../../src/net/memory-budget.ts";
import { MESSAGE_SHARE, WebSocketConnection } from "../../src/websocket/connection.ts";
import { until } from "../support/deadline.ts";
import type { ExchangeEngine, SeenResponse, StartEngine } from "../support/exchange-engines.ts";
import type { MemoryRequest } from "../support/memory-engine.ts";
import { frame, Opcode } from "../websocket/frames.ts";

const OK = responseHead(200, "OK", []);
const FIVE = responseHead(200, "OK", [["Content-Length", "5"]]);
const LINK: FieldSection = { names: ["link"], values: ["</a>"] };
const SUM: FieldSection = { names: ["x-sum", "x-sum"], values: ["1", ""] };
const WANTS_TRAILERS = [["TE", "trailers"]] as const;
const SWITCH = responseHead(101, "", []);

const streamed =
  (head: typeof OK, ...chunks: string[]) =>
  (exchange: Exchange): void => {
    exchange.start(head);
    for (const chunk of chunks) exchange.write(Buffer.from(chunk));
    exchange.end();
  };

/** Runs the suite on one engine. */
export function testExchanges(name: string, start: StartEngine): void {
  let engine: ExchangeEngine;
  /** What the handler does. */
  let handle: (exchange: Exchange) => void = () => undefined;
  let exchanges: Exchange[] = [];
  let finished: Exchange[] = [];
  let heard: string[] = [];

  before(async () => {
    const onExchange = (exchange: Exchange): void => {
      exchanges.push(exchange);
      exchange.listener = {
        onDrain: () => heard.push("drain"),
        onGone: (how) => heard.push(how),
      };
      handle(exchange);
    };
    engine = await start(onExchange, (exchange) => finished.push(exchange));
  });
  after(() => engine.close());
  beforeEach(() => {
    exchanges = [];
    finished = [];
    heard = [];
    handle = () => undefined;
  });

  /** The response to a request whose handler does `act`. */
  async function responseTo(
    act: (exchange: Exchange) => void,
    request: Partial<MemoryRequest> = {},
  ): Promise<SeenResponse> {
    handle = act;
    const client = await engine.ask(request);
    return await client.response();
  }

  const first = (): Promise<Exchange> => until("the exchange", () => exchanges[0]);

  describe(`a whole response, ${name}`, () => {
    it("has its body and the length of it", async () => {
      const seen = await responseTo((exchange) => exchange.respond(OK, Buffer.from("body")));
      assert.deepEqual([seen.status, String(seen.body), seen.isWhole], [200, "body", true]);
      assert.deepEqual(seen.fields.get("content-length"), ["4"]);
      assert.deepEqual([finished, finished[0]?.bytesSent], [exchanges, 4]);
    });

    it("keeps the Content-Length of its head, once", async () => {
      const seen = await responseTo((exchange) => exchange.respond(FIVE, Buffer.from("hello")));
      assert.deepEqual(seen.fields.get("content-length"), ["5"]);
    });

    it("has no body for HEAD, and the length that GET would have", async () => {
      const act = (body: string) => (exchange: Exchange) => exchange.respond(OK, Buffer.from(body));
      const seen = await responseTo(act("body"), { method: "HEAD" });
      assert.deepEqual([String(seen.body), seen.isWhole], ["", true]);
      assert.deepEqual(seen.fields.get("content-length"), ["4"]);
      assert.equal(finished[0]?.bytesSent, 0);
      const empty = await responseTo(act(""), { method: "HEAD" });
      assert.equal(empty.fields.get("content-length"), undefined);
    });

    for (const status of [204, 304])
      it(`has neither body nor length for ${status}`, async () => {
        const head = responseHead(status, "", []);
        const seen = await responseTo((exchange) => exchange.respond(head, Buffer.from("body")));
        assert.deepEqual([seen.status, String(seen.body), seen.isWhole], [status, "", true]);
        assert.equal(seen.fields.get("content-length"), undefined);
      });

    it("of 204 has no Content-Length, whatever its head says (RFC 9110 §8.6)", async () => {
      const head = responseHead(204, "", [["Content-Length", "0"]]);
      const seen = await responseTo((exchange) => exchange.respond(head, Buffer.alloc(0)));
      assert.equal(seen.fields.get("content-length"), undefined);
    });

    it("that is not as long as its head says becomes a 500", async () => {
      const seen = await responseTo((exchange) => exchange.respond(FIVE, Buffer.from("abc")));
      assert.equal(seen.status, 500);
      assert.match(String(seen.body), /RESPONSE_INVALID/);
    });
  });

  describe(`a streamed response, ${name}`, () => {
    it("comes whole, with a length or without", async () => {
      for (const [head, length] of [
        [OK, undefined],
        [responseHead(200, "OK", [["Content-Length", "6"]]), ["6"]],
      ] as const) {
        const seen = await responseTo(streamed(head, "one", "", "two"));
        assert.deepEqual([String(seen.body), seen.isWhole], ["onetwo", true]);
        assert.deepEqual(seen.fields.get("content-length"), length);
      }
      assert.deepEqual(
        finished.map((exchange) => [exchange.status, exchange.bytesSent]),
        [
          [200, 6],
          [200, 6],
        ],
      );
    });

    it("may be empty", async () => {
      const seen = await responseTo(streamed(OK));
      assert.deepEqual([String(seen.body), seen.isWhole], ["", true]);
    });

    it("drops its body for HEAD, 204 and 304", async () => {
      for (const [method, status] of [
        ["HEAD", 200],
        ["GET", 204],
        ["GET", 304],
      ] as const) {
        const head = responseHead(status, "", []);
        const seen = await responseTo(streamed(head, "one", "two"), { method });
        assert.deepEqual([seen.status, String(seen.body), seen.isWhole], [status, "", true]);
      }
      assert.deepEqual(
        finished.map((exchange) => exchange.bytesSent),
        [0, 0, 0],
      );
    });

    it("of more or fewer bytes than Content-Length is cut, and no byte too many is sent", async () => {
      for (const chunks of [["abc", "defg"], ["abc"], []]) {
        const seen = await responseTo(streamed(FIVE, ...chunks));
        assert.equal(seen.isWhole, false);
        assert.ok(!seen.body.includes("defg"));
      }
      await until("their ends", () => finished.length === 3);
    });

    it("says when the client has enough, and when it takes more", async () => {
      handle = (exchange) => exchange.start(OK);
      const client = await engine.ask();
      const exchange = await first();
      client.pause();
      let written = 0;
      while (exchange.write(Buffer.alloc(100_000))) {
        written += 1;
        assert.ok(written < 1000, "buffers end somewhere");
        await new Promise(setImmediate);
      }
      client.resume();
      await until("the drain", () => heard.includes("drain"));
      exchange.end();
      const { body, isWhole } = await client.response();
      assert.deepEqual([body.length, isWhole], [(written + 1) * 100_000, true]);
    });
  });

  describe(`early hints and trailers, ${name}`, () => {
    it("hints come as they are made, before the response only", async () => {
      const seen = await responseTo((exchange) => {
        exchange.hint(LINK);
        exchange.hint({ names: [], values: [] });
        assert.ok(!exchange.isResponding && !exchange.isFinished);
        exchange.start(OK);
        exchange.hint(LINK);
        exchange.write(Buffer.from("ok"));
        exchange.hint(LINK);
        exchange.end();
        exchange.hint(LINK);
      });
      assert.deepEqual(
        seen.hints.map((hint) => [...hint]),
        [[["link", ["</a>"]]], []],
      );
      assert.deepEqual([seen.status, String(seen.body)], [200, "ok"]);
    });

    it("more hints than may be, and hints that are too large, are not sent", async () => {
      const seen = await responseTo((exchange) => {
        exchange.hint({ names: ["link"], values: ["x".repeat(MAX_EARLY_HINT_BYTES - 3)] });
        for (let i = 0; i < 2 * MAX_EARLY_HINTS; i += 1) exchange.hint(LINK);
        exchange.respond(OK, Buffer.from("ok"));
      });
      assert.equal(seen.hints.length, MAX_EARLY_HINTS);
    });

    it("trailers come where the client wants them, also without a body", async () => {
      const act = (exchange: Exchange): void => {
        exchange.start(OK);
        exchange.end(SUM);
      };
      const wanted = await responseTo(act, { fields: WANTS_TRAILERS });
      assert.deepEqual([...wanted.trailers], [["x-sum", ["1", ""]]]);
      assert.ok(wanted.isWhole);
      const unwanted = await responseTo(act);
      assert.deepEqual([unwanted.trailers.size, unwanted.isWhole], [0, true]);
    });

    it("trailers do not save a response that is too short", async () => {
      const act = (exchange: Exchange): void => {
        exchange.start(FIVE);
        exchange.write(Buffer.from("four"));
        exchange.end(SUM);
      };
      assert.equal((await responseTo(act, { fields: WANTS_TRAILERS })).isWhole, false);
    });
  });

  describe(`the server's own part, ${name}`, () => {
    it("an error has its status, its text and its fields", async () => {
      const seen = await responseTo((exchange) => exchange.fail(ERRORS.QUEUE_FULL));
      assert.deepEqual([seen.status, seen.fields.get("retry-after")], [503, ["1"]]);
      assert.match(String(seen.body), /^503 Service Unavailable\n.*\(QUEUE_FULL\)\n$/);
    });

    it("OPTIONS * and TRACE have responses with Allow, and no handler hears of them", async () => {
      const ask = (method: string, path: string): Promise<SeenResponse> =>
        responseTo(() => undefined, { method, path, fields: [["Cookie", "secret"]] });
      const options = await ask("OPTIONS", "*");
      assert.equal(options.status, 200);
      assert.match(options.fields.get("allow")?.[0] ?? "", /GET/);
      const trace = await ask("TRACE", "/");
      assert.equal(trace.status, 405);
      assert.ok(trace.fields.has("allow") && !trace.body.includes("secret"));
      assert.deepEqual([exchanges.length, finished.length], [0, 2]);
    });

    it("every kind of response has Date, Server and the request's id", async () => {
      const acts: ((exchange: Exchange) => void)[] = [
        (exchange) => exchange.respond(OK, Buffer.alloc(0)),
        streamed(OK, "x"),
        (exchange) => exchange.fail(ERRORS.APPLICATION_ERROR),
      ];
      for (const act of acts) {
        const { fields } = await responseTo((exchange) => {
          exchange.requestId = "id-7";
          act(exchange);
        });
        assert.match(fields.get("date")?.join() ?? "", /^\w{3}, \d\d \w{3} \d{4} [\d:]{8} GMT$/);
        assert.deepEqual(fields.get("server"), ["typhon"]);
        assert.deepEqual(fields.get("x-request-id"), ["id-7"]);
      }
      const refused = await engine.askUnreadable();
      assert.equal(refused.status, 400);
      assert.ok(refused.fields.has("date") && refused.fields.has("server"));
    });

    it("the application's own Date, Server and X-Request-ID stay", async () => {
      const head = responseHead(200, "OK", [
        ["DATE", "never"],
        ["server", "mine"],
        ["x-request-id", "app"],
      ]);
      const own = await responseTo((exchange) => exchange.respond(head, Buffer.alloc(0)));
      assert.deepEqual(
        ["date", "server", "x-request-id"].map((field) => own.fields.get(field)),
        [["never"], ["mine"], ["app"]],
      );
      const named = await responseTo((exchange) => {
        exchange.requestId = "id-7";
        exchange.respond(head, Buffer.alloc(0));
      });
      assert.deepEqual(named.fields.get("x-request-id"), ["app"]);
    });

    it("scheme and addresses are the connection's", async () => {
      await responseTo((exchange) => exchange.respond(OK, Buffer.alloc(0)));
      const { scheme, remoteAddress } = await first();
      assert.deepEqual({ scheme, remoteAddress }, engine.facts);
    });
  });

  describe(`the body of a request, ${name}`, () => {
    for (const bodyLength of [11, null])
      it(`comes in order, paused and resumed, with length ${bodyLength}`, async () => {
        const chunks: string[] = [];
        handle = (exchange) =>
          exchange.receive({
            onBody: (chunk) => chunks.push(String(chunk)),
            onBodyEnd: () => exchange.respond(OK, Buffer.from(chunks.join(""))),
          });
        const client = await engine.ask({ method: "POST", bodyLength });
        client.sendBody("hello", false);
        const exchange = await first();
        await until("a piece", () => chunks.length > 0);
        exchange.pauseBody();
        client.sendBody(" world", true);
        await new Promise(setImmediate);
        assert.equal(chunks.join(""), "hello");
        exchange.resumeBody();
        assert.equal(String((await client.response()).body), "hello world");
        assert.equal(exchange.bytesReceived, 11);
      });
  });

  describe(`the end of an exchange, ${name}`, () => {
    it("is told once when it was aborted, before its response or inside", async () => {
      const early = await responseTo((exchange) => exchange.abort());
      assert.deepEqual([early.status, early.isWhole], [0, false]);
      const late = await responseTo((exchange) => {
        exchange.start(OK);
        exchange.write(Buffer.from("part"));
        exchange.abort();
      });
      assert.deepEqual([late.status, String(late.body), late.isWhole], [200, "part", false]);
      assert.deepEqual(finished, exchanges);
      assert.deepEqual(heard, []);
    });

    it("is told the handler as a reset when the client has left", async () => {
      const client = await engine.ask();
      const exchange = await first();
      client.leave();
      await until("its end", () => finished.length > 0);
      assert.deepEqual([heard, exchange.status, exchange.isFinished], [["reset"], 0, true]);
      exchange.respond(OK, Buffer.from("nobody"));
      assert.deepEqual([finished.length, exchange.status], [1, 0]);
    });

    it("makes every later call do nothing", async () => {
      const seen = await responseTo((exchange) => {
        exchange.respond(OK, Buffer.from("first"));
        exchange.respond(OK, Buffer.from("second"));
        exchange.fail(ERRORS.SERVER_FAULT);
        exchange.start(OK);
        assert.equal(exchange.write(Buffer.from("third")), true);
        exchange.end();
        exchange.abort();
        exchange.pauseBody();
        exchange.resumeBody();
        exchange.lose();
        assert.equal(exchange.upgrade(SWITCH), null);
      });
      assert.deepEqual([String(seen.body), seen.isWhole], ["first", true]);
      assert.deepEqual([finished.length, heard.length], [1, 0]);
    });

    it("a second head, or an error behind the first, is not sent", async () => {
      const seen = await responseTo((exchange) => {
        exchange.start(OK);
        exchange.start(responseHead(404, "", []));
        exchange.respond(OK, Buffer.from("x"));
        exchange.fail(ERRORS.SERVER_FAULT);
        exchange.write(Buffer.from("ok"));
        exchange.end();
      });
      assert.deepEqual([seen.status, String(seen.body), seen.isWhole], [200, "ok", true]);
    });

    it("an engine that cannot read on has an error sent, or cuts what has begun", async () => {
      const early = await responseTo((exchange) => exchange.refuse(ERRORS.BODY_TOO_LARGE));
      assert.equal(early.status, 413);
      assert.deepEqual(heard, ["reset"]);
      const late = await responseTo((exchange) => {
        exchange.start(OK);
        exchange.refuse(ERRORS.BODY_TOO_LARGE);
      });
      assert.deepEqual([late.status, late.isWhole], [200, false]);
      assert.deepEqual(heard, ["reset", "reset"]);
    });
  });

  describe(`an upgrade, ${name}`, () => {
    it("gives the stream away, counts its bytes, and ends with it", async () => {
      handle = (exchange) => {
        exchange.requestId = "id-7";
        const upgraded = exchange.upgrade(SWITCH);
        assert.ok(upgraded !== null && !exchange.isFinished && exchange.isResponding);
        upgraded.stream.on("data", (bytes: Buffer) => upgraded.stream.write(`<${String(bytes)}>`));
        upgraded.stream.on("end", () => upgraded.stream.end());
      };
      const client = await engine.ask({ protocol: "websocket" });
      const { status, fields } = await client.upgraded();
      assert.equal(status, engine.switchStatus);
      assert.deepEqual(fields.get("x-request-id"), ["id-7"]);
      assert.ok(fields.has("date") && !fields.has("content-length"));
      client.send(Buffer.from("ping"));
      assert.equal(String(await client.read(6)), "<ping>");
      client.leave();
      await until("its end", () => finished.length > 0);
      const [exchange] = finished;
      assert.deepEqual([exchange?.bytesReceived, exchange?.bytesSent], [4, 6]);
      assert.equal(exchange?.isFinished, true);
    });

    it("is none where the client has not asked, or has a response", async () => {
      const refusing = (exchange: Exchange): void => {
        assert.equal(exchange.upgrade(SWITCH), null);
        exchange.respond(OK, Buffer.from("plain"));
        assert.equal(exchange.upgrade(SWITCH), null);
      };
      assert.equal(String((await responseTo(refusing)).body), "plain");
    });

    it("any other response to it is one, and ends the stream for both", async () => {
      const seen = await responseTo((exchange) => exchange.fail(ERRORS.WEBSOCKET_VERSION), {
        protocol: "websocket",
      });
      assert.deepEqual([seen.status, seen.fields.get("sec-websocket-version")], [426, ["13"]]);
      assert.ok(seen.isWhole);
    });

    it("carries a WebSocket", async () => {
      const closed: string[] = [];
      handle = (exchange) => {
        const upgraded = exchange.upgrade(SWITCH);
        assert.ok(upgraded !== null);
        const connection = new WebSocketConnection(upgraded, {
          deflate: null,
          share: new BudgetShare(new MemoryBudget(1_000_000), MESSAGE_SHARE),
          listener: {
            onMessage: (bytes, isText) => connection.send(bytes, isText, true, () => undefined),
            onClosed: (code, reason) => closed.push(`${code} ${reason}`),
          },
        });
      };
      const client = await engine.ask({ protocol: "websocket" });
      await client.upgraded();
      client.send(frame(Opcode.TEXT, "hello"));
      assert.equal(String((await client.read(7)).subarray(2)), "hello");
      client.send(frame(Opcode.CLOSE, Buffer.from([0x03, 0xe8])));
      assert.deepEqual([...(await client.read(4))], [0x88, 2, 0x03, 0xe8]);
      assert.deepEqual(closed, ["1000 "]);
      client.leave();
      await until("its end", () => finished.length > 0);
    });
  });
}
