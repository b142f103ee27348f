// Records as they are written and read, and damaged ones.

import assert from "node:assert/strict";
import { test } from "node:test";

import fc from "fast-check";

import { formatRecord, newRecord, parseRecord } from "../../src/acme/certificate-record.ts";

const NAMES = ["example.com"];
const FULL = {
  ...newRecord(NAMES),
  issuer: "https://ca.example/directory",
  orderedAt: 1,
  plan: { start: 1, end: 3, moment: 2 },
  askAt: 4,
  attempts: { failures: 2, tries: [1, 2], retryAt: 5, failedAt: 4 },
  reason: "no",
};

test("a record is read as it was written", () => {
  assert.deepEqual(parseRecord(formatRecord(FULL), NAMES), FULL);
  assert.deepEqual(parseRecord(formatRecord(newRecord(NAMES)), NAMES), newRecord(NAMES));
  const long = parseRecord(formatRecord({ ...FULL, reason: "x".repeat(5000) }), NAMES);
  assert.equal(long?.reason.length, 1000);
});

test("a record in which anything has another type is damaged", () => {
  const wrong = fc.constantFrom(null, "x", -1, [1], {}, true, 1e300);
  const member = fc.constantFrom("issuer", "orderedAt", "plan", "askAt", "attempts", "reason");
  fc.assert(
    fc.property(member, wrong, (name, value) => {
      if (name === "plan" && value === null) return;
      if ((name === "issuer" || name === "reason") && value === "x") return;
      const text = JSON.stringify({ ...FULL, [name]: value });
      assert.equal(parseRecord(text, NAMES), null, text);
    }),
  );
  const tries = { ...FULL.attempts, tries: Array.from({ length: 101 }, () => 1) };
  assert.equal(parseRecord(JSON.stringify({ ...FULL, attempts: tries }), NAMES), null);
});

test("any text is read or damaged, and never an error", () => {
  fc.assert(
    fc.property(fc.oneof(fc.json(), fc.string()), (text) => {
      parseRecord(text, NAMES);
    }),
  );
});
