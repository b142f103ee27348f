// Reads JSON that a program under test has written into values with a type.

import assert from "node:assert/strict";

/** The members of a JSON object; fails for anything else. */
export function readRecord(text: string): Readonly<Record<string, unknown>> {
  const parsed: unknown = JSON.parse(text);
  assert(typeof parsed === "object" && parsed !== null && !Array.isArray(parsed), text);
  return Object.fromEntries(Object.entries(parsed));
}

/** The members of a JSON array of strings; fails for anything else. */
export function readStrings(text: string): readonly string[] {
  const parsed: unknown = JSON.parse(text);
  assert(Array.isArray(parsed), text);
  return parsed.map((member: unknown) => {
    assert(typeof member === "string", text);
    return member;
  });
}
