// Exchanges over HTTP/1.1: the suite of every engine, and what of it is HTTP/1.1's alone.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import type { Exchange } from "../../src/http/exchange.ts";
import type { FieldSection } from "../../src/http/field-section.ts";
import { responseHead } from "../../src/http/response-head.ts";
import { testExchanges } from "../http/exchange-suite.ts";
import { startHttp1Engine } from "../support/exchange-engines.ts";
import { type RecordingFront, startRecordingFront } from "../support/recording-front.ts";

testExchanges("HTTP/1.1", startHttp1Engine);

const OK = responseHead(200, "OK", []);
const LINK: FieldSection = { names: ["link"], values: ["</a>"] };
const SUM: FieldSection = { names: ["x-sum", "x-sum"], values: ["1", ""] };

let front: RecordingFront;
let handle: (exchange: Exchange) => void = () => undefined;

before(async () => {
  front = await startRecordingFront({ onExchange: (exchange) => handle(exchange) });
});
after(() => front.close());

/** All that comes on a connection of one request. */
async function responseTo(act: typeof handle, fields = "", version = "1.1"): Promise<string> {
  handle = act;
  const client = await front.connect();
  client.write(`GET / HTTP/${version}\r\nHost: a\r\nConnection: close\r\n${fields}\r\n`);
  const all = String(await client.readUntilCut());
  client.destroy();
  return all;
}

const hinting = (exchange: Exchange): void => {
  exchange.hint(LINK);
  exchange.hint({ names: [], values: [] });
  exchange.respond(OK, Buffer.from("ok"));
};

test("early hints are interim responses", async () => {
  const all = await responseTo(hinting);
  const start = "HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\nHTTP/1.1 103 Early Hints\r\n\r\n";
  assert.ok(all.startsWith(`${start}HTTP/1.1 200 OK\r\n`), all);
  assert.ok(all.endsWith("\r\n\r\nok"), all);
});

test("HTTP/1.0 has no interim responses (RFC 9110 §15.2)", async () => {
  assert.match(await responseTo(hinting, "", "1.0"), /^HTTP\/1\.1 200 /);
});

test("an early hint and 100 Continue are both interim", async (context) => {
  handle = (exchange) => {
    exchange.hint(LINK);
    exchange.receive({
      onBody: () => undefined,
      onBodyEnd: () => exchange.respond(OK, Buffer.from("ok")),
    });
  };
  const client = await front.connect();
  context.after(() => client.destroy());
  client.write(
    "POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\n",
  );
  const statuses = [(await client.readHead()).status, (await client.readHead()).status];
  assert.deepEqual(statuses, [103, 100]);
  client.write("x");
  assert.equal((await client.readResponse("POST")).text, "ok");
});

const withTrailers = (exchange: Exchange): void => {
  exchange.start(OK);
  exchange.end(SUM);
};

test("trailers stand behind the last chunk (RFC 9112 §7.1.2)", async () => {
  const all = await responseTo(withTrailers, "TE: trailers\r\n");
  assert.ok(all.endsWith("\r\n\r\n0\r\nx-sum: 1\r\nx-sum: \r\n\r\n"), all);
});

test("trailers are dropped where no chunk could carry them", async () => {
  const old = await responseTo(withTrailers, "TE: trailers\r\n", "1.0");
  assert.ok(old.endsWith("\r\n\r\n") && !old.includes("x-sum"), old);
  const sized = await responseTo((exchange) => {
    exchange.start(responseHead(200, "OK", [["Content-Length", "2"]]));
    exchange.write(Buffer.from("ok"));
    exchange.end(SUM);
  }, "TE: trailers\r\n");
  assert.ok(sized.endsWith("\r\n\r\nok"), sized);
});
