// Values of the configuration file, or of a program's options, with the place where each stands. Pure.

import { OperatorError, quote } from "./operator-error.ts";
import type { Option } from "./option.ts";
import type { ValueSchema } from "./values.ts";

/** `by`: the place for an error line, such as "typhon.toml:12: workers". */
export type Located =
  | {
      /** "any": a program's value, whose kind is not checked. */
      readonly kind: "string" | "number" | "boolean" | "date" | "any";
      readonly by: string;
      readonly text: string;
    }
  | { readonly kind: "array"; readonly by: string; readonly items: readonly Located[] }
  | { readonly kind: "table"; readonly by: string; readonly entries: Table };

/** The entries of one table by their keys. */
export type Table = ReadonlyMap<string, Located>;

/** A text that was given for an option. `folder`: where relative paths in it start, absolute. */
export interface GivenText {
  readonly by: string;
  readonly text: string;
  readonly folder: string;
  /** The kinds of value in the file that were given and would be right; null for flags and variables. */
  readonly kind: Located["kind"] | null;
}

/** The texts that an entry of the file gives to an option. Throws OperatorError if it has a wrong form. */
export function textsOf(located: Located, option: Option<unknown>, folder: string): GivenText[] {
  const { by } = located;
  if (located.kind === "table") {
    const { entry } = option;
    const hint = option.name === "app" ? "; did you mean [apps.NAME]?" : "";
    if (entry === null)
      throw new OperatorError(`${by} must be ${wordsFor(option)}, not a table${hint}`);
    return [...located.entries].map(([name, value]) => {
      const isRemoval = value.kind === "boolean" && value.text === "false";
      const text = entry(name, isRemoval ? false : scalarOf(value, option).text);
      return { by: value.by, text, folder, kind: null };
    });
  }
  const isList = located.kind === "array" && takes(option.read.schema, "string");
  if (option.entry !== null && !isList && located.kind !== "any")
    throw new OperatorError(`${by} must be a table, such as { NAME = "value" }`);
  if (located.kind !== "array") return [{ ...located, folder }];
  const items = located.items.map((item) => scalarOf(item, option));
  if (option.isRepeatable) return items.map((item) => ({ ...item, folder }));
  if (!takes(option.read.schema, "array"))
    throw new OperatorError(`${by} must be ${wordsFor(option)}, not an array`);
  const wrong = items.find(({ kind }) => kind !== "string" && kind !== "any");
  if (wrong !== undefined) throw new OperatorError(`${wrong.by} must be an array of strings`);
  return [{ by, text: items.map(({ text }) => text).join(","), folder, kind: "any" }];
}

function scalarOf(
  located: Located,
  option: Option<unknown>,
): Exclude<Located, { kind: "array" | "table" }> {
  if (located.kind !== "array" && located.kind !== "table") return located;
  throw new OperatorError(
    `${located.by} must be ${wordsFor(option)}, not ${located.kind === "array" ? "an array" : "a table"}`,
  );
}

/** Throws OperatorError if a readable text stands in the file as another kind of value than the option has. */
export function checkKind({ by, text, kind }: GivenText, option: Option<unknown>): void {
  if (kind === null || kind === "any" || takes(option.read.schema, kind)) return;
  throw new OperatorError(`${by} ${quote(text)} must be ${wordsFor(option)}`);
}

/** Whether a schema has values of a kind. */
function takes(schema: ValueSchema | undefined, kind: Located["kind"]): boolean {
  if (schema?.anyOf !== undefined) return schema.anyOf.some((one) => takes(one, kind));
  const type = schema?.type === "integer" ? "number" : (schema?.type ?? "string");
  return type === kind;
}

function wordsFor({ read, entry }: Option<unknown>): string {
  const words = [
    entry === null ? "" : "a string in quotes for each name",
    takes(read.schema, "number") ? "a number without quotes" : "",
    takes(read.schema, "boolean") ? "true or false without quotes" : "",
    entry === null && takes(read.schema, "string") ? "a string in quotes" : "",
  ];
  return words.filter((word) => word !== "").join(" or ");
}
