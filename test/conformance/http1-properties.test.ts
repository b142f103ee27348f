// Properties of the engine: how bytes are cut never changes what they mean, and no bytes crash it, hang
// it or cost more than linear time. Runs print their seed when they fail.

import assert from "node:assert/strict";
import { test } from "node:test";

import fc from "fast-check";

import { readCases } from "../support/http1-cases.ts";
import { readBytewise, readPieces, readWhole, type Verdict } from "../support/request-pieces.ts";

function textOf(bytes: ReturnType<typeof readCases>[number]["bytes"]): string {
  if (typeof bytes === "string") return bytes;
  return bytes
    .map((piece) => {
      if (typeof piece === "string") return piece;
      return "repeat" in piece ? piece.repeat[0].repeat(piece.repeat[1]) : "";
    })
    .join("");
}

const CASES = readCases().map((one) => ({ id: one.id, text: textOf(one.bytes) }));
const SHORT = CASES.filter((one) => one.text.length <= 20_000);

/** What must not depend on how the bytes are cut. */
function essence(verdict: Verdict): unknown {
  return {
    requests: verdict.requests,
    isRefused: verdict.refusal !== "",
    isWaiting: verdict.isWaiting,
  };
}

function cutAt(text: string, cuts: readonly number[]): readonly string[] {
  const places = [...new Set(cuts.map((cut) => cut % (text.length + 1)))].toSorted((a, b) => a - b);
  return [0, ...places].map((start, index) => text.slice(start, places[index] ?? text.length));
}

const cuts = fc.array(fc.nat(), { maxLength: 12 });

test("any cut of any case gives the same verdict", () => {
  fc.assert(
    fc.property(fc.constantFrom(...SHORT), cuts, ({ text }, places) => {
      assert.deepEqual(essence(readPieces(cutAt(text, places))), essence(readWhole(text)));
    }),
    { numRuns: 3000 },
  );
});

test("every case, byte by byte, gives the same verdict", () => {
  for (const { id, text } of SHORT)
    assert.deepEqual(essence(readBytewise(text)), essence(readWhole(text)), id);
});

test("any case behind another, however cut, is read as behind itself", () => {
  const good = CASES.filter(({ text }) => {
    const verdict = readWhole(text);
    return verdict.requests.length > 0 && verdict.refusal === "" && text.length < 2000;
  });
  fc.assert(
    fc.property(fc.constantFrom(...good), fc.constantFrom(...SHORT), cuts, (a, b, places) => {
      const text = a.text + b.text;
      assert.deepEqual(essence(readPieces(cutAt(text, places))), essence(readWhole(text)));
    }),
    { numRuns: 1000 },
  );
});

// Bytes that come near to requests: parts of the grammar, and what breaks it.
const fragment = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.constantFrom(
      "GET ",
      "POST ",
      "/",
      "/x?y ",
      "HTTP/1.1",
      "HTTP/1.0",
      "\r\n",
      "\r\n\r\n",
    ),
  },
  {
    weight: 6,
    arbitrary: fc.constantFrom(
      "Host: a\r\n",
      "Content-Length: 3\r\n",
      "Transfer-Encoding: chunked\r\n",
      "Connection: close\r\n",
      "X: y\r\n",
      "3\r\nabc\r\n",
      "0\r\n\r\n",
      ";a=b",
    ),
  },
  {
    weight: 2,
    arbitrary: fc.constantFrom("\r", "\n", " ", "\t", ":", "\0", "%", ",", '"', ";", "\x80"),
  },
  { weight: 1, arbitrary: fc.string({ unit: "binary-ascii", maxLength: 8 }) },
);
const nearRequest = fc.array(fragment, { maxLength: 24 }).map((parts) => parts.join(""));

test("no bytes crash the engine, and any cut of any bytes gives the same verdict", () => {
  fc.assert(
    fc.property(nearRequest, cuts, (start, places) => {
      // With the end of a head behind it: one that is not whole may be refused early or late.
      const text = `${start}\r\n\r\n`;
      assert.deepEqual(essence(readPieces(cutAt(text, places))), essence(readWhole(text)));
    }),
    { numRuns: 10_000 },
  );
});

test("what a request is said to hold stands in its bytes, and holds no control characters", () => {
  fc.assert(
    fc.property(nearRequest, (text) => {
      const start = `POST / HTTP/1.1\r\nHost: a\r\nContent-Length: ${text.length}\r\n\r\n`;
      const [request] = readWhole(start + text).requests;
      if (text.length > 0) assert.equal(request?.body, text);
      for (const read of readWhole(text).requests) {
        assert.doesNotMatch(read.method + read.target, /[^\x21-\x7e]/);
        for (const value of read.values) assert.doesNotMatch(value, /[\0-\x08\x0a-\x1f\x7f]/);
        assert.equal(read.names.length, read.values.length);
      }
    }),
    { numRuns: 3000 },
  );
});

test("the longest inputs cost linear time, whole and byte by byte", () => {
  // The time is not asserted: what is not linear does not end within the runner's patience.
  const blanks = " ".repeat(30_000);
  const long = [
    `GET / HTTP/1.1\r\nHost: a\r\nConnection: a${blanks}b\r\n\r\n`,
    `GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: a${blanks}b\r\n\r\n`,
    `GET / HTTP/1.1\r\nHost: a\r\nExpect: ${",".repeat(30_000)}\r\n\r\n`,
    `GET /${"%41".repeat(2600)} HTTP/1.1\r\nHost: a\r\n\r\n`,
    `GET / HTTP/1.1\r\nHost: ${"%41".repeat(10_000)}\r\n\r\n`,
    "\r\n".repeat(30_000),
    `POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n${"1\r\na\r\n".repeat(100_000)}`,
  ];
  for (const text of long)
    assert.deepEqual(essence(readBytewise(text)), essence(readWhole(text)), text.slice(0, 60));
});
