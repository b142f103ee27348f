// Times in the list of a folder.

import assert from "node:assert/strict";
import { test } from "node:test";

import { timeText } from "../../../src/handlers/static/listing.ts";

test("a time is a date to the minute, and nothing where it is no date", () => {
  assert.equal(timeText(1_700_000_000_000), "2023-11-14 22:13");
  assert.equal(timeText(-1), "1969-12-31 23:59");
  assert.equal(timeText(8_640_000_000_000_000), "+275760-09-13 00:00");
  assert.equal(timeText(99_999_999_999_999_000), "");
  assert.equal(timeText(-99_999_999_999_999_000), "");
});
