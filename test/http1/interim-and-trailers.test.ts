// What stands around an answer on an HTTP/1.1 connection: early hints before it, trailers behind it.

import assert from "node:assert/strict";
import { after, before, beforeEach, test } from "node:test";

import type { Exchange } from "../../src/http/exchange.ts";
import {
  MAX_EARLY_HINT_BYTES,
  MAX_EARLY_HINTS,
  type FieldSection,
} from "../../src/http/field-section.ts";
import { responseHead } from "../../src/http/response-head.ts";
import type { RawClient } from "../support/raw-client.ts";
import { type RecordingFront, startRecordingFront } from "../support/recording-front.ts";

const OK = responseHead(200, "OK", []);
const LINK: FieldSection = { names: ["link"], values: ["</a>"] };
const SUM: FieldSection = { names: ["x-sum", "x-sum"], values: ["1", ""] };

let front: RecordingFront;
let client: RawClient;
/** What the handler does. */
let handle: (exchange: Exchange) => void = () => undefined;

before(async () => {
  front = await startRecordingFront({ onExchange: (exchange) => handle(exchange) });
});
after(() => front.close());

beforeEach(async (context) => {
  client = await front.connect();
  if ("after" in context) context.after(() => client.destroy());
});

async function answerTo(request: string): Promise<string> {
  client.write(request);
  return String(await client.readUntilCut());
}

const get = (fields = ""): string =>
  `GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n${fields}\r\n`;

test("hints come as they are made, before the answer", async () => {
  handle = (exchange) => {
    exchange.hint(LINK);
    exchange.hint({ names: [], values: [] });
    assert.ok(!exchange.isAnswering && !exchange.isFinished);
    exchange.respond(OK, Buffer.from("ok"));
    exchange.hint(LINK);
  };
  const all = await answerTo(get());
  const start = "HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\nHTTP/1.1 103 Early Hints\r\n\r\n";
  assert.ok(all.startsWith(`${start}HTTP/1.1 200 OK\r\n`), all);
  assert.ok(all.endsWith("\r\n\r\nok"), all);
});

test("hints behind a head are not sent", async () => {
  handle = (exchange) => {
    exchange.start(OK);
    exchange.hint(LINK);
    exchange.write(Buffer.from("ok"));
    exchange.hint(LINK);
    exchange.end();
  };
  assert.ok(!(await answerTo(get())).includes("103"));
});

test("more hints than may be, and those that are too large, are not sent", async () => {
  handle = (exchange) => {
    exchange.hint({ names: ["link"], values: ["x".repeat(MAX_EARLY_HINT_BYTES - 3)] });
    for (let i = 0; i < 2 * MAX_EARLY_HINTS; i += 1) exchange.hint(LINK);
    exchange.respond(OK, Buffer.from("ok"));
  };
  assert.equal((await answerTo(get())).split("103 Early Hints").length - 1, MAX_EARLY_HINTS);
});

test("an early hint and 100 Continue are both interim", async () => {
  handle = (exchange) => {
    exchange.hint(LINK);
    exchange.receive({
      onBody: () => undefined,
      onBodyEnd: () => exchange.respond(OK, Buffer.from("ok")),
    });
  };
  client.write(
    "POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\n",
  );
  assert.deepEqual(
    [(await client.readHead()).status, (await client.readHead()).status],
    [103, 100],
  );
  client.write("x");
  assert.equal((await client.readResponse("POST")).text, "ok");
});

test("trailers stand behind the last chunk, also of an answer without a body", async () => {
  handle = (exchange) => {
    exchange.start(OK);
    exchange.end(SUM);
  };
  const all = await answerTo(get("TE: trailers\r\n"));
  assert.ok(all.endsWith("\r\n\r\n0\r\nx-sum: 1\r\nx-sum: \r\n\r\n"), all);
});

test("trailers do not save an answer that is too short", async () => {
  handle = (exchange) => {
    exchange.start(responseHead(200, "OK", [["Content-Length", "5"]]));
    exchange.write(Buffer.from("four"));
    exchange.end(SUM);
  };
  assert.ok((await answerTo(get("TE: trailers\r\n"))).endsWith("\r\n\r\nfour"));
});
