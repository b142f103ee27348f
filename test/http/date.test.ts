// The Date field's value, and reason phrases.

import assert from "node:assert/strict";
import { test } from "node:test";

import { currentDate } from "../../src/http/date.ts";
import { reasonPhrase } from "../../src/http/status.ts";

test("is IMF-fixdate of this second (RFC 9110 §5.6.7)", (context) => {
  context.mock.timers.enable({ apis: ["Date"], now: Date.UTC(1994, 10, 6, 8, 49, 37, 999) });
  assert.equal(currentDate(), "Sun, 06 Nov 1994 08:49:37 GMT");
  assert.equal(currentDate(), "Sun, 06 Nov 1994 08:49:37 GMT");
  context.mock.timers.setTime(Date.UTC(1994, 10, 6, 8, 49, 38));
  assert.equal(currentDate(), "Sun, 06 Nov 1994 08:49:38 GMT");
});

test("known statuses have a phrase, others none", () => {
  assert.equal(reasonPhrase(200), "OK");
  assert.equal(reasonPhrase(431), "Request Header Fields Too Large");
  assert.equal(reasonPhrase(299), "");
});
