// SETTINGS of both sides (RFC 9113 §6.5).

import assert from "node:assert/strict";
import { test } from "node:test";

import { ConnectionFault, ErrorCode } from "../../src/http2/error-code.ts";
import { ownSettings, readSettings } from "../../src/http2/settings.ts";

function read(...pairs: readonly (readonly [id: number, value: number])[]) {
  const bytes = Buffer.alloc(6 * pairs.length);
  for (const [index, [id, value]] of pairs.entries()) {
    bytes.writeUInt16BE(id, 6 * index);
    bytes.writeUInt32BE(value, 6 * index + 2);
  }
  const settings = { headerTableBytes: [], windowBytes: 65_535 };
  readSettings(settings, bytes, 0, bytes.length);
  return settings;
}

test("takes the settings that concern us, the last of each, and ignores the others", () => {
  assert.deepEqual(read(), { headerTableBytes: [], windowBytes: 65_535 });
  assert.deepEqual(read([1, 0], [4, 7], [4, 8], [2, 0], [3, 0], [5, 16_384], [6, 0], [0xffff, 9]), {
    headerTableBytes: [0],
    windowBytes: 8,
  });
});

test("refuses values that a setting cannot have, with the code of RFC 9113", () => {
  const cases = [
    [ErrorCode.FLOW_CONTROL_ERROR, 4, 2 ** 31],
    [ErrorCode.PROTOCOL_ERROR, 2, 2],
    [ErrorCode.PROTOCOL_ERROR, 5, 16_383],
    [ErrorCode.PROTOCOL_ERROR, 5, 2 ** 24],
    [ErrorCode.PROTOCOL_ERROR, 8, 2],
  ] as const;
  for (const [code, id, value] of cases)
    assert.throws(
      () => read([id, value]),
      (error) => error instanceof ConnectionFault && error.code === code,
    );
});

test("offers WebSockets, and says how much it takes", () => {
  assert.deepEqual(ownSettings(32_768), [
    [3, 128],
    [6, 32_768],
    [8, 1],
    [9, 1],
  ]);
});
