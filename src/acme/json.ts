// Reads an authority's JSON into values with a type. Pure. What has another type counts as absent; the
// caller decides what must be there.

export type JsonObject = Readonly<Record<string, unknown>>;

/** Most characters of an authority's text in one of our messages. */
const MAX_QUOTED = 300;

/** The members of an object; null: the value is none. */
export function asObject(value: unknown): JsonObject | null {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return null;
  return Object.fromEntries(Object.entries(value));
}

/** The object that a text holds; null: the text is no JSON, or no object. */
export function parseObject(text: string): JsonObject | null {
  try {
    return asObject(JSON.parse(text));
  } catch (error) {
    if (error instanceof SyntaxError) return null;
    throw error;
  }
}

/** A text; "": absent. */
export function asText(value: unknown): string {
  return typeof value === "string" ? value : "";
}

/** The objects of an array; empty: absent. */
export function asObjects(value: unknown): readonly JsonObject[] {
  if (!Array.isArray(value)) return [];
  return value.map(asObject).filter((member) => member !== null);
}

/** An authority's text for a message: one line, printable, of bounded length. */
export function printable(text: string): string {
  const clean = text.slice(0, 4 * MAX_QUOTED).replaceAll(/[\p{C}\p{Zl}\p{Zp}]/gu, "?");
  return clean.length > MAX_QUOTED ? `${clean.slice(0, MAX_QUOTED)}…` : clean;
}
