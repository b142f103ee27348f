// Our engine beside Node's own parser, over real sockets: what Node refuses we refuse, save for a listed
// set, and what both take they read alike. Inputs are the cases and variations of requests.

import assert from "node:assert/strict";
import { createServer, type Server } from "node:http";
import { after, before, test } from "node:test";

import fc from "fast-check";

import { readCases } from "../support/http1-cases.ts";
import { RawClient } from "../support/raw-client.ts";
import { readWhole } from "../support/request-pieces.ts";

/** What one side made of one message: null = refused. */
interface Reading {
  readonly method: string;
  readonly target: string;
  readonly body: string;
}

/** Where Node is stricter than the RFCs, or reads less than they say. */
const KNOWN: readonly { readonly matches: RegExp; readonly why: string }[] = [
  { matches: /^\S+ \S+ HTTP\/1\.[2-9]\r/, why: "a higher minor version is 1.1 (RFC 9110 §2.5)" },
  {
    matches: /^(?!(GET|POST|PUT|PATCH|DELETE|HEAD|OPTIONS|PROPFIND|REPORT) )/,
    why: "any token is a method (RFC 9110 §9.1); Node has a list",
  },
  { matches: /\r\nExpect: 200-ok\r/, why: "417 is a MAY (RFC 9110 §10.1.1)" },
];

const READING = "x-reading";

let server: Server;
let port = 0;
before(async () => {
  server = createServer({ requireHostHeader: true }, (request, response) => {
    let body = "";
    request.setEncoding("latin1");
    request.on("data", (chunk: string) => {
      body += chunk;
    });
    request.on("end", () => {
      const { method = "", url = "" } = request;
      const reading: Reading = { method, target: url, body };
      response.writeHead(200, { [READING]: encodeURIComponent(JSON.stringify(reading)) });
      response.end();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  assert.ok(address !== null && typeof address === "object");
  port = address.port;
});
after(() => {
  server.closeAllConnections();
  server.close();
});

/** Node's reading of the first message; null if it refuses it. */
async function readByNode(text: string): Promise<Reading | null> {
  const client = await RawClient.connect({ port });
  try {
    client.write(text);
    client.end();
    const answer = (await client.readUntilCut()).toString("latin1");
    const field = new RegExp(
      `^(?:HTTP/1.1 100 Continue\r\n\r\n)?HTTP/1.1 200 [^]*?\r\n${READING}: (\\S*)`,
    ).exec(answer)?.[1];
    if (field === undefined) return null;
    const reading: Reading = JSON.parse(decodeURIComponent(field));
    return reading;
  } finally {
    client.destroy();
  }
}

/** One message of a shape that both may take or refuse. */
const message = fc
  .record({
    method: fc.constantFrom("GET", "POST", "HEAD", "OPTIONS", "get", "G ET", "BREW"),
    target: fc.constantFrom(
      "/",
      "/a?b",
      "/%41",
      "*",
      "http://a/x",
      "//x",
      "x",
      "/ x",
      "/\x7f",
      "/\x80",
    ),
    version: fc.constantFrom(
      "HTTP/1.1",
      "HTTP/1.0",
      "HTTP/1.2",
      "HTTP/2.0",
      "http/1.1",
      "HTTP/1.1 ",
    ),
    lines: fc.array(
      fc.tuple(
        fc.constantFrom(
          "Host",
          "Content-Length",
          "Transfer-Encoding",
          "X",
          "X ",
          "",
          " X",
          "X\0",
          "Connection",
        ),
        fc.constantFrom(":", ": ", " :", ":\t", ""),
        fc.constantFrom(
          "a",
          "",
          "3",
          "03",
          "+3",
          "3, 3",
          "chunked",
          "gzip, chunked",
          "chunked, x",
          "a\0",
          "a\rb",
          "a\x0bb",
          "close",
        ),
        fc.constantFrom("\r\n", "\r\n", "\r\n", "\n", "\r", "\r\n "),
      ),
      { maxLength: 4 },
    ),
    end: fc.constantFrom("\r\n", "\r\n", "\r\n", "\n", "\r\r\n"),
    body: fc.constantFrom(
      "",
      "abc",
      "3\r\nabc\r\n0\r\n\r\n",
      "3;a=b\r\nabc\r\n0\r\nX: y\r\n\r\n",
      "0x3\r\nabc\r\n0\r\n\r\n",
      "3 \r\nabc\r\n0\r\n\r\n",
    ),
  })
  .map(
    ({ method, target, version, lines, end, body }) =>
      `${method} ${target} ${version}\r\nHost: a\r\n${lines.map((line) => line.join("")).join("")}${end}${body}`,
  );

/** Differences that are decided: where Node refuses what the RFCs let us take. */
function isKnownDifference(text: string): boolean {
  return KNOWN.some(({ matches }) => matches.test(text));
}

/** "" if Node's reading of the first request in the text is ours, or if we refuse it. */
async function compare(text: string): Promise<string> {
  const { requests, ends } = readWhole(text);
  const [ours] = requests;
  if (ours === undefined || isKnownDifference(text)) return "";
  const node = await readByNode(text.slice(0, ends[0]));
  if (node === null) return "Node refuses what we take";
  const { method, target, body } = ours;
  const isSame = node.method === method && node.target === target && node.body === body;
  return isSame ? "" : `Node reads it otherwise: ${JSON.stringify(node)}`;
}

test("of the cases, what Node refuses we refuse, and what both take we read alike", async () => {
  const differences: string[] = [];
  for (const one of readCases()) {
    if (typeof one.bytes !== "string" || one.bytes.length > 5000) continue;
    const difference = await compare(one.bytes);
    if (difference !== "") differences.push(`${one.id}: ${difference}`);
  }
  assert.deepEqual(differences, []);
});

test("of variations, what Node refuses we refuse, and what both take we read alike", async () => {
  await fc.assert(
    fc.asyncProperty(message, async (text) => {
      assert.equal(await compare(text), "");
    }),
    { numRuns: 600 },
  );
});
